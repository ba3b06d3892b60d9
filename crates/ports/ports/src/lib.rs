//! The traits to the outside: object-safe, nameless, without an implementation. What an adapter must do stands at the
//! trait's methods; the conformance suites hold every adapter to it.
//!
//! Every effect takes the [`Fence`]'s epoch: an adapter remembers the highest it has seen and refuses lower ones with
//! [`PortError::Fenced`], because a fence that lives only in the database does not fence the world.

mod blobs;
mod builder;
mod certifier;
mod clock;
mod crossing;
mod edge;
mod images;
mod keys;
mod runtime;
mod sources;
mod web;

pub use blobs::{Blobs, ByteStream};
pub use builder::Builder;
pub use certifier::{AcmeError, AcmeSetting, Certifier, Made, Ordered, Progress};
pub use clock::Clock;
pub use crossing::{Crossings, NoCrossings, When};
pub use edge::{Edge, RequestQuery, Requests, Towards};
pub use images::{ImageOrder, Images, Login, Pushed};
pub use keys::Keys;
pub use runtime::{ExecIn, ExecOut, ExecSession, ExecSpec, LogQuery, Runtime, Size};
pub use sources::{
    CatalogSource, CatalogTree, Listed, LocationFiles, LocationRead, Locations, MAX_SOURCE_BYTES,
    MAX_SOURCE_FILES, Opened, Place, SourceError, Sources,
};
pub use tow_record::Fence;
pub use web::{Answer, Fetched, Web, WebError, WebLimits};

/// Why an adapter did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// Somebody with a higher epoch has acted here: the caller is no longer in charge and must stop.
    #[error("refused: epoch {given} is behind {seen}")]
    Fenced {
        /// The caller's.
        given: i64,
        /// The highest seen.
        seen: i64,
    },
    /// There is no such thing.
    #[error("{0} is not there")]
    NotThere(String),
    /// It can't be done, now or later; the text is for people.
    #[error("{0}")]
    Refused(String),
    /// It may or may not have happened; ask again later.
    #[error("{0}")]
    Unavailable(String),
}
