//! What a machine and what strangers get wrong, one test each: a clock that goes back, a database that another program
//! locks or that can only be read, a disk that fills in the middle of an apply, text made to deceive. Each is said with a
//! stable code, leaves what it says it leaves, and what served goes on serving.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::bad_input::SmallDisk;
use crate::ferry::{Ferry, TOW, served, status};
use crate::given::{DEVELOPMENT, FOLDER_ONE, FOLDER_TWO, ann, releases_served};
use serde_json::Value;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use std::path::Path;
use std::process::Command;
use tow_api::Nothing;
use tow_api::audit::verify::{Body as Verify, VerifyAudit};
use tow_names::Duration;
use tow_ports::Clock as _;
use tow_testkit::binary::{Binary, Done, not_run, until};
use tow_testkit::{TestPlatform, TokenBody};

#[tokio::test]
async fn a_clock_that_goes_back_stops_nothing() {
    let platform = TestPlatform::start().await;
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_ONE, "one").await.unwrap();
    platform.settle().await;
    let hour = TokenBody { expires_in: Some(Duration::from_secs(3_600)), ..TokenBody::default() };
    let token = platform.admin().token_of(hour).await.unwrap().token.unwrap();
    let asked = async |token: &str| {
        platform.http(Some(token), "GET", "/api/v1/objects/components", None).await.status.as_u16()
    };
    assert_eq!(asked(&token).await, 200);
    let before = (platform.clock().now(), platform.store().head().await.unwrap());
    platform.clock().turn_back(Duration::from_secs(2 * 24 * 3_600));
    assert_eq!(asked(&token).await, 200, "nobody is locked out");

    // A deploy takes as long as ever: no wait is counted from the time that was.
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_TWO, "two").await.unwrap();
    platform.pass(Duration::from_secs(60)).await;
    assert_eq!(releases_served(&platform), [2, 2]);
    assert!(platform.clock().now() < before.0);
    // A second start finds its own lease, and another platform does not get it.
    let platform = platform.restart().await;
    let (now, ttl) = (platform.clock().now(), Duration::from_secs(15));
    let taken = platform.store().take_lease("control", "another", now, ttl, false).await.unwrap();
    assert!(taken.is_none(), "held, whatever the time is");
    ann(&platform).deploy(DEVELOPMENT, &FOLDER_ONE, "three").await.unwrap();
    platform.pass(Duration::from_secs(60)).await;
    assert_eq!(releases_served(&platform), [3, 3]);

    // The log is in the order of what happened, not of the clock, and proves itself.
    let events = platform.store().events(Some(0), 1_000, None).await.unwrap();
    let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as i64).collect::<Vec<_>>());
    assert!(seqs.len() as i64 > before.1);
    assert!(!events.is_sorted_by_key(|event| event.at), "the clock did go back");
    let root = platform.admin();
    let proof = root.call::<VerifyAudit>(Nothing {}, Nothing {}, Verify::default()).await.unwrap();
    assert!(proof.findings.is_empty(), "{proof:?}");
    // The pretended world lives by the same clock, and what was ready there is not ready yet: no more is to be proved.
    platform.kill();
}

fn components(count: usize, from: usize) -> String {
    let one = |n: usize| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: barge-{n:05}\n  \
             description: {}\nspec:\n  type: service\n  lifecycle: production\n  owner: crew\n",
            "a barge on the canal ".repeat(8)
        )
    };
    (from..from + count).map(one).collect::<Vec<_>>().join("---\n")
}

