//! Who may do what, purely and with reasons. Does not read the store: whoever asks brings the object's owner.

mod access;

pub use access::{Decision, Object, Scope, decide, scope};
