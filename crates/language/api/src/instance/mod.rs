//! Instances.

pub mod exec;
pub mod list;
