//! The typed client of the contract: one [`Client::call`] for every plain endpoint, streams that resume, uploads.
//! Reads no environment and prints nothing; who uses it says where the platform is. Reaches no store and no app.

mod client;
mod error;
mod exec;
mod local;
mod path;
pub mod source;
mod sse;
mod stream;
mod trust;

pub use client::{Client, Upload};
pub use error::ClientError;
pub use exec::{Exec, Input, Output};
pub use local::{Local, LocalError, PlatformFile, Wanted, data_dir};
pub use stream::{events, logs};
pub use trust::Trust;
