//! Requests that ended, as the gateway wrote them down.

pub mod list;
