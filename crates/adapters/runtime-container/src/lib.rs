//! The container runtime: instances of isolation `container` in an engine that speaks Docker's API. It is a layer over
//! another runtime, to which every such instance is a process: the hidden role `tow container`, which drives the engine
//! for this one instance and ends as its container ends. So restarts, grace, probes, logs and adoption are the shim's,
//! as they are for every other instance, and the engine is asked for nothing but to run and to end.
//!
//! Knows no other adapter, and decides nothing about what should run.

mod create;
mod credentials;
mod exec;
mod facts;
mod folder;
mod frames;
mod image;
mod logs;
mod memory;
mod order;
mod pause;
mod pod;
mod program;
mod role;
mod runtime;
mod session;
mod sweep;
mod volume;

pub use role::container_main;
pub use runtime::{Config, ContainerRuntime};
pub use sweep::stop_everything;
pub use tow_engine::{Found, find};
