//! The log proves itself: whatever is done to the database behind the platform's back is found and named, erasure keeps
//! the proof, nobody is shown what is not for them, and followers lose nothing over a restart.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]
#![allow(clippy::print_stdout, reason = "what is measured is a result")]

use crate::ferry::TOW;
use crate::given::{DEVELOPMENT, FOLDER_ONE, ann};
use rustix::process::Signal;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use std::collections::BTreeSet;
use std::io::BufRead as _;
use tow_api::Nothing;
use tow_api::audit::erase::{Body as Erase, EraseEvents};
use tow_api::audit::list::{ListAudit, Order, Query};
use tow_api::audit::{head::GetAuditHead, verify};
use tow_api::event::list::{ListEvents, Query as EventQuery};
use tow_names::{Duration, Timestamp};
use tow_record::{AuditReport, EventBody, Head, NewEvent, Seal, Tampering};
use tow_store::Batch;
use tow_testkit::binary::{Binary, until};
use tow_testkit::{Fault, Image, Person, TestPlatform, Watch};

fn group(name: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: {name}\nspec:\n  type: team\n  children: []\n"
    )
}

/// A log with several seals, and events that are not sealed yet.
async fn sealed() -> TestPlatform {
    let platform = TestPlatform::start().await;
    let admin = platform.admin();
    for run in 0..4 {
        for n in 0..5 {
            admin.declare(&group(&format!("g{run}-{n}"))).await.unwrap();
        }
        platform.pass(Duration::from_secs(3)).await;
    }
    admin.declare(&group("last")).await.unwrap();
    platform
}

async fn image() -> Image {
    let platform = sealed().await;
    let image = platform.image();
    platform.kill();
    image
}

async fn verified(platform: &TestPlatform, head: Option<Head>) -> AuditReport {
    let body = verify::Body { head };
    platform
        .platform_team()
        .call::<verify::VerifyAudit>(Nothing {}, Nothing {}, body)
        .await
        .unwrap()
}

async fn head(platform: &TestPlatform) -> Head {
    let team = platform.platform_team();
    team.call::<GetAuditHead>(Nothing {}, Nothing {}, Nothing {}).await.unwrap()
}

fn found(report: &AuditReport) -> Vec<(Tampering, i64, i64)> {
    report.findings.iter().map(|f| (f.what, f.from, f.to)).collect()
}

/// Behind the platform's back.
async fn tamper(platform: &TestPlatform, sql: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(platform.store_file());
    let mut database = options.connect().await.unwrap();
    database.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_string()))).await.unwrap();
    database.close().await.unwrap();
}

async fn seals(platform: &TestPlatform) -> Vec<Seal> {
    let found = platform.store().seals(0, 100).await.unwrap();
    found.into_iter().map(|(_, seal)| seal.unwrap()).collect()
}

#[tokio::test]
async fn what_happens_is_sealed_soon_and_proved() {
    let platform = sealed().await;
    let (report, seals) = (verified(&platform, None).await, seals(&platform).await);
    assert_eq!(found(&report), []);
    assert!(seals.len() >= 4, "{}", seals.len());
    assert_eq!(report.last, platform.store().head().await.unwrap());
    assert_eq!(report.sealed_to, report.last - 1, "the last one waits");
    let before = platform.store().head().await.unwrap();
    platform.pass(Duration::from_secs(3)).await;
    assert_eq!(verified(&platform, None).await.sealed_to, before);
    assert_eq!(platform.store().head().await.unwrap(), before, "sealing is no event");
    // A new control plane goes on where the old one was.
    let platform = platform.restart().await;
    platform.admin().declare(&group("later")).await.unwrap();
    platform.pass(Duration::from_secs(3)).await;
    let report = verified(&platform, Some(head(&platform).await)).await;
    assert_eq!((found(&report), report.sealed_to), (vec![], report.last));
    platform.finish().await;
}

