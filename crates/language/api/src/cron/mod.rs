//! Schedules of workloads of kind cron.

pub mod list;
pub mod pause;
pub mod resume;
pub mod trigger;
