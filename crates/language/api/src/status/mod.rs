//! What runs.

pub mod get;