#[tokio::test]
async fn each_tampering_is_found_and_named() {
    use Tampering as T;
    let image = image().await;
    let event = |what: &str, seq: i64| format!("UPDATE event SET {what} WHERE seq = {seq}");
    let platform = TestPlatform::revive(&image, Watch::new(Fault::None)).await;
    let all = seals(&platform).await;
    let (second, last) = (all[1].clone(), all.last().unwrap().clone());
    let end = platform.store().head().await.unwrap();
    let good = head(&platform).await;
    platform.kill();
    let seq = second.from + 1;
    let other = |n: i64| format!("(SELECT body FROM record WHERE kind = 'seal' AND id = '{n}')");
    let sign = |from: i64| {
        format!(
            "UPDATE record SET body = json_set(body, '$.signature', \
             json_extract({}, '$.signature')) WHERE kind = 'seal' AND id = '2'",
            other(from)
        )
    };
    // Everything from the second seal on as if it had been so, but for the signatures.
    let rewritten = {
        let mut sql = String::new();
        let mut before = all[0].root.clone();
        for seal in &all[1..] {
            let mut leaves = seal.leaves.clone();
            if seal.number == 2 {
                leaves[1] = tow_names::Digest::of(b"as if").hex().to_string();
            }
            let root = tow_plan::audit::root(&before, &leaves);
            let next = Seal { previous: before, root: root.clone(), leaves, ..seal.clone() };
            before = root;
            let body = serde_json::to_string(&next).unwrap();
            sql += &format!(
                "UPDATE record SET body = '{body}' WHERE kind = 'seal' AND id = '{}';",
                seal.number
            );
        }
        sql
    };
    let swap = format!(
        "UPDATE event SET seq = -1 WHERE seq = {seq}; \
         UPDATE event SET seq = {seq} WHERE seq = {0}; UPDATE event SET seq = {0} WHERE seq = -1",
        seq + 2
    );
    let insert = format!(
        "UPDATE event SET seq = -seq - 1 WHERE seq >= {seq}; \
         UPDATE event SET seq = -seq WHERE seq < 0; \
         INSERT INTO event SELECT {seq}, at, 'user:default/eve', request, kind, subject, body_sha256, body \
         FROM event WHERE seq = 1; UPDATE head SET seq = seq + 1"
    );
    let one = |what| vec![(what, seq, seq)];
    let whole = |what, seal: &Seal| vec![(what, seal.from, seal.to)];
    /// What is done, how, and what is found: what, from, to.
    type Case = (&'static str, String, Vec<(T, i64, i64)>);
    let cases: Vec<Case> = vec![
        ("at", event("at = at + 1", seq), one(T::EventChanged)),
        ("actor", event("actor = 'user:default/eve'", seq), one(T::EventChanged)),
        ("request", event("request = 'r'", seq), one(T::EventChanged)),
        ("kind", event("kind = 'object.deleted'", seq), one(T::EventChanged)),
        ("subject", event("subject = 'group:default/x'", seq), one(T::EventChanged)),
        (
            "digest",
            event("body_sha256 = '00'", seq),
            vec![(T::EventChanged, seq, seq), (T::BodyChanged, seq, seq)],
        ),
        ("body", event("body = replace(body, 'g', 'h')", seq), one(T::BodyChanged)),
        ("no body any more", event("body = NULL", seq), one(T::ErasedWithoutRecord)),
        ("body that is none", event("body = 'x'", seq), one(T::BodyChanged)),
        ("unsealed body", event("body = 'x'", end), vec![(T::BodyChanged, end, end)]),
        ("delete", format!("DELETE FROM event WHERE seq = {seq}"), one(T::EventDeleted)),
        ("insert", insert, vec![(T::EventInserted, seq, seq), (T::EventMoved, seq, last.to)]),
        (
            "insert before all",
            format!(
                "INSERT INTO event SELECT 0, at, actor, request, kind, subject, body_sha256, body \
             FROM event WHERE seq = {seq}"
            ),
            vec![(T::EventInserted, 0, 0)],
        ),
        ("reorder", swap, vec![(T::EventMoved, seq, seq), (T::EventMoved, seq + 2, seq + 2)]),
        (
            "cut tail",
            format!("DELETE FROM event WHERE seq >= {}", last.from),
            vec![(T::TailCut, last.from, end)],
        ),
        (
            "cut tail and counter",
            format!("DELETE FROM event WHERE seq >= {0}; UPDATE head SET seq = {0} - 1", last.from),
            whole(T::TailCut, &last),
        ),
        (
            "drop a seal",
            "DELETE FROM record WHERE kind = 'seal' AND id = '2'".into(),
            whole(T::SealGone, &second),
        ),
        (
            "drop the last seal",
            format!("DELETE FROM record WHERE kind = 'seal' AND id = '{}'", last.number),
            whole(T::SealGone, &last),
        ),
        ("swap a signature", sign(3), whole(T::SealForged, &second)),
        (
            "a leaf of a seal",
            "UPDATE record SET body = json_set(body, '$.leaves[0]', 'ff') \
             WHERE kind = 'seal' AND id = '2'"
                .into(),
            whole(T::SealChanged, &second),
        ),
        (
            "a seal that is none",
            "UPDATE record SET body = '{}' WHERE kind = 'seal' AND id = '2'".into(),
            vec![(T::SealGone, second.from, second.to), (T::SealChanged, second.from, second.from)],
        ),
        (
            "rewritten without the key",
            rewritten,
            all[1..].iter().flat_map(|seal| whole(T::SealForged, seal)).collect(),
        ),
    ];
    for (what, sql, expected) in cases {
        let platform = TestPlatform::revive(&image, Watch::new(Fault::None)).await;
        assert_eq!(found(&verified(&platform, None).await), [], "{what}: before");
        tamper(&platform, &sql).await;
        let report = verified(&platform, None).await;
        let (mut got, mut expected) = (found(&report), expected);
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected, "{what}: {report:#?}");
        platform.kill();
    }
    // With everything that knew of it gone, and the sealer gone on: only a head that was kept elsewhere tells.
    let platform = TestPlatform::revive(&image, Watch::new(Fault::None)).await;
    let sql = format!(
        "DELETE FROM event WHERE seq >= {0}; UPDATE head SET seq = {0} - 1; \
         DELETE FROM record WHERE kind = 'seal' AND id = '{1}'; UPDATE cursor SET seq = {0} - 1",
        last.from, last.number
    );
    tamper(&platform, &sql).await;
    assert_eq!(found(&verified(&platform, None).await), []);
    let report = verified(&platform, Some(good.clone())).await;
    assert_eq!(found(&report), whole(T::TailCut, &last));
    for n in 0..8 {
        platform.admin().declare(&group(&format!("new-{n}"))).await.unwrap();
    }
    platform.pass(Duration::from_secs(3)).await;
    assert_eq!(found(&verified(&platform, None).await), []);
    let report = verified(&platform, Some(good)).await;
    assert_eq!(found(&report), whole(T::HeadDiffers, &last));
    platform.kill();
}

