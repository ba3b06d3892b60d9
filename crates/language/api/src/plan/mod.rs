//! Plans: make, look at, apply.

pub mod apply;
pub mod create;
pub mod get;
