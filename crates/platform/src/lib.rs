//! `compose(config, adapters) -> Platform`: the one place that wires. Used by the binary and by the test kit; holds no
//! logic.

mod adapters;
pub mod backup;
mod clock;
mod compose;
mod crossed;
mod examine;
mod executes;
mod keys;
mod layout;
mod roles;
mod seed;

pub use adapters::{Adapters, Real, build_environment, fake, git_environment, real};
pub use clock::SystemClock;
pub use compose::{ComposeError, Composed, Platform, compose};
pub use crossed::{AbortAt, CountIn};
pub use examine::{CertificateSeen, Examined, OutboxSeen, damage, examine, may_take_over};
pub use executes::Executes;
pub use keys::{KeysSeen, KeysUnknown, NamedKeys, keys_seen};
pub use layout::Layout;
pub use roles::role;
pub use tow_app::{App, AppError, Call, Handle, OpCtx, Session};
pub use tow_fake::{self as fakes, World};
pub use tow_ports::{AcmeSetting, Crossings, NoCrossings, When};
pub use tow_reconcile::{ReconcileError, Reconciler, Ticked};
pub use tow_runtime_container::{
    Found as Engine, find as engine, stop_everything as stop_containers,
};
pub use tow_runtime_process::{Offers, offers, stop_everything};
pub use tow_server::{Limits, Rate, ServerConfig, serve};
#[cfg(target_os = "linux")]
pub use tow_store::network_filesystem;
pub use tow_store::{Location, Schema, StoreError};
