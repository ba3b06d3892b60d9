//! Artifacts: what builds made.

pub mod get;
pub mod list;
pub mod prune;
pub mod push;
