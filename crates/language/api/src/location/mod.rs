//! Locations: how they were found, what one would bring in, and asking for a look at once. They are declared like
//! everything else.

pub mod get;
pub mod list;
pub mod preview;
pub mod push;
pub mod push_secret;
pub mod refresh;