#[tokio::test]
async fn a_sealer_that_dies_leaves_a_whole_seal_or_none() {
    let image = image().await;
    // Before its commit and after it, before anybody learned of it.
    for crossing in 1.. {
        let watch = Watch::new(Fault::DieAt(crossing));
        let mut platform = TestPlatform::dead(&image, watch.clone());
        let died = {
            let life = async {
                platform.compose().await.unwrap();
                platform.pass(Duration::from_secs(3)).await;
            };
            tokio::select! { biased; () = watch.died() => true, () = life => false }
        };
        let Some(left) = watch.images().pop().filter(|_| died) else {
            platform.kill();
            assert!(crossing > 2, "nothing was sealed");
            return;
        };
        platform.kill();
        let platform = TestPlatform::revive(&left, Watch::new(Fault::None)).await;
        assert_eq!(found(&verified(&platform, None).await), [], "died at {crossing}");
        platform.pass(Duration::from_secs(3)).await;
        let report = verified(&platform, None).await;
        assert_eq!((found(&report), report.sealed_to), (vec![], report.last), "{crossing}");
        platform.finish().await;
    }
}

async fn erase(who: &Person, body: Erase) -> Result<Vec<i64>, String> {
    let erased = who.call::<EraseEvents>(Nothing {}, Nothing {}, body).await;
    erased.map(|reply| reply.erased).map_err(|error| error.problem().code)
}

