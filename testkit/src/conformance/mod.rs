//! One suite for each port, run on every adapter of it: the fake's and the real one's. What stands in the port's
//! comments is what is held here, and nothing more.

pub mod edge;
pub mod runtime;
