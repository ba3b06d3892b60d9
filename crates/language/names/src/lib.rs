//! Parses names, refs, ids, times, durations, quantities and digests: once, strictly, at the edge.
//!
//! Whoever holds a value of one of these types holds a valid one. This room depends on no other of ours.

mod digest;
mod entity;
mod host;
mod id;
mod name;
mod network;
mod quantity;
mod schedule;
mod time;

pub use digest::{Digest, DigestError, Hasher, Tally};
pub use entity::{EntityRef, LONGEST_REF, Place, canonical_ref};
pub use host::{covers, is_local_host, is_public_host};
pub use id::Id;
pub use name::{Name, NameError, Namespace, host_label, is_absolute_url, is_score_name};
pub use network::{Network, NetworkError};
pub use quantity::{Cpu, Memory, QuantityError};
pub use schedule::{Schedule, ScheduleError};
pub use time::{Duration, DurationError, Timestamp};
