//! Deployments.

pub mod list;
