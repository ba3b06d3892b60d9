//! Logs.

pub mod stream;
