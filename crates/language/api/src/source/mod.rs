//! Sources: folders as they are uploaded.

pub mod upload;