#[tokio::test]
async fn erasure_takes_what_was_said_and_keeps_the_proof() {
    let platform = sealed().await;
    let admin = platform.admin();
    let body = |events: &[i64]| Erase {
        events: events.to_vec(),
        subject: None,
        reason: "a name was in it".into(),
    };
    let subject = "group:default/g1-1".to_string();
    for who in [platform.platform_team(), platform.viewer(), ann(&platform)] {
        assert_eq!(erase(&who, body(&[3])).await, Err("access/forbidden".into()));
    }
    assert_eq!(erase(&admin, body(&[3])).await, Ok(vec![3]));
    assert_eq!(erase(&admin, body(&[3])).await, Ok(vec![]), "once is enough");
    let all = Erase { events: vec![], subject: Some(subject.clone()), ..body(&[]) };
    let erased = erase(&admin, all.clone()).await.unwrap();
    assert_eq!(erased.len(), 1);
    let head = platform.store().head().await.unwrap();
    for (bad, code) in [
        (body(&[head]), "audit/erase"),
        (body(&[head + 1]), "object/not-found"),
        (Erase { reason: " ".into(), ..body(&[4]) }, "audit/erase"),
        (body(&[]), "audit/erase"),
        (Erase { events: vec![4], ..all }, "audit/erase"),
    ] {
        assert_eq!(erase(&admin, bad.clone()).await, Err(code.into()), "{bad:?}");
    }
    let query = Query { subject: Some(subject), ..Query::default() };
    let left = admin.call::<ListAudit>(Nothing {}, query, Nothing {}).await.unwrap();
    let bodies = left.items.iter().filter(|event| event.body.is_some());
    let bodies: Vec<&str> = bodies.map(|event| event.kind.as_str()).collect();
    assert_eq!(bodies, ["event.erased"], "but for the record of it");
    let query = Query { kind: Some("event.".into()), ..Query::default() };
    let told = admin.call::<ListAudit>(Nothing {}, query, Nothing {}).await.unwrap().items;
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|event| event.actor == "user:default/root"));
    assert_eq!(told[1].body.as_ref().unwrap().after["reason"], "a name was in it");
    let report = verified(&platform, None).await;
    assert_eq!((found(&report), report.erased), (vec![], 2));
    platform.pass(Duration::from_secs(3)).await;
    assert_eq!(found(&verified(&platform, None).await), []);
    platform.finish().await;
}

