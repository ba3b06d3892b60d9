//! What is true of Postgres alone: other servers on the same database, a server that goes away, and what it refuses.

use crate::place::open;
use crate::store::{Thing, batch, found, thing, told};
use std::time::Duration;
use tow_names::Timestamp;
use tow_store::{CommitError, Fence, Find, Location, Store, StoreError, Topic};

/// Runs these on Postgres, where the machine has one.
macro_rules! on_postgres {
    ($($name:ident),* $(,)?) => {
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                if let Some(crate::place::Place::Postgres(database)) = crate::place::Place::postgres() {
                    super::$name(database).await;
                }
            })*
        }
    };
}

on_postgres!(
    writes_of_one_server_wake_the_others,
    a_server_that_goes_away_is_told_and_comes_back,
    servers_write_one_after_the_other,
    who_took_the_lease_meanwhile_fences_a_commit_of_another_server,
    what_a_server_refuses_is_said_clearly,
    text_that_postgres_can_not_keep_is_kept_nearly,
);

fn at(database: &tow_postgres::Database) -> Location {
    Location::parse(&database.url()).unwrap()
}

async fn within<T>(what: &str, waited: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), waited).await;
    waited.unwrap_or_else(|_| panic!("{what} never came"))
}

/// Polls until it holds.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    within(what, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn writes_of_one_server_wake_the_others(database: tow_postgres::Database) {
    let (one, other) = (open(&at(&database)).await.unwrap(), open(&at(&database)).await.unwrap());
    let mut things = other.wake(|wrote| wrote.record("thing"));
    let mut objects = other.wake(|wrote| wrote.objects);
    let revisions = |store: &Store| (store.revision(Topic::Catalog), store.revision(Topic::Access));
    let (own, before) = (revisions(&one), revisions(&other));
    one.commit(batch(|b| b.create(&thing("x", "s", 1)))).await.unwrap();
    within("the wake", things.changed()).await;
    assert!(other.get::<Thing>("x").await.unwrap().is_some());
    assert_eq!((revisions(&one), revisions(&other)), (own, before), "no object was written");
    let group = crate::store::group("team");
    one.commit(batch(|b| b.create_object(&group, "u", Timestamp(1), "ann"))).await.unwrap();
    assert_eq!(revisions(&one), (own.0 + 1, own.1 + 1), "before the commit returned");
    within("the objects", objects.changed()).await;
    assert_eq!(revisions(&other), (before.0 + 1, before.1 + 1));
    // What is not wanted wakes nobody.
    one.commit(batch(|b| b.event(told("x", "s")))).await.unwrap();
    one.commit(batch(|b| b.create(&thing("y", "s", 1)))).await.unwrap();
    within("the second wake", things.changed()).await;
    let idle = tokio::time::timeout(Duration::ZERO, objects.changed()).await;
    assert!(idle.is_err(), "nothing was written of objects");
}

async fn a_server_that_goes_away_is_told_and_comes_back(database: tow_postgres::Database) {
    let (store, other) = (open(&at(&database)).await.unwrap(), open(&at(&database)).await.unwrap());
    store.commit(batch(|b| b.create(&thing("x", "s", 1)))).await.unwrap();
    let still = store.revision(Topic::Catalog);
    assert_eq!(store.revision(Topic::Catalog), still);
    database.admit(false);
    database.cut();
    let refused = store.get::<Thing>("x").await.unwrap_err();
    assert_eq!(refused.code(), "store/unreachable", "{refused}");
    let refused = store.commit(batch(|b| b.create(&thing("y", "s", 1)))).await.unwrap_err();
    assert!(matches!(&refused, CommitError::Store(StoreError::Unreachable { .. })), "{refused:?}");
    // As long as nobody can say what others write, nothing that was made of the store is good.
    until("deafness", async || store.revision(Topic::Catalog) != store.revision(Topic::Catalog))
        .await;
    let mut wake = store.wake(|_| false);
    database.admit(true);
    within("the server's return", wake.changed()).await;
    until("reading", async || store.get::<Thing>("x").await.is_ok()).await;
    until("writing", async || store.commit(batch(|b| b.upsert(&thing("y", "s", 1)))).await.is_ok())
        .await;
    // And it hears of the other again.
    until("the other", async || {
        other.commit(batch(|b| b.upsert(&thing("z", "s", 1)))).await.is_ok()
    })
    .await;
    let mut things = store.wake(|wrote| wrote.record("thing"));
    until("the other", async || {
        other.commit(batch(|b| b.upsert(&thing("z", "s", 1)))).await.is_ok()
    })
    .await;
    within("a wake", things.changed()).await;
    until("hearing", async || store.revision(Topic::Catalog) == store.revision(Topic::Catalog))
        .await;
}

