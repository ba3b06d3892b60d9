//! What is under way at a place, while it takes its time.

pub mod abort;
pub mod list;
pub mod pause;
pub mod resume;
