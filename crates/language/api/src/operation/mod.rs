//! Operations: plans being carried out.

pub mod get;
