//! The tests of this room, one binary.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod audit;
mod course;
mod cron;
mod given;
mod judgement;
mod network;
mod refused;
mod rollout;
mod run;
mod scale;
mod spec;
