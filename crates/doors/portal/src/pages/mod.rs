//! One file a page.

pub(crate) mod catalog;
pub(crate) mod error;
pub(crate) mod running;
pub(crate) mod sign_in;
