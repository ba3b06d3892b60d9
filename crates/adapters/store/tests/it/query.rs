//! Questions against what they mean: random objects, random queries, both databases; every page in both directions.

use crate::place::Place;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tow_model::facts::{self, Facts};
use tow_model::query::{Field, Filter, Key, Order, Query};
use tow_model::{Manifest, relations};
use tow_names::{EntityRef, Timestamp};
use tow_store::{Batch, Page, Store};

/// What an object is found by, said without the store.
fn world(manifests: &BTreeMap<EntityRef, Manifest>, page: &Page) -> Vec<Facts> {
    let mut of: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for (entity, manifest) in manifests {
        for (relation, target) in relations(manifest) {
            let mut add = |from: String, kind: &str, to: String| {
                of.entry(from).or_default().insert((kind.to_string(), to));
            };
            add(entity.to_string(), relation.as_str(), target.to_string());
            add(target.to_string(), relation.inverse().as_str(), entity.to_string());
        }
    }
    page.rows
        .iter()
        .map(|row| {
            let entity = EntityRef::try_from(row.reference.clone()).unwrap();
            let document = serde_json::to_value(&manifests[&entity]).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&row.body).unwrap(), document);
            let relations = of.get(&row.reference).cloned().unwrap_or_default();
            let told: BTreeSet<(String, String)> =
                row.relations.iter().map(|(kind, to)| (kind.to_string(), to.clone())).collect();
            assert_eq!(told, relations, "{}", row.reference);
            Facts {
                id: row.id,
                reference: row.reference.clone(),
                kind: entity.kind().into(),
                namespace: entity.namespace().to_string(),
                name: entity.name().to_string(),
                uid: row.uid.clone(),
                created: row.created_at.0,
                updated: row.updated_at.0,
                rows: facts::rows(&document).into_iter().collect(),
                relations,
                words: facts::words(&document),
            }
        })
        .collect()
}

fn everything() -> Query {
    Query::of(Filter::everything(), 10_000)
}

/// All pages of this size, forth and back again, are the whole.
async fn paged(store: &Store, query: &Query, size: u32, facts: &[Facts]) {
    let whole = query.answer(facts);
    let mut query = Query { limit: size, total: true, ..query.clone() };
    let mut found = Vec::new();
    let last = loop {
        let page = store.query(&query, false).await.unwrap();
        let said = query.answer(facts);
        assert_eq!(page.total, Some(whole.total as i64), "{query:?}");
        let ids: Vec<i64> = page.rows.iter().map(|row| row.id).collect();
        assert_eq!(ids, said.ids, "{query:?}");
        assert_eq!((&page.before, &page.after), (&said.before, &said.after), "{query:?}");
        found.extend(ids);
        match page.after.clone() {
            Some(after) => query = Query { cursor: Some(after), offset: 0, ..query },
            None => break page,
        }
    };
    assert_eq!(found, whole.ids, "{query:?}");
    let mut back: Vec<i64> = last.rows.iter().rev().map(|row| row.id).collect();
    let mut before = last.before;
    while let Some(cursor) = before {
        query.cursor = Some(cursor);
        let page = store.query(&query, false).await.unwrap();
        let said = query.answer(facts);
        let ids: Vec<i64> = page.rows.iter().map(|row| row.id).collect();
        assert_eq!(ids, said.ids, "{query:?}");
        assert_eq!((&page.before, &page.after), (&said.before, &said.after), "{query:?}");
        back.extend(ids.iter().rev());
        before = page.before;
    }
    back.reverse();
    // What was passed over at first is met on the way back.
    assert!(back.ends_with(&found), "{query:?}: {back:?}, {found:?}");
}

async fn faceted(store: &Store, filter: &Filter, key: &Key, facts: &[Facts]) {
    let found = store.facets(filter, std::slice::from_ref(key)).await.unwrap().remove(0);
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    if !matches!(key.field(), Field::Created | Field::Updated) {
        for of in facts.iter().filter(|of| filter.matches(of)) {
            for value in of.values(key) {
                *counts.entry(value).or_default() += 1;
            }
        }
    }
    let mut lower: BTreeMap<String, i64> = BTreeMap::new();
    for (value, count) in found {
        *lower.entry(value.to_lowercase()).or_default() += count;
    }
    assert_eq!(lower, counts, "{filter:?} {key}");
}

