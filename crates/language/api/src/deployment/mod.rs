//! Deployments.

pub mod get;
pub mod list;
