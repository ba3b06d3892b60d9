//! The log as evidence: searched, exported, proved, and stripped of bodies.

pub mod erase;
pub mod head;
pub mod list;
pub mod verify;