pub(crate) async fn check(
    place: Place,
    manifests: Vec<Manifest>,
    changed: Vec<Manifest>,
    queries: Vec<(Query, u32)>,
) {
    let store = place.open().await;
    let mut known: BTreeMap<EntityRef, (Manifest, i64)> = BTreeMap::new();
    let mut at = 0;
    for manifest in manifests.into_iter().chain(changed) {
        at += 1;
        let entity = manifest.entity();
        let mut batch = Batch::new();
        let version = match known.get(&entity) {
            None => {
                batch.create_object(&manifest, format!("uid-{at}"), Timestamp(at / 3), "ann");
                1
            }
            Some((_, version)) if at % 4 == 0 => {
                batch.remove_object(&entity, *version);
                0
            }
            Some((_, version)) => {
                batch.update_object(&manifest, *version, Timestamp(at / 3), true);
                version + 1
            }
        };
        store.commit(batch).await.unwrap();
        if version == 0 {
            known.remove(&entity);
        } else {
            known.insert(entity, (manifest, version));
        }
    }
    let manifests = known.into_iter().map(|(entity, (manifest, _))| (entity, manifest)).collect();
    let facts = world(&manifests, &store.query(&everything(), true).await.unwrap());
    assert_eq!(facts.len(), manifests.len());
    let keys = [
        "kind",
        "metadata.tags",
        "metadata.tags.java",
        "metadata.name",
        "relations.ownedBy",
        "relations.ownerOf",
        "spec.type",
        "spec.extra",
        "created",
    ];
    for (query, size) in queries {
        paged(&store, &query, size, &facts).await;
        assert_eq!(
            store.count(&query.asked()).await.unwrap(),
            query.answer(&facts).total as i64,
            "{query:?}"
        );
        for key in keys {
            faceted(&store, &query.asked(), &Key::new(key), &facts).await;
        }
    }
    store.close().await;
}

const TYPES: [&str; 3] = ["service", "Website", "é"];
const TAGS: [&str; 3] = ["java", "go", "c.d"];

