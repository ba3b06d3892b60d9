//! Who may do what, purely and with reasons. Does not read the store: whoever asks brings the object, the groups and the
//! bindings.

mod access;
mod event;
mod object;
mod scope;
mod standing;

pub use access::{Decision, Held, decide, floor, held};
pub use event::{Audience, about, audience, depends_on_object, may_see};
pub use object::{Object, Owner, declares, gate};
pub use scope::{Scope, scope, visible};
pub use standing::{Bound, Directory, MACHINE_OWNER, Membership, Standing};
