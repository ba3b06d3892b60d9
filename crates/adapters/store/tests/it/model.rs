//! The store against a model of it: whatever is written in whatever order, both say the same.

use crate::place::Place;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::Timestamp;
use tow_record::EventBody;
use tow_store::{Batch, CommitError, Find, NewEvent, Record};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Op {
    id: String,
    place: String,
    open: bool,
    text: u8,
}

impl Record for Op {
    const KIND: &'static str = "operation";
    fn id(&self) -> String {
        self.id.clone()
    }
    fn subject(&self) -> String {
        self.place.clone()
    }
    fn open(&self) -> bool {
        self.open
    }
}

#[derive(Debug, Clone)]
enum Act {
    Create(Op),
    Update(Op, i64),
    Upsert(Op),
    Remove(String, Option<i64>),
    Expect(String, i64),
    Event,
}

fn op() -> impl Strategy<Value = Op> {
    (0..4_u8, any::<bool>(), any::<u8>()).prop_map(|(id, open, text)| Op {
        id: format!("op-{id}"),
        // An operation never moves to another place.
        place: format!("place-{}", id % 2),
        open,
        text,
    })
}

fn act() -> impl Strategy<Value = Act> {
    let id = || (0..4_u8).prop_map(|id| format!("op-{id}"));
    prop_oneof![
        3 => op().prop_map(Act::Create),
        3 => (op(), 1..4_i64).prop_map(|(op, at)| Act::Update(op, at)),
        2 => op().prop_map(Act::Upsert),
        1 => (id(), proptest::option::of(1..4_i64)).prop_map(|(id, at)| Act::Remove(id, at)),
        1 => (id(), 0..3_i64).prop_map(|(id, at)| Act::Expect(id, at)),
        2 => Just(Act::Event),
    ]
}

type Model = BTreeMap<String, (Op, i64)>;

/// What the batch makes of the model; none where it is refused.
fn apply(model: &Model, acts: &[Act]) -> Option<(Model, i64)> {
    let (mut next, mut events, mut written) = (model.clone(), 0, Vec::new());
    let at = |id: &str| model.get(id).map_or(0, |(_, version)| *version);
    for act in acts {
        let (id, expected) = match act {
            Act::Event => {
                events += 1;
                continue;
            }
            Act::Create(op) => (&op.id, Some(0)),
            Act::Update(op, version) => (&op.id, Some(*version)),
            Act::Upsert(op) => (&op.id, None),
            Act::Remove(id, version) => (id, *version),
            Act::Expect(id, version) => (id, Some(*version)),
        };
        if expected.is_some_and(|expected| expected != at(id)) {
            return None;
        }
        match act {
            Act::Create(op) | Act::Update(op, _) | Act::Upsert(op) => {
                next.insert(id.clone(), (op.clone(), at(id) + 1));
            }
            Act::Remove(..) => drop(next.remove(id)),
            _ => continue,
        }
        if written.contains(id) {
            return None;
        }
        written.push(id.clone());
    }
    let mut open: Vec<&str> =
        next.values().filter(|(op, _)| op.open).map(|(op, _)| op.place.as_str()).collect();
    let count = open.len();
    open.sort_unstable();
    open.dedup();
    (open.len() == count).then_some((next, events))
}

fn batch(acts: &[Act]) -> Batch {
    let mut batch = Batch::new();
    for act in acts {
        match act {
            Act::Create(op) => batch.create(op),
            Act::Update(op, version) => batch.update(op, *version),
            Act::Upsert(op) => batch.upsert(op),
            Act::Remove(id, version) => batch.remove::<Op>(id, *version),
            Act::Expect(id, version) => batch.expect::<Op>(id, *version),
            Act::Event => batch.event(NewEvent {
                at: Timestamp(0),
                actor: String::new(),
                request: String::new(),
                kind: "x".into(),
                subject: "x".into(),
                body: EventBody { summary: String::new(), before: ().into(), after: ().into() },
            }),
        }
    }
    batch
}

async fn check(place: Place, batches: Vec<Vec<Act>>) {
    let store = place.open().await;
    let (mut model, mut head) = (Model::new(), 0);
    for acts in batches {
        let expected = apply(&model, &acts);
        let done = store.commit(batch(&acts)).await;
        match (expected, done) {
            (Some((next, events)), Ok(done)) => {
                model = next;
                head += events;
                assert_eq!(done.seq, head);
            }
            (None, Err(CommitError::Conflict { .. })) => {}
            (None, Err(CommitError::Store(error))) if error.code() == "store/written-twice" => {}
            (expected, done) => panic!("{acts:?}: {done:?}, but the model says {expected:?}"),
        }
        let rows = store.list::<Op>(Find::default()).await.unwrap();
        let found: Model =
            rows.into_iter().map(|row| (row.value.id.clone(), (row.value, row.version))).collect();
        assert_eq!(found, model);
        assert_eq!(store.head().await.unwrap(), head);
    }
    store.close().await;
}

fn batches() -> impl Strategy<Value = Vec<Vec<Act>>> {
    prop::collection::vec(prop::collection::vec(act(), 1..5), 1..12)
}

fn run(place: Place, batches: Vec<Vec<Act>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(check(place, batches));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn store_and_model_agree_on_a_file(batches in batches()) {
        run(Place::file(), batches);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn store_and_model_agree_on_postgres(batches in batches()) {
        if let Some(place) = Place::postgres() {
            run(place, batches);
        }
    }
}
