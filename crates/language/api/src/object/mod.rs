//! Declared objects: apply, list, get, delete.

pub mod apply;
pub mod delete;
pub mod facets;
pub mod get;
pub mod list;
