//! Everything out of a store and into another one, of either database.

use crate::place::Place;
use crate::store::{Op, Thing, batch, group, thing, told};
use tow_names::{Duration, Timestamp};
use tow_store::{Export, Find, Idempotent, Import, Part, Store, StoreError, Summary};

on_each!(
    an_export_under_writes_is_one_moment,
    what_is_imported_is_there_and_found,
    a_copy_goes_there_and_back,
    an_import_is_all_or_nothing,
    an_export_that_was_tampered_with_is_refused,
);

/// A store with something in every table, more than fits into one part.
async fn filled(place: &Place) -> Store {
    let store = place.open().await;
    let at = Timestamp(7);
    for n in 0..3 {
        let many = batch(|b| {
            for m in 0..150 {
                b.create(&thing(&format!("{n}-{m:03}"), "s", n * 1000 + m));
                b.event(told("thing.made", &format!("s{m}")));
            }
            b.create_object(&group(&format!("Team-{n}")), format!("u{n}"), at, "ann");
            b.cursor(format!("reader-{n}"), n);
        });
        store.commit(many).await.unwrap();
    }
    let last = batch(|b| {
        b.update_object(&group("TEAM-1"), 1, Timestamp(9), true);
        b.create(&Op("op".into(), "place".into(), true));
        b.create(&thing("größe/\u{1f600}", "über", -1));
        b.idempotency(Idempotent {
            actor: "ann".into(),
            route: "r".into(),
            key: "k".into(),
            body_sha256: "d".into(),
            status: 201,
            reply: "{}".into(),
            at,
        });
    });
    store.commit(last).await.unwrap();
    store.take_lease("control", "a", at, Duration::from_secs(10), false).await.unwrap();
    store
}

async fn parts(export: &mut Export) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some(part) = export.next().await.unwrap() {
        parts.push(part);
    }
    parts
}

async fn exported(store: &Store) -> (Vec<Part>, Summary) {
    let mut export = store.export().await.unwrap();
    let parts = parts(&mut export).await;
    (parts, export.summary())
}

async fn imported(
    store: &Store,
    parts: &[Part],
    expected: Option<&Summary>,
) -> Result<Summary, StoreError> {
    let mut import: Import = store.import(tow_store::EXPORTED_SCHEMA).await?;
    for part in parts {
        import.part(part.clone()).await?;
    }
    import.finish(expected).await
}

async fn an_export_under_writes_is_one_moment(place: Place) {
    let store = filled(&place).await;
    let writer = store.clone();
    let (tell, mut told_to_stop) = tokio::sync::oneshot::channel::<()>();
    let writes = tokio::spawn(async move {
        let mut n = 0;
        while told_to_stop.try_recv().is_err() {
            n += 1;
            // A record and its event, always together; and one that goes as another comes.
            let both = batch(|b| {
                b.create(&thing(&format!("w-{n}"), "written", n));
                b.event(told("written", "written"));
                if n > 1 {
                    b.remove::<Thing>(format!("w-{}", n - 1), Some(1));
                }
            });
            writer.commit(both).await.unwrap();
        }
        n
    });
    for _ in 0..4 {
        let mut export = store.export().await.unwrap();
        let head = export.head();
        let parts = parts(&mut export).await;
        let rows = |table: &str| {
            parts.iter().filter(|part| part.table == table).flat_map(|part| &part.rows).count()
        };
        let summary = export.summary();
        assert_eq!(rows("event") as i64, head, "events up to the head, and no more");
        assert_eq!(summary.tables["event"].rows as i64, head);
        let written = rows("record") - 450 - 2;
        assert_eq!(written, usize::from(head > 450), "one is always there, never two: {head}");
        let other = place.another();
        let restored = other.open().await;
        assert_eq!(imported(&restored, &parts, Some(&summary)).await.unwrap(), summary);
        restored.close().await;
    }
    tell.send(()).unwrap();
    assert!(writes.await.unwrap() > 4, "somebody wrote meanwhile");
}

