//! Questions about declared objects, answered in SQL: which statement, in which way, from where to where. What a
//! question means is said in `model`; a property test holds the two together on both databases.
//!
//! Counts and facets are exact; they and pages are kept for as long as no object is written.

mod cache;
mod compile;
mod count;
mod facets;
mod pages;
mod run;

pub(crate) use cache::Cache;
pub use run::{Found, Page};
