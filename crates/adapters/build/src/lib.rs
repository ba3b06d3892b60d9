//! Source to artifact: the port `builder`, with a build as an instance of whichever runtime it is given.
//!
//! Two halves meet in a folder per build: [`ProcessBuilder`] in the control plane writes `build.json` and reads
//! `result.json`; [`builder_main`] in a process of its own does the work between the two, so that a build outlives the
//! control plane and its time limit, its log and its end are the runtime's. Knows the ports and no other adapter, and
//! decides nothing about what is built when.

mod alone;
mod archive;
mod builder;
mod child;
mod detect;
mod dockerfile;
mod environment;
mod order;
mod role;
mod secret;
mod sight;
mod slot;
mod toolchain;
mod tools;
mod tree;
mod yard;

pub use builder::{Config, ProcessBuilder};
pub use environment::inherited;
pub use order::Limits;
pub use role::builder_main;

#[cfg(test)]
mod tests;
