//! Builds that no deployment waits for.

pub mod cancel;
pub mod create;
pub mod get;
