//! The store through its public face, on each database.

use crate::place::Place;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::task::{Context, Waker};
use tow_model::kinds::group::GroupSpec;
use tow_model::{Kind, Manifest, Metadata, Spec};
use tow_names::{Duration, EntityRef, Name, Timestamp};
use tow_ports::{Crossings, When};
use tow_record::{EventBody, ReadMember};
use tow_store::{Batch, CommitError, Fence, Find, Idempotent, NewEvent, Record, StoreError};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Thing {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) number: i64,
    pub(crate) open: bool,
    pub(crate) text: String,
}

impl Record for Thing {
    const KIND: &'static str = "thing";
    fn id(&self) -> String {
        self.id.clone()
    }
    fn subject(&self) -> String {
        self.subject.clone()
    }
    fn number(&self) -> i64 {
        self.number
    }
    fn open(&self) -> bool {
        self.open
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Op(pub(crate) String, pub(crate) String, pub(crate) bool);

impl Record for Op {
    const KIND: &'static str = "operation";
    fn id(&self) -> String {
        self.0.clone()
    }
    fn subject(&self) -> String {
        self.1.clone()
    }
    fn open(&self) -> bool {
        self.2
    }
}

pub(crate) fn thing(id: &str, subject: &str, number: i64) -> Thing {
    Thing { id: id.into(), subject: subject.into(), number, open: false, text: "a".into() }
}

pub(crate) fn told(kind: &str, subject: &str) -> NewEvent {
    NewEvent {
        at: Timestamp(1),
        actor: "user:default/ann".into(),
        request: "r".into(),
        kind: kind.into(),
        subject: subject.into(),
        body: EventBody {
            summary: "it happened".into(),
            before: serde_json::Value::Null,
            after: serde_json::json!({ "z": 1, "a": 2 }),
        },
    }
}

pub(crate) fn batch(fill: impl FnOnce(&mut Batch)) -> Batch {
    let mut batch = Batch::new();
    fill(&mut batch);
    batch
}

pub(crate) fn found(
    result: Result<tow_store::Committed, CommitError>,
) -> (String, String, i64, i64) {
    match result {
        Err(CommitError::Conflict { kind, id, expected, found }) => (kind, id, expected, found),
        other => panic!("a conflict was expected, not {other:?}"),
    }
}

pub(crate) async fn records_are_compared_and_set(place: Place) {
    let store = place.open().await;
    let mut one = thing("one", "s", 1);
    store.commit(batch(|b| b.create(&one))).await.unwrap();
    assert_eq!(store.get::<Thing>("one").await.unwrap().unwrap().version, 1);
    assert_eq!(
        found(store.commit(batch(|b| b.create(&one))).await),
        ("thing".into(), "one".into(), 0, 1)
    );
    one.text = "b".into();
    store.commit(batch(|b| b.update(&one, 1))).await.unwrap();
    assert_eq!(
        found(store.commit(batch(|b| b.update(&one, 1))).await),
        ("thing".into(), "one".into(), 1, 2)
    );
    let absent = thing("absent", "s", 1);
    assert_eq!(found(store.commit(batch(|b| b.update(&absent, 1))).await).3, 0);
    assert_eq!(found(store.commit(batch(|b| b.expect::<Thing>("one", 0))).await).3, 2);
    assert_eq!(found(store.commit(batch(|b| b.remove::<Thing>("one", Some(1)))).await).3, 2);
    store.commit(batch(|b| b.upsert(&one))).await.unwrap();
    let moved = batch(|b| {
        b.expect::<Thing>("one", 3);
        b.upsert(&absent);
        b.remove::<Thing>("nothing", None);
    });
    store.commit(moved).await.unwrap();
    store.close().await;
    assert_eq!(store.head().await, Err(StoreError::Closed));

    let store = place.open().await;
    let row = store.get::<Thing>("one").await.unwrap().unwrap();
    assert_eq!((row.version, row.value.text.as_str()), (3, "b"));
    assert_eq!(store.get::<Thing>("absent").await.unwrap().unwrap().version, 1);
    store.commit(batch(|b| b.remove::<Thing>("one", Some(3)))).await.unwrap();
    assert_eq!(store.get::<Thing>("one").await.unwrap(), None);
}

pub(crate) async fn a_batch_is_all_or_nothing(place: Place) {
    let store = place.open().await;
    store.commit(batch(|b| b.create(&thing("there", "s", 1)))).await.unwrap();
    let wake = store.commits();
    let mixed = batch(|b| {
        b.create(&thing("new", "s", 2));
        b.event(told("thing.made", "s"));
        b.cursor("reader", 5);
        b.create(&thing("there", "s", 1));
    });
    found(store.commit(mixed).await);
    assert_eq!(store.get::<Thing>("new").await.unwrap(), None);
    assert_eq!((store.head().await.unwrap(), store.cursor("reader").await.unwrap()), (0, 0));
    assert!(!wake.has_changed().unwrap(), "nothing was committed, so nobody is woken");
    let twice = batch(|b| {
        b.upsert(&thing("x", "s", 1));
        b.upsert(&thing("x", "s", 2));
    });
    let refused = store.commit(twice).await;
    assert!(
        matches!(&refused, Err(CommitError::Store(e)) if e.code() == "store/written-twice"),
        "{refused:?}"
    );
    store.commit(batch(|b| b.cursor("reader", 5))).await.unwrap();
    store.commit(batch(|b| b.cursor("reader", 4))).await.unwrap();
    assert_eq!(store.cursor("reader").await.unwrap(), 5);
    assert!(wake.has_changed().unwrap());
}

pub(crate) async fn lists_are_filtered_and_ordered(place: Place) {
    let store = place.open().await;
    for (n, (id, subject, number)) in
        [("c", "y", 1), ("b", "x", 2), ("a", "x", 10), ("d", "x", 1)].into_iter().enumerate()
    {
        let mut one = thing(id, subject, number);
        one.open = n % 2 == 0;
        let made = batch(|b| {
            b.create(&one);
            b.event(told("thing.made", subject));
        });
        store.commit(made).await.unwrap();
    }
    let ids = |find| async {
        let rows = store.list::<Thing>(find).await.unwrap();
        rows.into_iter().map(|row| row.value.id).collect::<String>()
    };
    let subject = |s: &str| Find { subject: Some(s.into()), ..Find::default() };
    assert_eq!(ids(Find::default()).await, "dbac");
    assert_eq!(
        ids(Find { newest_first: true, ..Find::default() }).await,
        "dabc",
        "made last first"
    );
    assert_eq!(ids(Find { newest_first: true, ..subject("x") }).await, "abd", "by number");
    assert_eq!(ids(Find { limit: Some(1), ..subject("x") }).await, "d");
    assert_eq!(ids(Find { open: Some(true), ..Find::default() }).await, "ac");
    assert_eq!(ids(Find { open: Some(false), newest_first: true, ..subject("x") }).await, "bd");
    assert_eq!(ids(subject("nobody")).await, "");
    assert_eq!(store.last::<Thing>("x").await.unwrap().unwrap().value.id, "a");
    assert_eq!(store.last::<Op>("x").await.unwrap(), None);
}

pub(crate) async fn one_open_operation_a_subject(place: Place) {
    let store = place.open().await;
    let first = Op("op-1".into(), "place".into(), true);
    let second = Op("op-2".into(), "place".into(), true);
    let elsewhere = Op("op-3".into(), "other".into(), true);
    store.commit(batch(|b| b.create(&first))).await.unwrap();
    store.commit(batch(|b| b.create(&elsewhere))).await.unwrap();
    let (kind, id, ..) = found(store.commit(batch(|b| b.create(&second))).await);
    assert_eq!((kind.as_str(), id.as_str()), ("operation", "place"));
    let closed = Op(first.0, first.1, false);
    let handover = batch(|b| {
        b.create(&second);
        b.update(&closed, 1);
    });
    store.commit(handover).await.unwrap();
    let open = Find { open: Some(true), ..Find::default() };
    assert_eq!(store.list::<Op>(open).await.unwrap().len(), 2);
}

pub(crate) async fn the_log_has_no_gaps_under_contention(place: Place) {
    let store = place.open().await;
    let mut tasks = Vec::new();
    for task in 0..8 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0..10 {
                let id = format!("{task}-{n}");
                // Half of them fail: a failed one must leave no hole.
                let both = batch(|b| {
                    b.create(&thing(&id, "s", n));
                    b.event(told("a", &id));
                    b.event(told("b", &id));
                });
                let lost = batch(|b| {
                    b.event(told("lost", &id));
                    b.create(&thing(&id, "s", n));
                });
                let seq = store.commit(both).await.unwrap().seq;
                let written = store.events(Some(seq - 2), 2, None).await.unwrap();
                assert_eq!(written.iter().map(|e| e.kind.as_str()).collect::<String>(), "ab");
                assert!(
                    written.iter().all(|e| e.subject == id),
                    "a commit's events stand together"
                );
                found(store.commit(lost).await);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let events = store.events(Some(0), 1000, None).await.unwrap();
    let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=160).collect::<Vec<_>>());
    assert_eq!(store.head().await.unwrap(), 160);
}

pub(crate) async fn events_read_back_and_prove_themselves(place: Place) {
    let store = place.open().await;
    let web = "component:default/web";
    for subject in
        [web, "component:default/web@dev", "component:default/web2@dev", "component:default/we"]
    {
        store.commit(batch(|b| b.event(told("x", subject)))).await.unwrap();
    }
    let store = &store;
    let seqs = |after, limit, subject| async move {
        let events = store.events(after, limit, subject).await.unwrap();
        events.iter().map(|event| event.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(Some(0), 10, Some(web)).await, [1, 2]);
    assert_eq!(seqs(None, 1, Some(web)).await, [2]);
    assert_eq!(seqs(None, 2, None).await, [3, 4], "the last ones, oldest first");
    assert_eq!(seqs(Some(1), 2, None).await, [2, 3]);
    let event = store.events(Some(0), 1, None).await.unwrap().remove(0);
    let body = event.body.unwrap();
    let text = serde_json::to_string(&body).unwrap();
    assert_eq!(event.body_sha256, tow_names::Digest::of(text.as_bytes()).hex());
    assert_eq!(body.after.to_string(), r#"{"z":1,"a":2}"#, "members keep their order");
}

pub(crate) async fn a_lease_fences_who_lost_it(place: Place) {
    let store = place.open().await;
    let ttl = Duration::from_secs(10);
    let at = |secs: i64| Timestamp(secs * 1_000_000);
    let take = |holder, now, force| store.take_lease("control", holder, now, ttl, force);
    let first = take("a", at(0), false).await.unwrap().unwrap();
    assert_eq!((first.epoch, first.expires), (1, at(10)));
    assert_eq!(take("b", at(9), false).await.unwrap(), None);
    let first = store.renew_lease(&first, at(9), ttl).await.unwrap().unwrap();
    assert_eq!(take("b", at(18), false).await.unwrap(), None, "it was renewed until 19");
    let fenced = |epoch, id: &str| {
        batch(|b| {
            b.fence(Fence { lease: "control".into(), epoch });
            b.create(&thing(id, "s", 1));
        })
    };
    store.commit(fenced(1, "x")).await.unwrap();
    assert_eq!(take("b", at(19), false).await.unwrap().unwrap().epoch, 2, "it had expired");
    assert_eq!(store.renew_lease(&first, at(19), ttl).await.unwrap(), None);
    assert_eq!(
        store.commit(fenced(1, "y")).await,
        Err(CommitError::Fenced { lease: "control".into(), given: 1, found: 2 })
    );
    assert_eq!(store.get::<Thing>("y").await.unwrap(), None);
    assert_eq!(take("c", at(20), true).await.unwrap().unwrap().epoch, 3, "b was proved dead");
    assert_eq!(take("c", at(20), false).await.unwrap().unwrap().epoch, 4, "its own");
    assert!(store.commit(fenced(4, "z")).await.is_ok());
}

pub(crate) async fn replies_are_kept_for_a_day(place: Place) {
    let store = place.open().await;
    let day = 24 * 60 * 60 * 1_000_000;
    let kept = |at: i64| Idempotent {
        actor: "ann".into(),
        route: "plan.create".into(),
        key: "k".into(),
        body_sha256: "digest".into(),
        status: 201,
        reply: "{}".into(),
        at: Timestamp(at),
    };
    let replay = |now: i64| store.replay("ann", "plan.create", "k", Timestamp(now));
    assert_eq!(replay(0).await.unwrap(), None);
    store.commit(batch(|b| b.idempotency(kept(0)))).await.unwrap();
    let (kind, ..) = found(store.commit(batch(|b| b.idempotency(kept(day - 1)))).await);
    assert_eq!(kind, "idempotency");
    let reply = replay(day - 1).await.unwrap().unwrap();
    assert_eq!((reply.status, reply.reply.as_str()), (201, "{}"));
    assert_eq!(replay(day).await.unwrap(), None);
    store.commit(batch(|b| b.idempotency(kept(day)))).await.unwrap();
    assert!(replay(day).await.unwrap().is_some());
}

pub(crate) fn group(name: &str) -> Manifest {
    let spec: GroupSpec =
        serde_json::from_value(serde_json::json!({ "type": "team", "children": [] })).unwrap();
    Manifest::new(Kind::Group, Metadata::named(Name::new(name).unwrap()), Spec::Group(spec))
}

pub(crate) async fn objects_are_one_whatever_their_spelling(place: Place) {
    let store = place.open().await;
    let (at, later) = (Timestamp(5), Timestamp(9));
    let entity = group("Team").entity();
    store.commit(batch(|b| b.create_object(&group("Team"), "u1", at, "ann"))).await.unwrap();
    let again = store.commit(batch(|b| b.create_object(&group("TEAM"), "u2", at, "bob"))).await;
    assert_eq!(found(again), ("object".into(), "group:default/team".into(), 0, 1));
    store.commit(batch(|b| b.update_object(&group("Team"), 1, later, false))).await.unwrap();
    store.commit(batch(|b| b.update_object(&group("teaM"), 2, later, true))).await.unwrap();
    let row = store.object(&entity).await.unwrap().unwrap();
    assert_eq!((row.version, row.generation, row.uid.as_str()), (3, 2, "u1"));
    assert_eq!((row.created_at, row.updated_at, row.created_by.as_str()), (at, later, "ann"));
    assert_eq!(row.manifest, group("teaM"), "the spelling is kept");

    let read = |version| ReadMember {
        kind: "object".into(),
        id: "group:default/team".into(),
        version,
        uid: "u1".into(),
        what: "group team".into(),
    };
    // A plan holds on to what an object says, not to how often it was written.
    assert_eq!(found(store.commit(batch(|b| b.expect_read(&read(1)))).await).3, 2);
    store.commit(batch(|b| b.expect_read(&read(2)))).await.unwrap();
    let another = ReadMember { uid: "u9".into(), ..read(2) };
    assert_eq!(found(store.commit(batch(|b| b.expect_read(&another))).await).3, 0);
    store.commit(batch(|b| b.create_object(&group("also"), "u3", at, "ann"))).await.unwrap();
    let names = async |kind: Option<Kind>| {
        let rows = store.objects(kind).await.unwrap();
        rows.iter().map(|row| row.manifest.metadata.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(None).await, ["also", "teaM"]);
    assert_eq!(names(Some(Kind::Group)).await, ["also", "teaM"]);
    assert!(names(Some(Kind::User)).await.is_empty());
    assert_eq!(found(store.commit(batch(|b| b.remove_object(&entity, 1))).await).3, 3);
    store.commit(batch(|b| b.remove_object(&entity, 3))).await.unwrap();
    assert_eq!(
        found(store.commit(batch(|b| b.update_object(&group("team"), 3, at, true))).await).3,
        0
    );
    let absent: EntityRef = entity;
    store.commit(batch(|b| b.expect_object(&absent, 0))).await.unwrap();
}

pub(crate) async fn many_objects_are_read_at_once(place: Place) {
    let store = place.open().await;
    let many: Vec<Manifest> = (0..230).map(|n| group(&format!("g{n:03}"))).collect();
    let mut big = Batch::new();
    for (n, one) in many.iter().enumerate() {
        big.create_object(one, format!("u{n}"), Timestamp(1), "ann");
    }
    store.commit(big).await.unwrap();
    let mut asked: Vec<EntityRef> = many.iter().map(Manifest::entity).collect();
    asked.push(group("nobody").entity());
    asked.push(group("G000").entity());
    let rows = store.objects_by(&asked).await.unwrap();
    let mut names: Vec<String> =
        rows.iter().map(|row| row.manifest.metadata.name.to_string()).collect();
    names.sort();
    let expected: Vec<String> = (0..230).map(|n| format!("g{n:03}")).collect();
    assert_eq!(names, expected, "each once, and what is not there is left out");
    assert!(store.objects_by(&[]).await.unwrap().is_empty());
}

pub(crate) async fn big_batches_go_in_few_statements(place: Place) {
    let store = place.open().await;
    let many: Vec<Thing> = (0..1234).map(|n| thing(&format!("{n:04}"), "s", n)).collect();
    let mut big = Batch::new();
    for one in &many {
        big.create(one);
        big.event(told("made", &one.id));
    }
    assert_eq!(store.commit(big).await.unwrap().seq, 1234);
    let rows = store.list::<Thing>(Find::default()).await.unwrap();
    assert_eq!(rows.into_iter().map(|row| row.value).collect::<Vec<_>>(), many);
    let mut gone = Batch::new();
    for one in &many[1..] {
        gone.remove::<Thing>(&one.id, Some(1));
    }
    store.commit(gone).await.unwrap();
    assert_eq!(store.list::<Thing>(Find::default()).await.unwrap().len(), 1);
}

/// Never returns from one side of a commit.
struct StopAt(When);

#[async_trait::async_trait]
impl Crossings for StopAt {
    async fn cross(&self, point: &'static str, when: When) {
        if point == "store.commit" && when == self.0 {
            std::future::pending::<()>().await;
        }
    }
}

pub(crate) async fn a_dropped_commit_happened_or_did_not(place: Place) {
    for (when, expected) in [(When::Before, false), (When::After, true)] {
        let store = place.open_with(Arc::new(StopAt(when))).await;
        let mut wake = store.commits();
        let writer = store.clone();
        let task =
            tokio::spawn(
                async move { writer.commit(batch(|b| b.create(&thing("x", "s", 1)))).await },
            );
        if expected {
            wake.changed().await.unwrap();
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        store.close().await;
        let store = place.open().await;
        assert_eq!(store.get::<Thing>("x").await.unwrap().is_some(), expected);
    }
}

pub(crate) async fn a_commit_dropped_anywhere_leaves_the_store_whole(place: Place) {
    let store = place.open().await;
    for polls in 0..60_usize {
        let id = format!("{polls:03}");
        let both = batch(|b| {
            b.create(&thing(&id, "s", 1));
            b.event(told("made", &id));
        });
        {
            let mut commit = std::pin::pin!(store.commit(both));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls * polls {
                if commit.as_mut().poll(&mut context).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // The connection is free again and not inside somebody's transaction.
        store.commit(batch(|b| b.upsert(&thing("last", "s", 1)))).await.unwrap();
        // Both as of one moment: what was dropped may still be on its way.
        let dump = store.dump().await.unwrap();
        let count = |list: &str, key: &str| {
            let all = dump[list].as_array().unwrap();
            all.iter().filter(|one| one[key].as_str() == Some(&id)).count()
        };
        let (there, told) = (count("records", "id"), count("events", "subject"));
        assert_eq!(there, told, "{id}: a record without its event, or the other way round");
    }
    let events = store.events(Some(0), 1000, None).await.unwrap();
    assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq), "no gaps");
}

pub(crate) async fn a_dump_tells_what_came_of_it(place: Place) {
    let store = place.open().await;
    let all = batch(|b| {
        b.create(&thing("x", "s", 1));
        b.create_object(&group("team"), "u", Timestamp(1), "ann");
        b.event(told("thing.made", "s"));
        b.event(told("lease.taken", "control"));
    });
    store.commit(all).await.unwrap();
    let once = tow_store::canonical(store.dump().await.unwrap(), serde_json::json!({}));
    assert_eq!(once["store"]["records"][0]["body"]["text"], "a");
    assert_eq!(once["store"]["objects"][0]["id"], "group:default/team");
    assert_eq!(once["store"]["events"].as_array().unwrap().len(), 1, "leases are machinery");
    // Written again with the same content: more was tried, the same came of it.
    store.commit(batch(|b| b.update(&thing("x", "s", 1), 1))).await.unwrap();
    let again = tow_store::canonical(store.dump().await.unwrap(), serde_json::json!({}));
    assert_eq!(once, again);
}

on_each!(
    records_are_compared_and_set,
    a_batch_is_all_or_nothing,
    lists_are_filtered_and_ordered,
    one_open_operation_a_subject,
    the_log_has_no_gaps_under_contention,
    events_read_back_and_prove_themselves,
    a_lease_fences_who_lost_it,
    replies_are_kept_for_a_day,
    objects_are_one_whatever_their_spelling,
    many_objects_are_read_at_once,
    big_batches_go_in_few_statements,
    a_dropped_commit_happened_or_did_not,
    a_commit_dropped_anywhere_leaves_the_store_whole,
    a_dump_tells_what_came_of_it,
);
