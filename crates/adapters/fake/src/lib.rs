//! Every port in memory, with faults on request: for tests, and for `tow up --runtime fake`.
//!
//! A [`World`] holds what there is; runtime, edge, builder and blobs are views on it, so that the world survives when
//! the platform is dropped and built again. Everything moves by the clock it was given and by nothing else. Decides
//! nothing, and is never the default.

mod act;
mod blobs;
mod builder;
mod clock;
mod edge;
mod exec;
mod images;
mod keys;
mod life;
mod runtime;
mod script;
mod web;
mod world;

pub use act::Act;
pub use blobs::FakeBlobs;
pub use builder::FakeBuilder;
pub use clock::FakeClock;
pub use edge::FakeEdge;
pub use images::FakeImages;
pub use keys::FakeKeys;
pub use runtime::FakeRuntime;
pub use script::{BuildScript, Script, ScriptError, To};
pub use web::{FakeWeb, Received, WebScript};
pub use world::World;
