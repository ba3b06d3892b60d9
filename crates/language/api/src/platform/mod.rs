//! The platform itself.

pub mod get;
