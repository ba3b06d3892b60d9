//! Webhooks: who outside is told of events, and what became of it.

pub mod create;
pub mod delete;
pub mod deliveries;
pub mod get;
pub mod list;
pub mod pause;
pub mod redeliver;
pub mod resume;
pub mod test;
