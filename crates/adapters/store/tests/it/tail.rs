//! Following the log.

use crate::place::Place;
use crate::store::{batch, told};
use std::time::Duration;
use tow_store::{Store, Tail};

on_each!(
    everybody_gets_every_event_once_and_in_order,
    who_is_far_behind_catches_up,
    one_subject_is_followed,
    what_was_erased_is_not_handed_out_any_more,
);

async fn tell(store: &Store, count: usize, subject: &str) {
    let many = batch(|b| (0..count).for_each(|_| b.event(told("x", subject))));
    store.commit(many).await.unwrap();
}

async fn take(tail: &mut Tail, count: usize) -> Vec<i64> {
    let mut found = Vec::new();
    while found.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(20), tail.next()).await;
        found.extend(next.expect("events come").unwrap().iter().map(|event| event.seq));
    }
    found
}

async fn everybody_gets_every_event_once_and_in_order(place: Place) {
    let store = place.open().await;
    // A file has one server.
    let other = if let Place::File(_) = place { store.clone() } else { place.open().await };
    let mut followers = Vec::new();
    for after in [0, 0, 7] {
        let mut tail = store.tail(after, None).await.unwrap();
        followers.push(tokio::spawn(async move { take(&mut tail, (100 - after) as usize).await }));
    }
    // By another server too.
    for n in 0..10 {
        tell(if n % 2 == 0 { &store } else { &other }, 10, "s").await;
    }
    for (follower, after) in followers.into_iter().zip([0, 0, 7]) {
        assert_eq!(follower.await.unwrap(), (after + 1..=100).collect::<Vec<_>>());
    }
}

async fn who_is_far_behind_catches_up(place: Place) {
    let store = place.open().await;
    tell(&store, 700, "s").await;
    let mut now = store.tail(700, None).await.unwrap();
    tell(&store, 900, "s").await;
    assert_eq!(take(&mut now, 900).await, (701..=1600).collect::<Vec<_>>());
    // The ring begins long after these.
    let mut late = store.tail(0, None).await.unwrap();
    assert_eq!(take(&mut late, 1600).await, (1..=1600).collect::<Vec<_>>());
    let idle = tokio::time::timeout(Duration::ZERO, late.next()).await;
    assert!(idle.is_err(), "nothing is handed out twice");
    tell(&store, 1, "s").await;
    assert_eq!((take(&mut late, 1).await, take(&mut now, 1).await), (vec![1601], vec![1601]));
}

async fn one_subject_is_followed(place: Place) {
    let store = place.open().await;
    let web = "component:default/web";
    let subjects = [web, "component:default/web@dev", "component:default/web2", "other"];
    for subject in subjects {
        tell(&store, 1, subject).await;
    }
    let mut tail = store.tail(0, Some(web.into())).await.unwrap();
    assert_eq!(take(&mut tail, 2).await, [1, 2], "from the database");
    for subject in subjects {
        tell(&store, 1, subject).await;
    }
    assert_eq!(take(&mut tail, 2).await, [5, 6], "from the ring");
    tell(&store, 1, web).await;
    assert_eq!(take(&mut tail, 1).await, [9]);
}

async fn what_was_erased_is_not_handed_out_any_more(place: Place) {
    let store = place.open().await;
    let mut first = store.tail(0, None).await.unwrap();
    tell(&store, 3, "s").await;
    assert_eq!(take(&mut first, 3).await, [1, 2, 3]);
    store.commit(batch(|b| b.erase_event(2))).await.unwrap();
    let mut late = store.tail(0, None).await.unwrap();
    let events = late.next().await.unwrap();
    let bodies: Vec<bool> = events.iter().map(|event| event.body.is_some()).collect();
    assert_eq!(bodies, [true, false, true]);
    tell(&store, 1, "s").await;
    assert_eq!((take(&mut first, 1).await, take(&mut late, 1).await), (vec![4], vec![4]));
}
