//! The real control plane, killed while `tow apply --prune` takes most of a large source away: whatever is left is whole
//! pieces, each object with all it is found by or with nothing, and applying it again ends as if nobody had died.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]
#![allow(clippy::print_stdout, reason = "what is measured is a result")]

use crate::ferry::TOW;
use rustix::process::Signal;
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tow_store::{Location, Store};
use tow_testkit::binary::{Binary, Done, PATIENCE};

/// What one commit of an apply writes at most.
const PIECE: usize = 500;
const COMPONENTS: usize = 2_350;
const APIS: usize = 100;
const SYSTEMS: usize = 50;
/// One in so many stays.
const STAYS: usize = 10;
/// These come in with the smaller set.
const NEW: usize = 5;
/// Those that go, those that change (every tenth of those that stay), those that come.
const CHANGES: usize = (COMPONENTS + APIS + SYSTEMS) / STAYS * (STAYS - 1) + 24 + NEW;
const PIECES: usize = CHANGES.div_ceil(PIECE);

/// A moment at which the control plane is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// All is being read and judged, and nothing is written yet, most likely.
    Judging,
    /// So many pieces are written.
    Written(usize),
    /// So many pieces are written, and the database's log grows by more.
    Writing(usize),
}

fn document(kind: &str, name: &str, title: &str, spec: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  title: {title}\n  \
         tags: [{}]\nspec:\n{spec}",
        name.chars().next().unwrap()
    )
}

/// The folder with all of it, or with every tenth, some of those changed, and a few that are new.
fn folder(home: &Path, smaller: bool) -> PathBuf {
    let stays = |n: usize| !smaller || n.is_multiple_of(STAYS);
    let mut texts = Vec::new();
    for n in (0..COMPONENTS).filter(|n| stays(*n)).chain(COMPONENTS..COMPONENTS + NEW) {
        if n >= COMPONENTS && !smaller {
            continue;
        }
        let changed = smaller && n.is_multiple_of(STAYS * STAYS);
        let title = format!("{} barge {n}", if changed { "Painted" } else { "Plain" });
        let (after, api) = ((n + 1) % COMPONENTS, n % APIS);
        let spec = format!(
            "  type: service\n  lifecycle: production\n  owner: crew-{}\n  system: s{}\n  dependsOn: \
             [component:c{after:04}]\n  providesApis: [a{api}]\n",
            n % 7,
            n % SYSTEMS
        );
        texts.push(document("Component", &format!("c{n:04}"), &title, &spec));
    }
    for n in (0..APIS).filter(|n| stays(*n)) {
        let spec =
            "  type: openapi\n  lifecycle: production\n  owner: crew-1\n  definition: none\n";
        texts.push(document("API", &format!("a{n}"), &format!("Signals {n}"), spec));
    }
    for n in (0..SYSTEMS).filter(|n| stays(*n)) {
        texts.push(document("System", &format!("s{n}"), &format!("Lock {n}"), "  owner: crew-2\n"));
    }
    let path = home.join(if smaller { "smaller" } else { "all" });
    std::fs::create_dir_all(&path).unwrap();
    for (at, some) in texts.chunks(100).enumerate() {
        std::fs::write(path.join(format!("{at:03}.yaml")), some.join("---\n")).unwrap();
    }
    path
}

/// What a store holds.
#[derive(Debug, PartialEq)]
struct Kept {
    objects: BTreeMap<String, Value>,
    /// What the log tells of objects, in its order.
    told: Vec<Value>,
    /// What objects are found by, each row with its object's reference.
    found_by: BTreeMap<&'static str, BTreeSet<String>>,
}

/// Rows of everything that is made of objects; one without its object says so.
const FOUND_BY: [(&str, &str); 4] = [
    (
        "search",
        "SELECT coalesce(o.ref, 'nobody') || ' ' || k.name || ' ' || s.form || ' ' || s.value || ' ' || \
         coalesce(s.shown, '') FROM search s LEFT JOIN object o ON o.id = s.object \
         LEFT JOIN search_key k ON k.id = s.key",
    ),
    (
        "relation",
        "SELECT coalesce(o.ref, 'nobody') || ' ' || r.type || ' ' || r.target FROM relation r \
         LEFT JOIN object o ON o.id = r.origin",
    ),
    (
        "said",
        "SELECT coalesce(o.ref, 'nobody') || w.said FROM words_said w LEFT JOIN object o ON o.id = w.object",
    ),
    (
        "words",
        "SELECT coalesce(o.ref, 'nobody') || ' ' || v.term FROM temp.vocabulary v LEFT JOIN object o ON o.id = v.doc",
    ),
];

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn found_by(file: &Path, then: &str) -> BTreeMap<&'static str, BTreeSet<String>> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut database = options.connect().await.unwrap();
    let terms = "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, instance)";
    database.execute(terms).await.unwrap();
    let mut found = BTreeMap::new();
    for (what, statement) in FOUND_BY {
        let rows = database.fetch_all(statement).await.unwrap();
        let rows: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let lost = rows.iter().find(|row| row.starts_with("nobody"));
        assert_eq!(lost, None, "{what}: a row whose object is gone");
        found.insert(what, rows);
    }
    database.execute(sqlx::raw_sql(AssertSqlSafe(then.to_string()))).await.unwrap();
    database.close().await.unwrap();
    found
}