async fn servers_write_one_after_the_other(database: tow_postgres::Database) {
    let mut tasks = Vec::new();
    for server in 0..3 {
        let store = open(&at(&database)).await.unwrap();
        tasks.push(tokio::spawn(async move {
            let mut lost = 0;
            for n in 0..30 {
                // All count the same thing up; who is too late is told and does it again.
                loop {
                    let row = store.get::<Thing>("counter").await.unwrap();
                    let mut counter =
                        row.as_ref().map_or(thing("counter", "s", 0), |row| row.value.clone());
                    counter.number += 1;
                    let done = store
                        .commit(batch(|b| {
                            match &row {
                                None => b.create(&counter),
                                Some(row) => b.update(&counter, row.version),
                            }
                            b.event(told("first", &format!("{server}-{n}")));
                            b.event(told("second", &format!("{server}-{n}")));
                        }))
                        .await;
                    match done {
                        Ok(_) => break,
                        Err(CommitError::Conflict { .. }) => lost += 1,
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            lost
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let store = open(&at(&database)).await.unwrap();
    let counter = store.get::<Thing>("counter").await.unwrap().unwrap();
    assert_eq!((counter.value.number, counter.version), (90, 90), "no count was lost");
    let events = store.events(Some(0), 1000, None).await.unwrap();
    let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=180).collect::<Vec<_>>(), "no gaps");
    for pair in events.chunks(2) {
        assert_eq!(pair[0].subject, pair[1].subject, "a commit's events stand together");
    }
}

async fn who_took_the_lease_meanwhile_fences_a_commit_of_another_server(
    database: tow_postgres::Database,
) {
    let (one, other) = (open(&at(&database)).await.unwrap(), open(&at(&database)).await.unwrap());
    let ttl = tow_names::Duration::from_secs(10);
    let first = one.take_lease("control", "a", Timestamp(0), ttl, false).await.unwrap().unwrap();
    assert!(other.take_lease("control", "b", Timestamp(1), ttl, false).await.unwrap().is_none());
    let held = other.lease("control").await.unwrap().unwrap();
    assert_eq!((held.holder.as_str(), held.expires), ("a", Timestamp(0).plus(ttl)));
    // Writes of the first run all the while the second takes over.
    let writer = tokio::spawn(async move {
        for n in 0.. {
            let fenced = batch(|b| {
                b.fence(Fence { lease: "control".into(), epoch: first.epoch });
                b.create(&thing(&format!("{n:05}"), "first", n));
            });
            match one.commit(fenced).await {
                Ok(_) => {}
                Err(CommitError::Fenced { given: 1, found: 2, .. }) => return n,
                Err(error) => panic!("{error}"),
            }
        }
        0
    });
    until("some writes", async || other.list::<Thing>(Find::default()).await.unwrap().len() > 20)
        .await;
    let late = Timestamp(0).plus(ttl);
    assert_eq!(other.take_lease("control", "b", late, ttl, false).await.unwrap().unwrap().epoch, 2);
    // Nothing of the first becomes durable after this.
    let count = other.list::<Thing>(Find::default()).await.unwrap().len() as i64;
    assert_eq!(within("the fence", writer).await.unwrap(), count);
    assert_eq!(other.list::<Thing>(Find::default()).await.unwrap().len() as i64, count);
}

async fn what_a_server_refuses_is_said_clearly(database: tow_postgres::Database) {
    let server = database.server();
    let code = async |url: String| {
        let error = open(&Location::parse(&url).unwrap()).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("password-"), "{error}");
        assert!(!error.hint().is_empty() && !error.untouched().is_empty());
        error.code()
    };
    assert_eq!(
        code(server.url_as("tow", "password-that-is-wrong", database.name())).await,
        "store/login"
    );
    assert_eq!(code(server.url("absent")).await, "store/no-database");
    let nobody = "postgres://tow:password-of-nobody@127.0.0.1:1/tow".to_string();
    assert_eq!(code(nobody).await, "store/unreachable");
    assert_eq!(code(format!("{}?sslmode=require", database.url())).await, "store/unreachable");
    let latin = server.fresh(&["ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc"]);
    match latin {
        Ok(latin) => assert_eq!(code(latin.url()).await, "store/unfit-database"),
        Err(why) => panic!("{why}"),
    }
    database.sql("CREATE TABLE songs (id int)");
    assert_eq!(code(database.url()).await, "store/not-a-store");
    database.sql("DROP TABLE songs");

    let store = open(&at(&database)).await.unwrap();
    database.sql("CREATE ROLE guest LOGIN PASSWORD 'password-of-a-guest'");
    let guest = server.url_as("guest", "password-of-a-guest", database.name());
    assert_eq!(code(guest.clone()).await, "store/denied");
    database.sql(&format!("ALTER DATABASE {} CONNECTION LIMIT 1", database.name()));
    assert_eq!(code(guest).await, "store/too-many-connections");
    // As a standby answers.
    database
        .sql(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name()));
    database.cut();
    let refused = |error: CommitError| match error {
        CommitError::Store(error) => error.code(),
        other => panic!("{other}"),
    };
    until("a connection that can only read", async || {
        let write = store.commit(batch(|b| b.create(&thing("x", "s", 1)))).await.unwrap_err();
        refused(write) == "store/read-only"
    })
    .await;
    assert!(store.get::<Thing>("x").await.unwrap().is_none());
}

async fn text_that_postgres_can_not_keep_is_kept_nearly(database: tow_postgres::Database) {
    let store = open(&at(&database)).await.unwrap();
    store.commit(batch(|b| b.create(&thing("a\0b", "s\0", 1)))).await.unwrap();
    assert!(store.get::<Thing>("a\0b").await.unwrap().is_some());
    found(store.commit(batch(|b| b.create(&thing("a\0b", "s", 1)))).await);
    let find = Find { subject: Some("s\0".into()), ..Find::default() };
    let rows = store.list::<Thing>(find).await.unwrap();
    assert_eq!(rows[0].value.id, "a\0b", "inside a body nothing is lost");
}
