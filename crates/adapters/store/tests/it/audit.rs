//! The log as evidence, on each database: read as it is, searched, and stripped of bodies.

use crate::place::Place;
use tow_names::{Digest, Timestamp};
use tow_record::{EventBody, NewEvent, Record as _, Seal, Signature};
use tow_store::{Batch, Search};

on_each!(
    bodies_are_looked_at_and_not_believed,
    erasure_leaves_the_digest,
    the_log_is_searched_in_both_orders,
    seals_are_given_by_number,
);

fn event(seq: i64) -> NewEvent {
    let (actor, kind) = match seq % 3 {
        0 => ("user:default/ann", "object.created"),
        1 => ("user:default/bob", "object.updated"),
        _ => ("system:rollout", "deployment.live"),
    };
    let place = if seq % 2 == 0 { "@production" } else { "" };
    NewEvent {
        at: Timestamp(seq * 1_000),
        actor: actor.into(),
        request: String::new(),
        kind: kind.into(),
        subject: format!("component:default/c{}{place}", seq % 5),
        body: EventBody {
            summary: format!("Number {seq} is 100% done_"),
            before: ().into(),
            after: serde_json::json!({ "seq": seq }),
        },
    }
}

async fn filled(place: &Place, count: i64) -> tow_store::Store {
    let store = place.open().await;
    let mut batch = Batch::new();
    (1..=count).for_each(|seq| batch.event(event(seq)));
    store.commit(batch).await.unwrap();
    store
}

pub(crate) async fn bodies_are_looked_at_and_not_believed(place: Place) {
    let store = filled(&place, 600).await;
    let logged = store.logged(3, 560).await.unwrap();
    assert_eq!(logged.len(), 558);
    for (seq, found) in (3..).zip(&logged) {
        let body = serde_json::to_string(&event(seq).body).unwrap();
        let digest = Digest::of(body.as_bytes()).hex().to_string();
        assert_eq!((found.seq, found.at), (seq, seq * 1_000));
        assert_eq!((&found.body_sha256, found.found.as_ref()), (&digest, Some(&digest)));
        assert_eq!((&found.kind, &found.subject), (&event(seq).kind, &event(seq).subject));
    }
    assert_eq!(store.logged_before_the_first().await.unwrap(), []);
    assert_eq!(store.logged(601, i64::MAX).await.unwrap(), []);
}

pub(crate) async fn erasure_leaves_the_digest(place: Place) {
    let store = filled(&place, 5).await;
    let before = store.logged(1, 5).await.unwrap();
    let mut batch = Batch::new();
    batch.erase_event(2);
    batch.erase_event(4);
    batch.event(NewEvent {
        kind: "event.erased".into(),
        body: EventBody {
            summary: String::new(),
            before: ().into(),
            after: serde_json::json!({ "events": [2, 4] }),
        },
        ..event(6)
    });
    store.commit(batch).await.unwrap();
    let after = store.logged(1, 6).await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.body_sha256, after.body_sha256);
        assert_eq!(after.found.is_none(), [2, 4].contains(&after.seq));
    }
    assert_eq!(after[5].erased, [2, 4]);
    let mut at = store.events_at(&[4, 5, 5, 99]).await.unwrap();
    at.sort_by_key(|event| event.seq);
    assert_eq!(
        at.iter().map(|e| (e.seq, e.body.is_some())).collect::<Vec<_>>(),
        [(4, false), (5, true)]
    );
}

pub(crate) async fn the_log_is_searched_in_both_orders(place: Place) {
    const COUNT: i64 = 120;
    let store = filled(&place, COUNT).await;
    let text = |text: &str| Some(text.to_string());
    let any = Search { limit: 7, ..Search::default() };
    type Fits = fn(i64) -> bool;
    let cases: Vec<(Search, Fits)> = vec![
        (any.clone(), |_| true),
        (Search { actor: text("user:default/ann"), ..any.clone() }, |n| n % 3 == 0),
        (Search { kind: text("object."), ..any.clone() }, |n| n % 3 != 2),
        (Search { kind: text("object.updated"), ..any.clone() }, |n| n % 3 == 1),
        (Search { subject: text("component:default/c1"), ..any.clone() }, |n| n % 5 == 1),
        (Search { subject: text("component:default/c1@production"), ..any.clone() }, |n| {
            n % 5 == 1 && n % 2 == 0
        }),
        (Search { since: Some(Timestamp(30_000)), ..any.clone() }, |n| n >= 30),
        (Search { until: Some(Timestamp(30_000)), ..any.clone() }, |n| n < 30),
        (Search { text: text("NUMBER 11"), ..any.clone() }, |n| n == 11 || (110..120).contains(&n)),
        (Search { text: text("100% d"), ..any.clone() }, |_| true),
        (Search { text: text("10% d"), ..any.clone() }, |_| false),
        (Search { text: text("done!"), ..any.clone() }, |_| false),
        (Search { text: text("done_"), kind: text("d"), ..any }, |n| n % 3 == 2),
    ];
    // From beyond both ends: nothing, or all, and never a broken request.
    for (from, newest_first, some) in [
        (i64::MIN, true, false),
        (0, true, false),
        (i64::MAX, true, true),
        (i64::MIN, false, true),
        (i64::MAX, false, false),
    ] {
        let beyond = Search { from: Some(from), newest_first, limit: 7, ..Search::default() };
        let found = store.search(&beyond).await.unwrap();
        assert_eq!(!found.events.is_empty(), some, "from {from}, newest first: {newest_first}");
    }
    for (search, fits) in cases {
        for newest_first in [true, false] {
            let mut search = Search { newest_first, ..search.clone() };
            let mut found = Vec::new();
            loop {
                let page = store.search(&search).await.unwrap();
                assert!(page.events.len() <= 7);
                found.extend(page.events.iter().map(|event| event.seq));
                search.from = page.next;
                if search.from.is_none() {
                    break;
                }
            }
            let mut expected: Vec<i64> = (1..=COUNT).filter(|n| fits(*n)).collect();
            if newest_first {
                expected.reverse();
            }
            assert_eq!(found, expected, "{search:?}");
        }
    }
}

pub(crate) async fn seals_are_given_by_number(place: Place) {
    let store = place.open().await;
    let seal = |number: i64| Seal {
        number,
        from: number,
        to: number,
        previous: String::new(),
        leaves: vec!["00".into()],
        root: "00".into(),
        at: Timestamp(1),
        signature: Signature { key: "k".into(), signature: "s".into() },
    };
    let mut batch = Batch::new();
    (1..=12).for_each(|number| batch.create(&seal(number)));
    store.commit(batch).await.unwrap();
    let found = store.seals(8, 3).await.unwrap();
    assert_eq!(found, (9..=11).map(|n| (n, Some(seal(n)))).collect::<Vec<_>>());
    assert_eq!(store.last::<Seal>("").await.unwrap().unwrap().value, seal(12));
    assert_eq!(Seal::KIND, "seal", "the statement names it");
}
