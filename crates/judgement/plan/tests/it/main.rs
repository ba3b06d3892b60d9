//! The tests of this room, one binary.

mod given;
mod judgement;
mod rollout;
