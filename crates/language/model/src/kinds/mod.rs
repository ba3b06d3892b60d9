//! One file a kind: its spec, its defaults, and what can be checked of one object alone.

pub mod component;
pub mod delivery;
pub mod environment;
pub mod group;
pub mod runtime;
pub mod system;
pub mod user;
pub mod workload;