/// What is in the files that somebody left, read of a copy: to open a database is to mend it.
fn kept(data: &Path) -> Kept {
    let copy = tempfile::tempdir().unwrap();
    for name in ["tow.db", "tow.db-wal"] {
        if data.join(name).exists() {
            std::fs::copy(data.join(name), copy.path().join(name)).unwrap();
        }
    }
    let file = copy.path().join("tow.db");
    block(async {
        let at = Location::File(file.clone());
        let store = Store::look(&at).await.unwrap();
        assert_eq!(store.damage().await.unwrap(), Vec::<String>::new());
        let dump = store.dump().await.unwrap();
        store.close().await;
        let all = |of: &str| dump[of].as_array().unwrap().iter();
        let objects: BTreeMap<String, Value> = all("objects")
            .map(|object| (object["id"].as_str().unwrap().to_string(), object["body"].clone()))
            .collect();
        let about = |event: &&Value| event["kind"].as_str().unwrap().starts_with("object.");
        let told = all("events").filter(about).cloned().collect();
        // Everything made of objects is what would be made of them anew: none has too little, none too much.
        let found = found_by(&file, "UPDATE indexed SET version = 0").await;
        let anew = Store::open(&at, Arc::new(tow_ports::NoCrossings)).await.unwrap();
        anew.close().await;
        assert_eq!(found, found_by(&file, "").await, "made of the objects as they are");
        Kept { objects, told, found_by: found }
    })
}

/// Takes what is left apart: the events of a prefix of the whole apply, in whole pieces, each of another object, and just
/// the objects that these events leave. How many changes are written.
#[track_caller]
fn whole_pieces(left: &Kept, before: &Kept, wanted: &Kept) -> usize {
    let since = before.told.len();
    let done = left.told.len() - since;
    assert!(done.is_multiple_of(PIECE) || done == CHANGES, "{done} changes are not whole pieces");
    assert_eq!(left.told[..], wanted.told[..since + done], "each once, and in the same order");
    let mut objects = before.objects.clone();
    for event in &left.told[since..] {
        let subject = event["subject"].as_str().unwrap().to_string();
        match &event["body"]["after"] {
            Value::Null => assert!(objects.remove(&subject).is_some(), "{subject} went twice"),
            after => drop(objects.insert(subject, after.clone())),
        }
    }
    assert!(objects == left.objects, "the objects are not those that the log tells of");
    done
}

/// A platform of its own on a copy of a directory whose platform is down.
fn on_copy(of: &Path) -> Binary {
    let up = Binary::new(TOW);
    copy(of, up.data());
    up
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, from.metadata().unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&path, &to),
            kind if kind.is_file() => drop(std::fs::copy(&path, &to).unwrap()),
            _ => {}
        }
    }
}

fn start(up: &mut Binary) {
    up.try_start(&["--runtime", "fake"], &[]).unwrap();
}

fn prune(smaller: &str) -> [&str; 9] {
    ["apply", "-f", smaller, "--source", "fleet", "--prune", "--yes", "-o", "json"]
}

/// How many changes the log tells of behind that event; asked of the file, so that nobody is disturbed.
struct Log {
    runtime: tokio::runtime::Runtime,
    database: sqlx::SqliteConnection,
    since: i64,
}

impl Log {
    fn of(up: &Binary) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let file = up.data().join("tow.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).read_only(true);
        let mut this =
            Self { database: runtime.block_on(options.connect()).unwrap(), runtime, since: 0 };
        this.since = this.ask("SELECT max(seq) FROM event");
        this
    }
    fn ask(&mut self, sql: &str) -> i64 {
        let asked = self.database.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql.to_string())));
        self.runtime.block_on(asked).unwrap().get(0)
    }
    fn changes(&mut self) -> usize {
        let of = format!("FROM event WHERE seq > {} AND kind LIKE 'object.%'", self.since);
        usize::try_from(self.ask(&format!("SELECT count(*) {of}"))).unwrap()
    }
    /// Waits for so many; somebody who has the file open would tidy it up after a death, so it is closed then.
    fn reaches(mut self, changes: usize) -> Self {
        wait("the pieces are written", || self.changes() >= changes);
        self
    }
    fn close(self) {
        self.runtime.block_on(self.database.close()).unwrap();
    }
}

