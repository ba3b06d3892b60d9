//! The store through its public face: on a real file, and on a real Postgres where the machine has one.
#![allow(clippy::unwrap_used, reason = "a test may")]

/// Runs each of these tests, which take a [`place::Place`], on each database.
macro_rules! on_each {
    ($($name:ident),* $(,)?) => {
        mod on_file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(crate::place::Place::file()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                if let Some(place) = crate::place::Place::postgres() {
                    super::$name(place).await;
                }
            })*
        }
    };
}

mod audit;
mod export;
mod file;
mod hostile;
mod many;
mod model;
mod place;
mod postgres;
mod query;
mod store;
mod tail;
