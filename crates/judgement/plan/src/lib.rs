//! What should be: pure and synchronous. Makes plans out of what is wanted and what is, decides the next step of a
//! rollout, and explains itself. Knows nothing of time but what it is told, does no IO, keeps no memory.

mod admit;
mod attempt;
pub mod audit;
pub mod bake;
mod catalog;
pub mod certificate;
pub mod cron;
mod delivery;
mod draft;
mod explain;
mod gate;
mod heal;
mod kind;
pub mod last_words;
pub mod location;
mod network;
mod pods;
mod rollout;
mod routes;
pub mod run;
pub mod scale;
mod settle;
mod spec;
mod status;
mod strategy;
mod volumes;
pub mod webhook;

pub use admit::{Admitted, Refusal, refusals, warnings};
pub use attempt::{attempt_spec, run_container};
pub use catalog::{Claim, Claimed, LOCATION, declarations, removals};
pub use delivery::{Delivered, delivered};
pub use draft::{Draft, Drafted, draft};
pub use explain::{Explained, NotThis, explain, unheard};
pub use gate::gate;
pub use heal::{Ailment, ailment};
pub use kind::{AtSwitch, Meaning, meaning};
pub use pods::{PodWanted, container_order, pods, revision};
pub use rollout::{
    InstanceDraft, Next, View, answered, bakes, clock, ended, header, is_to_run, next, returns,
    step_ends, under_way,
};
pub use routes::{Clash, Placed, clashes, primary_port, routes, workload_urls};
pub use settle::{Settled, settled};
pub use spec::{SpecError, SpecInput, instance_spec};
pub use status::{WorkloadStatus, instance_state, workload_status};
pub use strategy::{Course, course, recreate};
