//! The gateway: a process of its own between the world and the instances, and the client by which the control plane
//! tells it what to serve. Also the file server that stands behind `static` workloads.
//!
//! It serves the table it was last given, whether anybody tells it anything or not; it never asks why. It may not know
//! the store, decide who is ready, or start anything.

mod access;
mod body;
mod certificates;
mod change;
mod choice;
mod client;
mod control;
mod counts;
mod door;
mod exchange;
mod files;
mod follow;
mod forwarded;
mod headers;
mod keep;
mod multiplex;
mod pace;
mod page;
mod paths;
mod pen;
mod pool;
mod ports;
mod proxy;
mod requests;
mod role;
mod room;
mod rules;
mod served;
mod sockets;
mod streams;
mod table;
mod taking;
mod target;
mod tls;
mod trace;
mod tunnel;
mod upstream;
mod wait;

pub use client::{EdgeClient, gateway_spec, trusting};
pub use files::static_main;
pub use role::gateway_main;
