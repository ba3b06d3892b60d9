//! The gateway and the file server as processes of their own, with real sockets.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod control;
mod handed_on;
mod load;
mod proxying;
mod refusals;
mod restart;
mod site;
mod streams;
mod support;
mod wait;