async fn what_is_imported_is_there_and_found(place: Place) {
    let store = filled(&place).await;
    let (parts, summary) = exported(&store).await;
    let other = place.another();
    let copy = other.open().await;
    imported(&copy, &parts, Some(&summary)).await.unwrap();
    assert_eq!(copy.dump().await.unwrap(), store.dump().await.unwrap());
    assert_eq!(copy.head().await.unwrap(), store.head().await.unwrap());
    assert_eq!(copy.cursor("reader-2").await.unwrap(), 2);
    assert!(copy.replay("ann", "r", "k", Timestamp(8)).await.unwrap().is_some());
    let lease = copy.lease("control").await.unwrap();
    assert_eq!(lease, store.lease("control").await.unwrap(), "an epoch never goes back");
    // What is made of objects was made again: they are found, and written on.
    let found = async |store: &Store| {
        let rows = store.objects(None).await.unwrap();
        rows.into_iter().map(|row| (row.manifest, row.uid, row.version)).collect::<Vec<_>>()
    };
    assert_eq!(found(&copy).await, found(&store).await);
    for store in [&store, &copy] {
        let on = batch(|b| {
            b.create_object(&group("more"), "u9", Timestamp(9), "ann");
            b.event(told("x", "s"));
        });
        assert_eq!(store.commit(on).await.unwrap().seq, 451);
    }
    assert_eq!(copy.summary().await.unwrap(), store.summary().await.unwrap());
    // And once more, as whoever starts on it would see it.
    copy.close().await;
    let again = other.open().await;
    assert_eq!(again.summary().await.unwrap(), store.summary().await.unwrap());
}

async fn a_copy_goes_there_and_back(place: Place) {
    let (one, Some(two)) = (Place::file(), Place::postgres()) else { return };
    let first = filled(&place).await;
    let (parts, summary) = exported(&first).await;
    let mut last = (parts, summary.clone());
    for there in [one, two, Place::file()] {
        let store = there.open().await;
        imported(&store, &last.0, Some(&last.1)).await.unwrap();
        let next = exported(&store).await;
        assert_eq!(next, last, "to the byte");
        last = next;
    }
    assert!(first.summary().await.unwrap().differences(&last.1).is_empty());
}

async fn an_import_is_all_or_nothing(place: Place) {
    let store = filled(&place).await;
    let (parts, summary) = exported(&store).await;
    let refused = store.import(tow_store::EXPORTED_SCHEMA).await.unwrap_err();
    assert_eq!(refused.code(), "store/not-empty");
    let other = place.another();
    let copy = other.open().await;
    let newer = copy.import(tow_store::EXPORTED_SCHEMA + 1).await.unwrap_err();
    assert_eq!(newer.code(), "store/newer-schema");
    // Given up in the middle.
    let mut import = copy.import(tow_store::EXPORTED_SCHEMA).await.unwrap();
    for part in &parts[..parts.len() / 2] {
        import.part(part.clone()).await.unwrap();
    }
    drop(import);
    // Cut off: whoever says what it should have been is told what is missing.
    let cut = imported(&copy, &parts[..parts.len() - 1], Some(&summary)).await.unwrap_err();
    assert_eq!(cut.code(), "store/broken-export");
    assert!(cut.to_string().contains("event: 450 rows and 400"), "{cut}");
    assert_eq!(copy.head().await.unwrap(), 0);
    assert!(copy.list::<Thing>(Find::default()).await.unwrap().is_empty());
    imported(&copy, &parts, Some(&summary)).await.unwrap();
    assert_eq!(copy.summary().await.unwrap(), summary);
}

async fn an_export_that_was_tampered_with_is_refused(place: Place) {
    let store = filled(&place).await;
    let (parts, summary) = exported(&store).await;
    let other = place.another();
    let copy = other.open().await;
    let at = |table: &str| parts.iter().position(|part| part.table == table).unwrap();
    let change = |at: usize, change: &dyn Fn(&mut Part)| {
        let mut changed = parts.clone();
        change(&mut changed[at]);
        changed
    };
    let wrong = [
        change(at("record"), &|part| part.rows.swap(0, 1)),
        change(at("record"), &|part| part.rows[3][7] = tow_store::Value::Text("{}".into())),
        change(at("event"), &|part| drop(part.rows.remove(5))),
        change(at("event"), &|part| part.rows[5][0] = part.rows[4][0].clone()),
        change(at("object"), &|part| part.rows[0][1] = tow_store::Value::Int(4)),
        change(at("lease"), &|part| part.rows[0].truncate(2)),
        change(at("cursor"), &|part| part.table = "songs".into()),
        change(at("cursor"), &|part| part.columns[0] = "name".into()),
    ];
    for (n, changed) in wrong.iter().enumerate() {
        let refused = imported(&copy, changed, Some(&summary)).await.unwrap_err();
        assert_eq!(refused.code(), "store/broken-export", "{n}: {refused}");
        assert_eq!(copy.summary().await.unwrap().tables["record"].rows, 0, "{n}");
    }
    // As they come out of a file: each part a line of JSON.
    let lines: Vec<String> = parts.iter().map(|p| serde_json::to_string(p).unwrap()).collect();
    let parsed: Vec<Part> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(imported(&copy, &parsed, Some(&summary)).await.unwrap(), summary);
}
