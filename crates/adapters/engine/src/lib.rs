//! The client of a container engine: where one may be, and asking it over Docker's API. The one room that other adapters
//! may lean on, because two of them speak to engines: whoever runs containers, and whoever builds images.
//!
//! Implements no port and knows nothing of instances, builds or what anybody wants of an engine.

mod client;
mod places;
mod transfer;

pub use client::{Engine, EngineError, escaped};
pub use hyper::body::Incoming;
pub use hyper::upgrade::Upgraded;
pub use hyper_util::rt::TokioIo;
pub use places::{Found, candidates, find, look, normal};
pub use transfer::Said;