#[tokio::test]
async fn the_log_is_searched_by_what_is_in_it() {
    let platform = sealed().await;
    let team = platform.platform_team();
    let search = async |query: Query| {
        let found = team.call::<ListAudit>(Nothing {}, query, Nothing {}).await.unwrap();
        found.items.into_iter().map(|event| event.seq).collect::<Vec<_>>()
    };
    let none = Query::default;
    let all = search(none()).await;
    assert!(all.is_sorted_by(|a, b| a > b), "the newest first");
    let mut oldest = search(Query { order: Order::Oldest, ..none() }).await;
    oldest.reverse();
    assert_eq!(oldest, all);
    // Page by page, in both orders, it is the same.
    for order in [Order::Newest, Order::Oldest] {
        let (mut paged, mut from) = (Vec::new(), None);
        loop {
            let query = Query { order, from, limit: Some(7), ..none() };
            let page = team.call::<ListAudit>(Nothing {}, query, Nothing {}).await.unwrap();
            paged.extend(page.items.into_iter().map(|event| event.seq));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        paged.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(paged, all, "{order:?}");
    }
    let mine = search(Query { actor: Some("root".into()), ..none() }).await;
    assert_eq!(mine.len(), 21);
    assert_eq!(search(Query { actor: Some("user:default/root".into()), ..none() }).await, mine);
    assert_eq!(search(Query { kind: Some("object.created".into()), ..none() }).await.len(), {
        search(Query { kind: Some("object.".into()), ..none() }).await.len()
    });
    assert!(search(Query { kind: Some("obj_ct".into()), ..none() }).await.is_empty());
    let subject = Some("group:default/g2-2".to_string());
    let one = search(Query { subject: subject.clone(), ..none() }).await;
    assert_eq!(one.len(), 1);
    assert_eq!(search(Query { text: Some("G2-2".into()), ..none() }).await, one);
    assert!(search(Query { text: Some("g2%2".into()), ..none() }).await.is_empty(), "no pattern");
    assert_eq!(search(Query { since: Some("1s".into()), ..none() }).await.len(), 1);
    assert!(search(Query { until: Some("2020-01-01".into()), ..none() }).await.is_empty());
    let bad = Query { since: Some("yesterday".into()), ..none() };
    let refused = team.call::<ListAudit>(Nothing {}, bad, Nothing {}).await.unwrap_err();
    assert_eq!(refused.problem().code, "input/invalid");
    for who in [platform.viewer(), ann(&platform)] {
        let refused = who.call::<ListAudit>(Nothing {}, none(), Nothing {}).await.unwrap_err();
        assert_eq!(refused.problem().code, "access/forbidden");
        let body = verify::Body::default();
        let refused = who.call::<verify::VerifyAudit>(Nothing {}, Nothing {}, body).await;
        assert_eq!(refused.unwrap_err().problem().code, "access/forbidden");
    }
    platform.finish().await;
}

#[tokio::test]
async fn events_are_shown_to_those_they_are_for() {
    use futures::StreamExt as _;
    let platform = TestPlatform::start().await;
    let ann = ann(&platform);
    ann.deploy(DEVELOPMENT, &FOLDER_ONE, "source one").await.unwrap();
    platform.settle().await;
    let kinds = async |who: &Person, after| {
        let query = EventQuery { after, limit: Some(1000), subject: None };
        let reply = who.call::<ListEvents>(Nothing {}, query.clone(), Nothing {}).await.unwrap();
        assert_eq!(reply.next, platform.store().head().await.unwrap(), "what is hidden is passed");
        let query = EventQuery { after: Some(0), ..query };
        let stream = platform.app().stream_events(&who.ctx, query).await.unwrap();
        let streamed: Vec<i64> = stream.take(reply.items.len()).map(|e| e.seq).collect().await;
        let listed: Vec<i64> = reply.items.iter().map(|event| event.seq).collect();
        assert_eq!(streamed, listed);
        reply.items.into_iter().map(|event| event.kind).collect::<BTreeSet<String>>()
    };
    let private = ["plan.created", "plan.applied"];
    for after in [Some(0), None] {
        let team = kinds(&platform.platform_team(), after).await;
        let owner = kinds(&ann, after).await;
        for who in [platform.outsider(), platform.viewer(), platform.developer("bob", &["lock"])] {
            let other = kinds(&who, after).await;
            for kind in private {
                assert!(team.contains(kind) && owner.contains(kind), "{kind}");
                assert!(!other.contains(kind), "{kind}");
            }
            assert!(other.contains("deployment.live") && other.contains("object.created"));
            assert!(!other.contains("source.uploaded"));
        }
    }
    platform.finish().await;
}

#[tokio::test]
async fn a_hundred_thousand_events_are_proved_in_bounded_time() {
    const EVENTS: i64 = 100_000;
    let platform = TestPlatform::start().await;
    let body = |n| EventBody {
        summary: format!("group g-{n} was declared"),
        before: ().into(),
        after: serde_json::json!({"kind": "Group", "metadata": {"name": n}}),
    };
    while platform.store().head().await.unwrap() < EVENTS {
        let mut batch = Batch::new();
        for n in 0..2_500 {
            batch.event(NewEvent {
                at: Timestamp(1_000 + n),
                actor: "user:default/ann".into(),
                request: "r".into(),
                kind: "object.created".into(),
                subject: format!("group:default/g-{n}"),
                body: body(n),
            });
        }
        platform.store().commit(batch).await.unwrap();
    }
    let begun = std::time::Instant::now();
    platform.pass(Duration::from_secs(3)).await;
    let sealing = begun.elapsed();
    let begun = std::time::Instant::now();
    let report = verified(&platform, None).await;
    let took = begun.elapsed();
    assert_eq!((found(&report), report.sealed_to), (vec![], report.last));
    assert!(report.seals <= EVENTS / 1_000 + 3, "{}", report.seals);
    println!(
        "measured: {} events, {} seals: sealed in {sealing:.1?}, verified in {took:.1?} (unoptimised)",
        report.events, report.seals
    );
    platform.kill();
}

#[test]
fn the_command_line_proves_and_finds() {
    let up = Binary::up(TOW);
    let sealed = || {
        let done = up.tow(["audit", "head"]);
        done.status == 0
    };
    until("the first events are sealed", sealed);
    let head = up.tow(["audit", "head"]).exits(0);
    let file = up.home().join("head.txt");
    std::fs::write(&file, &head.out).unwrap();
    let file = file.display().to_string();
    let good = up.tow(["audit", "verify", "--head", &file]).exits(0);
    assert!(good.out.contains("as it was sealed"), "{good}");
    let lines = |done: &str| -> Vec<serde_json::Value> {
        done.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let events = lines(&up.tow(["audit", "export"]).exits(0).out);
    assert!(events.iter().zip(1..).all(|(event, seq)| event["seq"] == seq));
    let said = lines(&up.tow(["audit", "export", "--format", "cloudevents"]).exits(0).out);
    assert!(said.len() >= events.len());
    let source = up.json(&["whoami"]);
    assert!(source.is_object());
    assert!(said.iter().all(|event| {
        event["specversion"] == "1.0"
            && event["source"].as_str().unwrap().starts_with("urn:towpath:tow-")
    }));
    up.tow(["audit", "erase", "2", "--reason", "a test"]).exits(2);
    up.tow(["audit", "erase", "2", "--reason", "a test", "--confirm", "2"]).exits(0);
    up.tow(["audit", "verify", "--head", &file]).exits(0);
    let listed = up.tow(["audit", "list", "--kind", "event.erased"]).exits(0);
    assert!(listed.out.contains("a test"), "{listed}");

    let other = std::fs::read_to_string(&file).unwrap().replace("\nroot ", "\nroot 0");
    std::fs::write(&file, other).unwrap();
    let bad = up.tow(["audit", "verify", "--head", &file]).exits(1);
    assert!(bad.out.contains("is not what the key"), "{bad}");
    std::fs::write(&file, "hello").unwrap();
    let bad = up.tow(["audit", "verify", "--head", &file]).exits(2);
    assert!(bad.err.contains("expected towpath seal 1"), "{bad}");

    let database = up.data().join("tow.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
        let mut database = options.connect().await.unwrap();
        database
            .execute("UPDATE event SET actor = 'user:default/eve' WHERE seq = 1")
            .await
            .unwrap();
        database.close().await.unwrap();
    });
    let bad = up.tow(["audit", "verify"]).exits(1);
    assert!(bad.out.contains("event 1 was changed"), "{bad}");
    let bad = up.tow(["audit", "verify", "-o", "json"]).exits(1);
    assert_eq!(bad.json()["findings"][0]["what"], "event-changed", "{bad}");
}

#[test]
fn who_follows_loses_nothing_over_a_restart_of_the_control_plane() {
    let mut up = Binary::up(TOW);
    let mut follow = up.command(["events", "-f", "--after", "0", "-o", "json"]);
    let mut follower = follow
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::inherit())
        .spawn()
        .unwrap();
    let out = std::io::BufReader::new(follower.stdout.take().unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if tell.send(event["seq"].as_i64().unwrap()).is_err() {
                return;
            }
        }
    });
    let mut seen = Vec::new();
    let declare = |up: &Binary, name: &str| {
        let file = up.home().join(format!("{name}.yaml"));
        std::fs::write(&file, group(name)).unwrap();
        up.tow(["apply", "-f", &file.display().to_string()]).exits(0);
    };
    let mut catch_up = |up: &Binary| {
        let last = up.json(&["audit", "list", "--limit", "1"])[0]["seq"].as_i64().unwrap();
        while seen.last().is_none_or(|seq| *seq < last) {
            let patience = std::time::Duration::from_secs(60);
            seen.push(told.recv_timeout(patience).expect("the follower goes on"));
        }
    };
    // The first may come with what was there before; the second is followed.
    for name in ["first", "second"] {
        declare(&up, name);
        catch_up(&up);
    }
    for round in 0..3 {
        declare(&up, &format!("before-{round}"));
        up.end(Signal::KILL);
        up.start();
        declare(&up, &format!("after-{round}"));
        catch_up(&up);
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
    drop(told);
    reader.join().unwrap();
    let expected: Vec<i64> = (1..=seen.len() as i64).collect();
    assert_eq!(seen, expected, "each once, in order, without a gap");
}
