//! Releases.

pub mod list;