/// Asks again and again, without a pause to speak of: what is waited for passes soon.
#[track_caller]
fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: it did not come true");
        std::thread::park_timeout(Duration::from_micros(200));
    }
}

/// Size and time of the database's log.
fn grown(up: &Binary) -> (u64, i64, i64) {
    let found = up.data().join("tow.db-wal").metadata();
    found.map_or((0, 0, 0), |meta| (meta.len(), meta.mtime(), meta.mtime_nsec()))
}

/// The database's log ends within a transaction: whoever wrote it died over it.
fn torn(data: &Path) -> bool {
    let Ok(bytes) = std::fs::read(data.join("tow.db-wal")) else { return false };
    let Some(salts) = bytes.get(16..24) else { return false };
    let page = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
    let frames = bytes[32..].chunks_exact(24 + page);
    let last = frames.take_while(|frame| &frame[8..16] == salts).last();
    last.is_some_and(|frame| frame[4..8] == [0; 4])
}

/// Applies the smaller set, and kills the control plane at that moment. `first`: how long the first piece takes to come.
fn killed(up: &mut Binary, smaller: &str, moment: Moment, first: Duration) -> Done {
    let (wal, mut log) = (grown(up), Log::of(up));
    let child = up.command(prune(smaller)).spawn().unwrap();
    let began = Instant::now();
    match moment {
        Moment::Judging => wait("half of the judging", || began.elapsed() >= first / 2),
        Moment::Written(pieces) => log = log.reaches((pieces * PIECE).min(CHANGES)),
        // A lease is renewed in a few pages.
        Moment::Writing(0) => wait("it is written", || grown(up).0 > wal.0 + (128 << 10)),
        Moment::Writing(pieces) => {
            log = log.reaches(pieces * PIECE);
            let wal = grown(up);
            wait("more is written", || grown(up) != wal);
        }
    }
    log.close();
    up.end(Signal::KILL);
    ended(child)
}

fn ended(child: Child) -> Done {
    let done = child.wait_with_output().unwrap();
    Done {
        status: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// What the doors say of it.
fn asked(up: &Binary) -> Vec<Value> {
    let mut said: Vec<Value> = [
        &["get", "facets", "kind,type,owner,system,tag"][..],
        &["search", "painted barge", "--all"],
        &["get", "components", "-w", "dependsOn=component:c0101 or providesApi=a10", "--all"],
        &["get", "all", "-w", "owner=crew-2", "--all"],
    ]
    .iter()
    .map(|verb| up.json(verb))
    .collect();
    said.push(up.tow(["audit", "verify"]).exits(0).status.into());
    for one in &mut said {
        without_chance(one);
    }
    said
}

/// Takes away what no two runs have in common: when it was, and what is drawn for those that are new.
fn without_chance(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !["uid", "createdAt", "updatedAt"].contains(&name.as_str()));
            fields.values_mut().for_each(without_chance);
        }
        Value::Array(items) => items.iter_mut().for_each(without_chance),
        _ => {}
    }
}

struct Scene {
    home: tempfile::TempDir,
    smaller: String,
    before: Kept,
    wanted: Kept,
    said: Vec<Value>,
    first: Duration,
}

/// All of it applied, and what the smaller set makes of it where nobody dies.
fn scene() -> Scene {
    let home = tempfile::Builder::new().prefix("tow-pruned-").tempdir().unwrap();
    let all = folder(home.path(), false).display().to_string();
    let smaller = folder(home.path(), true).display().to_string();
    let mut up = Binary::new(TOW);
    start(&mut up);
    up.tow(["apply", "-f", &all, "--source", "fleet"]).exits(0);
    up.end(Signal::TERM);
    copy(up.data(), &home.path().join("data"));
    let before = kept(up.data());
    start(&mut up);
    let (log, began) = (Log::of(&up), Instant::now());
    let child = up.command(prune(&smaller)).spawn().unwrap();
    let log = log.reaches(1);
    let first = began.elapsed();
    log.close();
    let reply = ended(child).exits(0).json();
    let (whole, said) = (began.elapsed(), asked(&up));
    let removed = verdicts(&reply, "removed");
    up.end(Signal::TERM);
    let wanted = kept(up.data());
    assert_eq!(wanted.told.len() - before.told.len(), CHANGES);
    let told = wanted.told[before.told.len()..].iter();
    let subjects: BTreeSet<_> = told.map(|event| event["subject"].as_str()).collect();
    assert_eq!(subjects.len(), CHANGES, "one event an object");
    assert_eq!(before.objects.len() + NEW - removed, wanted.objects.len());
    assert_eq!(removed, 2_250);
    println!(
        "measured: {CHANGES} changes in {PIECES} pieces, undisturbed: the first after {first:.1?}, all after {whole:.1?}"
    );
    Scene { home, smaller, before, wanted, said, first }
}

