//! Certificates of the gateway's HTTPS.

pub mod add;
pub mod authority;
pub mod list;
pub mod remove;
