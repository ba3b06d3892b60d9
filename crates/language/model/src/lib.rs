//! The kinds people declare: one file a kind under [`kinds`], each its spec, its defaults and what can be checked
//! of one object alone. Knows nothing of text formats, of records or of the store.

mod catalog;
pub mod check;
mod declared;
mod envelope;
pub mod facts;
mod invalid;
pub mod kinds;
pub mod placeholder;
pub mod query;
mod relations;

pub use declared::{Declared, KindFacts, Ownership, Reference, Relation};
pub use envelope::{API_VERSION, BACKSTAGE_VERSIONS, Kind, Link, Manifest, Metadata, Spec};
pub use invalid::{Invalid, Spot, pointer};
pub use relations::relations;
