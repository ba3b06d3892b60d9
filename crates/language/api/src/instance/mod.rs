//! Instances.

pub mod list;