fn manifest() -> impl Strategy<Value = Manifest> {
    let name = || prop_oneof![3 => 0..6_u8, 1 => 6..12_u8].prop_map(|n| format!("N{n}"));
    let extra = prop_oneof![
        Just(Value::Null),
        Just(json!("x".repeat(201))),
        Just(json!("")),
        Just(json!("true")),
        Just(json!(1.0)),
        "[ab%_]{1,2}".prop_map(Value::String),
        Just(json!(["B", "a", { "deep": "B" }, 7])),
    ];
    let metadata = (
        name(),
        prop_oneof![3 => Just("default"), 1 => Just("shop")],
        prop::option::of("[ABé ]{0,3}"),
        prop::sample::subsequence(&TAGS[..], 0..=3),
        prop::option::of("[a-c]{1,2}"),
    )
        .prop_map(|(name, namespace, title, tags, label)| {
            let mut metadata = json!({ "name": name, "namespace": namespace });
            let mut put = |key: &str, value: Value| metadata[key] = value;
            if let Some(title) = title.filter(|title| !title.is_empty()) {
                put("title", title.into());
            }
            if !tags.is_empty() {
                put("tags", json!(tags));
            }
            if let Some(label) = label {
                put("labels", json!({ "example.org/tier": label }));
            }
            metadata
        });
    let component = (
        0..3_usize,
        name(),
        prop::option::of(name()),
        prop::collection::vec(name(), 0..3),
        prop::option::of(extra),
    )
        .prop_map(|(kind, owner, system, on, extra)| {
            let on: Vec<String> = on.iter().map(|name| format!("component:{name}")).collect();
            let mut spec = json!({
                "type": TYPES[kind], "lifecycle": "production", "owner": owner, "dependsOn": on,
            });
            if let Some(system) = system {
                spec["system"] = system.into();
            }
            if let Some(extra) = extra {
                spec["extra"] = extra;
            }
            ("Component", spec)
        });
    let group = (prop::option::of(name()), prop::collection::vec(name(), 0..3)).prop_map(
        |(parent, children)| {
            let mut spec = json!({ "type": "team", "children": children });
            if let Some(parent) = parent {
                spec["parent"] = parent.into();
            }
            ("Group", spec)
        },
    );
    let system = name().prop_map(|owner| ("System", json!({ "owner": owner })));
    (metadata, prop_oneof![4 => component, 2 => group, 1 => system]).prop_map(
        |(metadata, (kind, spec))| {
            serde_json::from_value(json!({
                "apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec,
            }))
            .unwrap()
        },
    )
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "kind",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "ref",
        "metadata.title",
        "metadata.tags",
        "metadata.tags.java",
        "metadata.tags.c.d",
        "metadata.labels.example.org/tier",
        "spec.type",
        "spec.owner",
        "spec.system",
        "spec.extra",
        "spec.extra.b",
        "spec.extra.deep",
        "spec.dependsOn",
        "relations.ownedBy",
        "relations.ownerOf",
        "relations.partOf",
        "relations.dependencyOf",
        "relations.childOf",
        "relations.parentOf",
        "relations.nothing",
        "apiVersion",
        "nowhere",
        "created",
        "updated",
    ])
    .prop_map(String::from)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "",
            "true",
            "1",
            "7",
            "service",
            "website",
            "é",
            "java",
            "component",
            "group",
            "default",
            "n1",
            "n2",
            "team",
            "uid-3",
            "a",
            "b",
            "%",
            "_",
        ])
        .prop_map(String::from),
        (0..8_u8).prop_map(|n| format!("group:default/n{n}")),
        (0..8_u8).prop_map(|n| format!("component:default/n{n}")),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let text = prop::sample::select(vec!["java", "n1", "web ser", "x", "?", "É", "tea n", "C"]);
    let leaf = prop_oneof![
        1 => key().prop_map(|key| Filter::exists(&key)),
        4 => (key(), prop::collection::vec(value(), 0..3)).prop_map(|(key, values)| {
            Filter::any_of(&key, values.iter().map(String::as_str))
        }),
        1 => (key(), value()).prop_map(|(key, value)| Filter::prefix(&key, &value)),
        1 => (key(), value()).prop_map(|(key, value)| Filter::contains([key.as_str()], &value)),
        1 => text.prop_map(|text| Filter::Text(text.into())),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::Any),
            inner.prop_map(Filter::negated),
        ]
    })
}

fn query() -> impl Strategy<Value = (Query, u32)> {
    let order = || {
        (key(), any::<bool>()).prop_map(|(key, descending)| {
            let order = Order::by(&key);
            if descending { order.down() } else { order }
        })
    };
    let scope = prop_oneof![
        3 => Just(Filter::everything()),
        1 => (0..8_u8).prop_map(|n| Filter::is("relations.ownedBy", &format!("group:default/n{n}"))),
        1 => Just(Filter::any_of("kind", ["component", "group"])),
    ];
    let orders = prop_oneof![
        1 => Just(Vec::new()),
        3 => order().prop_map(|order| vec![order]),
        1 => prop::collection::vec(order(), 2..4),
    ];
    (filter(), scope, orders, 0..4_u32, 1..6_u32).prop_map(
        |(filter, scope, order, offset, size)| {
            let query = Query { scope, order, offset, ..Query::of(filter, 10_000) };
            (query, size)
        },
    )
}

type Case = (Vec<Manifest>, Vec<Manifest>, Vec<(Query, u32)>);

fn case() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec(manifest(), 0..24),
        prop::collection::vec(manifest(), 0..6),
        prop::collection::vec(query(), 1..10),
    )
}

fn run(place: Place, (manifests, changed, queries): Case) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(check(place, manifests, changed, queries));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn answers_are_what_questions_mean_on_a_file(case in case()) {
        run(Place::file(), case);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn answers_are_what_questions_mean_on_postgres(case in case()) {
        if let Some(place) = Place::postgres() {
            run(place, case);
        }
    }
}
