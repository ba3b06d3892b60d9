//! Configuration. It is changed by a plan, like everything that changes what runs.

pub mod get;