fn write(up: &Binary, name: &str, text: &str) -> String {
    let path = up.home().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// It said so: code, place, what is untouched, and a way on.
#[track_caller]
fn told(done: &Done, code: &str) -> Value {
    let problem = done.problem();
    assert_eq!(problem["code"], code, "{done}");
    for said in ["detail", "hint", "untouched"] {
        assert!(problem[said].as_str().is_some_and(|text| !text.is_empty()), "{said}: {done}");
    }
    problem
}

fn with_ferry(up: Binary) -> (Binary, Ferry, String) {
    let ferry = Ferry::patient("ferry");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    assert!(served(&url).contains("one release 1"));
    (up, ferry, url)
}

#[test]
fn a_database_that_another_program_locks_is_said() {
    let (mut up, _ferry, url) = with_ferry(Binary::up(TOW));
    let file = write(&up, "crew.yaml", &components(1, 0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(up.data().join("tow.db"));
    let mut other = runtime.block_on(options.connect()).unwrap();
    let mut tell = |sql: &'static str| runtime.block_on(other.execute(sql)).unwrap();
    tell("BEGIN IMMEDIATE");
    let done = up.tow(["apply", "-f", &file, "-o", "json"]).exits(1);
    let problem = told(&done, "store/busy");
    assert_eq!(problem["status"], 503, "{done}");
    assert!(
        !problem["detail"].as_str().unwrap().contains("tow.db"),
        "where it is, the log says: {done}"
    );
    // Reading and serving go on.
    assert_eq!(status(&up, "ferry")["state"], "live");
    assert!(served(&url).contains("one release 1"));
    assert!(up.has_ended().is_none(), "it waits: {}", up.words());
    // Nor can one be started meanwhile; and it says why.
    up.end(rustix::process::Signal::KILL);
    let refused = up.try_start(&[], &[]).unwrap_err().exits(1);
    told(&refused, "store/busy");
    assert!(served(&url).contains("one release 1"));
    tell("ROLLBACK");
    up.start();
    up.tow(["apply", "-f", &file]).exits(0);
    assert_eq!(status(&up, "ferry")["state"], "live");
    runtime.block_on(other.close()).unwrap();
}

#[test]
fn a_database_that_can_only_be_read_is_said() {
    let place = tempfile::tempdir().unwrap();
    let program = std::fs::metadata(TOW).unwrap().len() >> 20;
    let Some(disk) = SmallDisk::new(place.path(), program + 40) else {
        return not_run("a database that can only be read: nothing can be mounted here");
    };
    let mut up = Binary::new(TOW).on(place.path().join("data")).inside(disk.enter());
    up.start();
    up.end(rustix::process::Signal::INT);
    let data = place.path().join("data");
    let inside = |script: &str| {
        let enter = disk.enter();
        let mut command = Command::new(&enter[0]);
        command.args(&enter[1..]).args(["sh", "-c", script, "sh"]).arg(&data);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    };
    // The database's files alone, as of a mount that came back read-only.
    let files = "for f in \"$1\"/tow.db*; do mount --bind \"$f\" \"$f\"; mount -o remount,bind,ro \"$f\"; done";
    inside(files);
    let refused = up.try_start(&[], &[]).unwrap_err().exits(1);
    told(&refused, "store/read-only");
    up.gone();
    inside("for f in \"$1\"/tow.db*; do umount \"$f\"; done");
    up.start();
    up.tow(["apply", "-f", &write(&up, "one.yaml", &components(1, 0))]).exits(0);
    drop(up);
    drop(disk);
}

#[test]
fn a_disk_that_fills_in_the_middle_of_an_apply_leaves_whole_pieces() {
    const MANY: usize = 6_000;
    let place = tempfile::tempdir().unwrap();
    let program = std::fs::metadata(TOW).unwrap().len() >> 20;
    let Some(disk) = SmallDisk::new(place.path(), program + 26) else {
        return not_run("a disk that fills: a small one can't be mounted in a namespace here");
    };
    let mut up = Binary::new(TOW).on(place.path().join("data")).inside(disk.enter());
    up.start();
    let (up, mut ferry, url) = with_ferry(up);
    // As large as it may be, so in files of a folder.
    let folder = up.home().join("many");
    std::fs::create_dir(&folder).unwrap();
    for n in (0..MANY).step_by(1_000) {
        std::fs::write(folder.join(format!("{n}.yaml")), components(1_000, n)).unwrap();
    }
    let folder = folder.display().to_string();
    let apply = ["apply", "-f", &folder, "--source", "barges", "-o", "json"];
    let leave = |kilobytes: u64| {
        let script = "set -- \"$1\" \"$2\" $(df -k --output=avail \"$1\" | tail -1); \
                      dd if=/dev/zero of=\"$1/fill\" bs=1k count=$(($3 - $2))";
        let enter = disk.enter();
        let done = Command::new(&enter[0])
            .args(&enter[1..])
            .args(["sh", "-c", script, "sh"])
            .arg(place.path())
            .arg(kilobytes.to_string())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    leave(7_000);
    let done = up.tow(apply).exits(1);
    let problem = done.problem();
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&"store/full".into(), &507.into()),
        "{done}"
    );
    assert!(problem["hint"].as_str().unwrap().contains("goes on where it stopped"), "{done}");
    let there = || barges(&up);
    let (found, searched) = there();
    assert!(found < MANY, "the disk was not full: {done}");
    assert_eq!(found % 500, 0, "only whole pieces: {found}");
    assert_eq!(found, searched, "what is there is found, and nothing else");
    assert!(served(&url).contains("one release 1"), "what served still serves");
    assert_eq!(status(&up, "ferry")["state"], "live", "and is still looked after");

    // Space is all it takes: it goes on where it stopped.
    let enter = disk.enter();
    let fill = place.path().join("fill");
    let removed = Command::new(&enter[0]).args(&enter[1..]).arg("rm").arg(&fill).status().unwrap();
    assert!(removed.success());
    // All of it needs more room than there ever was; a part of it does not.
    let some = write(&up, "some.yaml", &components(600, found));
    up.tow(["apply", "-f", &some]).exits(0);
    assert_eq!(there(), (found + 600, found + 600));
    ferry.set("GREETING", "two").source("2");
    up.deploy(ferry.path());
    assert!(served(&url).contains("two release 2"));
    up.tow(["audit", "verify"]).exits(0);
    println!("measured: {found} of {MANY} objects were written before the disk was full");
    drop(up);
    drop(disk);
}

/// How many barges there are, and how many words find.
fn barges(up: &Binary) -> (usize, usize) {
    let count = |which: &str| {
        let facets = up.json(&["get", "facets", "kind", "-w", which]);
        let counts = facets[0]["values"].as_array().unwrap_or_else(|| panic!("{facets}")).iter();
        counts.map(|value| value["count"].as_u64().unwrap()).sum::<u64>() as usize
    };
    (count("name^=barge-"), count("canal"))
}

/// Written from the right, without width, of another alphabet, combined, of four bytes, private, control.
const DECEIVING: [&str; 12] = [
    "pay\u{202e}lla",
    "pay\u{200b}roll",
    "pay\u{ad}roll",
    "p\u{430}yroll",
    "payroll\u{301}",
    "\u{feff}payroll",
    "pay\u{2028}roll",
    "pay\u{a0}roll",
    "\u{1f6a2}",
    "\u{e000}",
    "pay\\troll",
    "\u{ff50}ayroll",
];

#[test]
fn names_made_to_deceive_are_refused_where_they_stand() {
    let up = Binary::up(TOW);
    let document = |name: &str, owner: &str| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: \"{name}\"\nspec:\n  \
             type: service\n  lifecycle: production\n  owner: \"{owner}\"\n"
        )
    };
    for name in DECEIVING {
        let file = write(&up, "name.yaml", &document(name, "crew"));
        let done = up.tow(["apply", "-f", &file, "-o", "json"]).exits(2);
        let problem = done.problem();
        let violation = &problem["violations"][0];
        assert!(violation["code"].as_str().is_some_and(|code| code.contains('/')), "{done}");
        assert_eq!(violation["source"]["line"], 4, "{name:?}: {done}");
        assert!(violation["expected"].as_str().is_some_and(|text| !text.is_empty()), "{done}");
        // As an argument, too: an answer, and no crash.
        let asked = up.tow(["get", "component", name, "-o", "json"]);
        assert!(asked.status == 2 || asked.status == 4, "{name:?}: {asked}");
    }
    // In free text it is kept to the letter, found, and shown without doing anything to a terminal.
    let odd = "\\e[31mred\\a\\b \u{202e}left\u{200b}\u{301}\u{1f469}\u{200d}\u{1f680}";
    let text = document("plain", "crew")
        .replace("spec:", &format!("  title: \"{odd}\"\n  description: \"{odd}\"\nspec:"));
    up.tow(["apply", "-f", &write(&up, "odd.yaml", &text)]).exits(0);
    let kept = up.json(&["get", "component", "plain"]);
    let kept = kept["metadata"]["title"].as_str().unwrap();
    assert!(kept.starts_with("\u{1b}[31mred\u{7}\u{8} \u{202e}left\u{200b}\u{301}"), "{kept:?}");
    for args in
        [&["get", "components"][..], &["describe", "component", "plain"], &["search", "left"]]
    {
        let shown = up.tow(args).exits(0);
        assert!(shown.out.contains("plain"), "{shown}");
        assert!(!shown.out.contains(['\u{1b}', '\u{7}', '\u{8}']), "{:?}", shown.out);
    }
    // No database holds NUL: it is refused where it stands.
    let nul = text.replace("\\e[31m", "\\0");
    let done = up.tow(["apply", "-f", &write(&up, "nul.yaml", &nul), "-o", "json"]).exits(2);
    let found = &done.problem()["violations"][0];
    assert_eq!((&found["code"], &found["source"]["line"]), (&"yaml/nul".into(), &5.into()));
    assert!(Path::new(&up.data().join("tow.db")).exists());
}

#[test]
fn an_entity_of_two_sources_is_refused_by_name() {
    let up = Binary::up(TOW);
    let file = write(&up, "one.yaml", &components(1, 0));
    up.tow(["apply", "-f", &file, "--source", "north"]).exits(0);
    let done = up.tow(["apply", "-f", &file, "--source", "south", "-o", "json"]).exits(5);
    let found = &done.problem()["violations"][0];
    assert_eq!(found["code"], "apply/claimed", "{done}");
    assert!(found["message"].as_str().unwrap().contains("north"), "whose it is: {done}");
    assert!(found["source"]["line"].is_number(), "{done}");
    until("it is there", || up.tow(["get", "component", "barge-00000"]).status == 0);
    up.tow(["apply", "-f", &file, "--source", "north"]).exits(0);
}
