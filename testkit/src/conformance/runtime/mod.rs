//! What every adapter of the port `Runtime` must do: named cases, one file a group. Knows the port and nothing of any
//! adapter: how a program that does certain things is made is the harness's business.

mod adoption;
mod death;
mod exec;
mod faults;
mod files;
mod harness;
mod health;
mod jobs;
mod life;
mod limits;
mod logs;
mod matrix;
mod order;
mod refused;
mod session;
pub mod shell;
mod volumes;

pub use harness::{Act, Break, EPOCH, Harness, MakeCommand, MakeProgram, Program};
pub use matrix::{Cell, Column, EXCEPTIONS, compare, print};

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use std::sync::Arc;
use tow_record::Can;

/// One thing that holds on every runtime that can do what it needs; on any other, the runtime refuses it.
#[derive(Clone, Copy)]
pub struct Case {
    /// `life`, `death`, …
    pub group: &'static str,
    /// A sentence: what holds.
    pub name: &'static str,
    /// What a runtime must be able to do.
    pub needs: &'static [Can],
    run: for<'a> fn(&'a Harness) -> BoxFuture<'a, ()>,
}

/// `group!("group": "name" => function, "name" [Can, …] => function, …)`.
macro_rules! group {
    ($group:literal: $($name:literal $([$($can:ident),*])? => $run:path),* $(,)?) => {
        pub(super) const CASES: &[super::Case] = &[$(super::Case {
            group: $group,
            name: $name,
            needs: &[$($(tow_record::Can::$can),*)?],
            run: |h| Box::pin($run(h)),
        }),*];
    };
}
use group;

/// All of them, group by group.
pub fn cases() -> Vec<Case> {
    let groups = [
        life::CASES,
        death::CASES,
        health::CASES,
        order::CASES,
        files::CASES,
        volumes::CASES,
        limits::CASES,
        logs::CASES,
        exec::CASES,
        jobs::CASES,
        adoption::CASES,
        faults::CASES,
    ];
    groups.concat()
}

/// Runs those cases whose group and name hold `only`, each on an adapter of its own, so many at a time. A case that can't
/// hold here must be refused here, unless it is one of [`EXCEPTIONS`].
pub async fn run<F, M>(runtime: &'static str, at_once: usize, only: &str, make: M) -> Column
where
    M: Fn() -> F,
    F: Future<Output = Harness>,
{
    let meant = |case: &Case| format!("{}: {}", case.group, case.name).contains(only);
    let each = cases().into_iter().filter(meant).map(|case| {
        let harness = make();
        async move {
            if let Some(at) = matrix::exception(runtime, &case) {
                return (case, Cell::Exception(at));
            }
            let h = Arc::new(harness.await);
            let facts = h.runtime.facts(&h.executes).await.expect("facts");
            let lacks = case.needs.iter().copied().find(|need| !facts.can(*need));
            let lacks = lacks.filter(|_| facts.unavailable.is_none());
            // In a task of its own: what it panics with is its verdict.
            let verdict = tokio::spawn(async move {
                match lacks {
                    Some(lacking) => refused::refused(&h, lacking).await,
                    None => (case.run)(&h).await,
                }
            });
            let cell = match (verdict.await, lacks) {
                (Ok(()), None) => Cell::Holds,
                (Ok(()), Some(lacking)) => Cell::Refused(lacking),
                (Err(error), _) => Cell::Broken(words(error)),
            };
            #[allow(clippy::print_stderr, reason = "said while the others still run")]
            if let Cell::Broken(why) = &cell {
                eprintln!("{runtime}: {}: {}: {why}", case.group, case.name);
            }
            (case, cell)
        }
    });
    let mut cells: Vec<_> = stream::iter(each).buffer_unordered(at_once).collect().await;
    let order: Vec<_> = cases().iter().map(|case| (case.group, case.name)).collect();
    cells.sort_by_key(|(case, _)| order.iter().position(|own| *own == (case.group, case.name)));
    Column { runtime, cells }
}

/// What a case panicked with.
fn words(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was broken off".into() };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}
