//! Routes: who answers which requests, and what is done with requests beside handing them on.

pub mod explain;
pub mod list;
pub mod maintain;
pub mod pause;
pub mod serve;
