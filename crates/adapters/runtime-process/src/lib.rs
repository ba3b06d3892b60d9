//! The process runtime: each instance is a process of this machine under a small shim that outlives the control plane.
//! Here is how it is started, watched, adopted, stopped and read; nothing here decides what should run, and nothing of
//! another adapter is known.
//!
//! Two sides live in this crate and meet only in the instance's folder and on its socket: the adapter
//! ([`ProcessRuntime`], in the control plane) and the shim ([`shim_main`], one process an instance).

mod bounds;
mod clear;
mod everything;
mod exec;
mod facts;
mod folder;
mod frozen;
mod launch;
mod link;
mod log;
mod observe;
mod passed;
mod ports;
mod prepare;
mod proc;
mod proto;
mod runtime;
mod sandbox;
mod shim;
mod spec;
mod state;
mod unpack;
mod usage;
mod volumes;
mod wall;

pub use everything::stop_everything;
pub use facts::{Offers, offers};
pub use runtime::{Config, ProcessRuntime};
pub use shim::{shim_exec_main, shim_main};
