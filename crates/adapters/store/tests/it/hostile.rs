//! Text that means harm, in every field that takes free text: both databases keep it as it was written, find it by the
//! same rows, count it alike and put it in the same order. What that is, is said by the model, without any database.

use crate::place::Place;
use crate::query::check;
use proptest::prelude::*;
use serde_json::{Value, json};
use tow_model::Manifest;
use tow_model::query::{Filter, Key, Order, Query};
use tow_names::Timestamp;
use tow_store::Batch;

/// Each class of characters that a database, a sort order or a tokenizer may stumble over.
const PIECES: [&str; 36] = [
    // Written from the right, and turned round.
    "\u{202e}",
    "\u{2066}x\u{2069}",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
    "\u{645}\u{631}\u{62d}\u{628}\u{627}",
    // The same to the eye, composed and not.
    "\u{e9}",
    "e\u{301}",
    "\u{1e69}",
    "s\u{323}\u{307}",
    "s\u{307}\u{323}",
    // No width, or no ink.
    "\u{200b}",
    "\u{200d}",
    "\u{feff}",
    "\u{ad}",
    "\u{2060}",
    "\u{a0}",
    "\u{2028}",
    // Looks like ASCII.
    "\u{430}dmin",
    "\u{ff21}",
    "\u{1d400}",
    // Lower case is longer, is another letter, or hangs on the place in the word.
    "\u{130}",
    "\u{df}",
    "\u{1e9e}",
    "\u{3a3}\u{3a3}",
    "\u{fb03}",
    // Four bytes, surrogates' neighbours, the last ones there are.
    "\u{1f469}\u{200d}\u{1f680}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{ffff}",
    "\u{10ffff}",
    // What means something to SQL, JSON, patterns and tokenizers.
    "'\"\\",
    "%_*?",
    "\\u0000",
    "a:b|c&!(d)",
    // Controls, and the one that no database keeps.
    "\u{1}\u{7f}\t\n",
    "\0",
];

fn hostile() -> impl Strategy<Value = String> {
    let piece = || prop::sample::select(&PIECES[..]);
    let long = (prop::sample::select(vec!["a", "\u{e9}", "\u{1f469}"]), 1..3_000_usize)
        .prop_map(|(base, marks)| format!("{base}{}", "\u{301}".repeat(marks)));
    let wide = (piece(), 90..260_usize).prop_map(|(piece, times)| piece.repeat(times));
    prop_oneof![
        6 => prop::collection::vec(prop_oneof![3 => piece(), 1 => Just("A"), 1 => Just(" ")], 1..5)
            .prop_map(|pieces| pieces.concat()),
        1 => long,
        1 => wide,
    ]
}

fn manifest() -> impl Strategy<Value = Manifest> {
    (0..8_u8, hostile(), hostile(), prop::collection::vec(hostile(), 0..3), hostile(), hostile())
        .prop_map(|(n, title, description, list, key, value)| {
            serde_json::from_value(json!({
                "apiVersion": "backstage.io/v1alpha1",
                "kind": "Component",
                "metadata": {
                    "name": format!("n{n}"),
                    "title": title,
                    "description": description,
                    "annotations": { "example.org/note": value },
                    "links": [{ "url": "https://example.org", "title": description }],
                },
                "spec": {
                    "type": title, "lifecycle": value, "owner": "crew", "extra": list,
                    "free": { key: value },
                },
            }))
            .unwrap()
        })
}

fn query() -> impl Strategy<Value = (Query, u32)> {
    let key = || {
        prop::sample::select(vec![
            "metadata.title",
            "metadata.description",
            "metadata.annotations.example.org/note",
            "spec.type",
            "spec.lifecycle",
            "spec.extra",
            "metadata.name",
        ])
    };
    let leaf = prop_oneof![
        2 => (key(), hostile()).prop_map(|(key, value)| Filter::is(key, &value)),
        2 => (key(), hostile()).prop_map(|(key, value)| Filter::prefix(key, &value)),
        1 => (key(), hostile()).prop_map(|(key, value)| Filter::is(&format!("{key}.{value}"), "true")),
        1 => (key(), hostile()).prop_map(|(key, value)| Filter::contains([key], &value)),
        2 => hostile().prop_map(Filter::Text),
        2 => Just(Filter::everything()),
    ];
    let order = (key(), any::<bool>()).prop_map(|(key, descending)| {
        let order = Order::by(key);
        if descending { order.down() } else { order }
    });
    (leaf, any::<bool>(), order, 1..4_u32).prop_map(|(leaf, not, order, size)| {
        let filter = if not { leaf.negated() } else { leaf };
        (Query { order: vec![order], ..Query::of(filter, 10_000) }, size)
    })
}

type Case = (Vec<Manifest>, Vec<(Query, u32)>);

fn case() -> impl Strategy<Value = Case> {
    (prop::collection::vec(manifest(), 1..8), prop::collection::vec(query(), 1..8))
}

fn run(place: Place, (manifests, queries): Case) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(check(place, manifests, Vec::new(), queries));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn hostile_text_is_kept_and_found_on_a_file(case in case()) {
        run(Place::file(), case);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn hostile_text_is_kept_and_found_on_postgres(case in case()) {
        if let Some(place) = Place::postgres() {
            run(place, case);
        }
    }
}

on_each!(a_nul_that_got_in_does_no_harm);

/// Documents with one are refused where they are read. What comes another way is kept as it is, and found without it.
async fn a_nul_that_got_in_does_no_harm(place: Place) {
    let store = place.open().await;
    let manifest: Manifest = serde_json::from_value(json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
        "metadata": { "name": "odd", "title": "a\0b", "annotations": { "example.org/x": "\0" } },
        "spec": { "type": "\0", "lifecycle": "ΣΣ\0A", "owner": "crew", "k\0ey": "v\0" },
    }))
    .unwrap();
    let mut batch = Batch::new();
    batch.create_object(&manifest, "uid", Timestamp(1), "ann");
    store.commit(batch).await.unwrap();
    let found = store.query(&Query::of(Filter::is("spec.key", "v"), 10), true).await.unwrap();
    let body: Value = serde_json::from_str(&found.rows[0].body).unwrap();
    assert_eq!(body["metadata"]["title"], "a\0b", "it is kept as it was written");
    assert_eq!(body["spec"]["k\0ey"], "v\0");
    // What a facet shows is what finds it: Σ is another small letter at the end of a word.
    let shown = store.facets(&Filter::everything(), &[Key::new("spec.lifecycle")]).await.unwrap();
    assert_eq!(shown, [[("ΣΣA".to_string(), 1)]]);
    let shown = Filter::is("spec.lifecycle", "ΣΣA");
    for filter in [Filter::is("metadata.title", "ab"), Filter::Text("a b".into()), shown] {
        assert_eq!(store.count(&filter).await.unwrap(), 1, "{filter:?}");
    }
    store.close().await;
}
