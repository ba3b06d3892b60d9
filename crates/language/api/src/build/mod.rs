//! Builds, whether or not a deployment waits for them.

pub mod cancel;
pub mod create;
pub mod get;
pub mod list;