fn verdicts(reply: &Value, verdict: &str) -> usize {
    let objects = reply["objects"].as_array().unwrap();
    objects.iter().filter(|object| object["verdict"] == verdict).count()
}

impl Scene {
    fn platform(&self) -> Binary {
        on_copy(&self.home.path().join("data"))
    }

    /// What is left after a death; how many changes were written.
    fn left(&self, up: &Binary, done: &Done, moment: Moment) -> usize {
        let written = whole_pieces(&kept(up.data()), &self.before, &self.wanted);
        if done.status == 0 {
            assert_eq!(written, CHANGES, "{moment:?}: it was said to be done");
        } else {
            let code = done.problem()["code"].as_str().unwrap_or_default().to_string();
            assert!(code.starts_with("client/"), "{moment:?}: {done}");
        }
        match moment {
            // How long judging takes is the machine's.
            Moment::Judging => {}
            Moment::Written(n) => assert!(written >= (n * PIECE).min(CHANGES), "{written}"),
            Moment::Writing(n) => assert!(written >= n * PIECE, "{written}"),
        }
        written
    }

    /// It is applied again, and ends as if nobody had died.
    fn again(&self, up: &mut Binary, written: usize, moment: Moment) {
        up.tow(["audit", "verify"]).exits(0);
        // The last that was written and the first that was not, as the doors tell: gone, or there and found.
        let changes = &self.wanted.told[self.before.told.len()..];
        for (at, event) in
            changes.iter().enumerate().filter(|(at, _)| at + 1 == written || *at == written)
        {
            let subject = event["subject"].as_str().unwrap();
            let list = up.json(&["get", "all", "-w", subject]);
            let is = (
                event["body"]["after"].is_null() && at < written,
                list.to_string().contains("metadata"),
            );
            assert_eq!(is.0, !is.1, "{moment:?}: {subject}: {list}");
        }
        let reply = up.tow(prune(&self.smaller)).exits(0).json();
        let changed = ["created", "updated", "removed"].map(|v| verdicts(&reply, v));
        assert_eq!(changed.iter().sum::<usize>(), CHANGES - written, "{moment:?}: {changed:?}");
        let said = asked(up);
        for (one, wanted) in said.iter().zip(&self.said) {
            assert_eq!(one, wanted, "{moment:?}");
        }
        up.end(Signal::TERM);
        let end = kept(up.data());
        assert_eq!(whole_pieces(&end, &self.before, &self.wanted), CHANGES, "{moment:?}");
        assert!(end == self.wanted, "{moment:?}: it did not end as the run in which nobody died");
    }
}

#[test]
fn killed_while_much_is_taken_away_whole_pieces_are_left_and_a_repeat_ends_it() {
    let scene = scene();
    let mut moments = vec![Moment::Judging];
    moments.extend((0..PIECES).map(Moment::Writing));
    moments.extend((1..=PIECES).map(Moment::Written));
    let next = std::sync::Mutex::new(moments.iter().copied());
    let seen = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(moment) = next.lock().unwrap().next() else { break };
                    let mut up = scene.platform();
                    start(&mut up);
                    let done = killed(&mut up, &scene.smaller, moment, scene.first);
                    let torn = torn(up.data());
                    let written = scene.left(&up, &done, moment);
                    seen.lock().unwrap().push((written, torn));
                    start(&mut up);
                    scene.again(&mut up, written, moment);
                }
            });
        }
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    let torn = seen.iter().filter(|(_, torn)| *torn).count();
    let left: BTreeSet<usize> = seen.iter().map(|(written, _)| *written).collect();
    println!(
        "measured: killed at {} moments over {CHANGES} changes, {torn} of them within a commit; left were {left:?}",
        moments.len()
    );
    assert!(left.len() >= 3, "it died in one place only: {left:?}");
}

#[test]
fn killed_again_and_again_over_the_same_apply_it_still_ends() {
    let scene = scene();
    let mut up = scene.platform();
    let (mut written, mut kills) = (0, 0);
    start(&mut up);
    while written + PIECE < CHANGES {
        // The next piece, whichever that is: what is written is not written again.
        let moment = Moment::Written(1);
        let done = killed(&mut up, &scene.smaller, moment, scene.first);
        let now = scene.left(&up, &done, moment);
        assert!(now > written, "{now} after {written}: it goes on where it stopped");
        (written, kills) = (now, kills + 1);
        start(&mut up);
    }
    println!(
        "measured: killed {kills} times over one apply of {CHANGES} changes, {written} written by then"
    );
    assert!(kills > 1);
    scene.again(&mut up, written, Moment::Written(PIECES));
}
