//! Commands that are to end: jobs, firings of schedules, release commands, one-off commands.

pub mod cancel;
pub mod create;
pub mod get;
pub mod list;
