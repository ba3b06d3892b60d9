//! Makes the world as it should be: a driver with two lanes, rollouts and slow chores, and a file a controller, each of
//! them fetch → plan → perform → commit.
//!
//! Controllers are level-triggered: they take no input and keep no memory; a commit, a hint of the runtime or a timer
//! wakes the same code. *What* to do is decided in `plan`; nothing here chooses. Does not know `app`.

mod build;
mod certificate;
mod cron;
mod driver;
mod gateway;
mod heal;
mod journal;
mod lane;
mod location;
mod outcome;
mod perform;
mod revert;
mod rollout;
mod route;
mod run;
mod scale;
mod seal;
mod snapshot;
mod sweep;
mod switch;
mod webhook;

pub use driver::{Parts, ReconcileError, Reconciler, Ticked};
