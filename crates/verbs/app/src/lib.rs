//! What is done, and by whom it may be: use-cases, one file per noun. Each authorises, admits, and commits once, as its
//! last act, so a dropped request is harmless. Knows neither StatusCode nor HTML nor SQL.

mod access;
mod artifact;
mod audit;
mod backup;
mod catalog;
mod config;
mod cron;
mod deployment;
mod error;
mod event;
mod exec;
mod handle;
mod instance;
mod location;
mod log;
mod object;
mod observe;
mod operation;
mod owner;
mod plan;
mod platform;
mod push;
mod release;
mod request;
mod rollout;
mod route;
mod run;
mod run_log;
mod source;
mod status;
mod tls;
mod webhook;

pub use access::{Invitation, Session};
pub use backup::BackupOutcome;
pub use catalog::{
    Ancestor, EntitiesAsked, EntitiesFound, EntityError, LocationAsked, LocationSeen,
    LocationsFound, Registered,
};
pub use error::AppError;
pub use exec::Beside;
pub use handle::{App, Call, Caller, Handle, OpCtx, Parts};
pub use owner::OwnersDoor;
