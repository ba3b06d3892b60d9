//! The gateway and the file server as processes of their own, with real sockets.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

mod access;
mod bounds;
mod control;
mod framing;
mod handed_on;
mod hostile;
mod http2;
mod https;
mod load;
mod modes;
mod proxying;
mod refusals;
mod restart;
mod rules;
mod site;
mod split;
mod streams;
mod support;
mod table;
mod wait;
