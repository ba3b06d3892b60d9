//! `GET /api/v1/crons`.

use crate::status::get::Query;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_model::kinds::delivery::Concurrency;
use tow_names::{Duration, Timestamp};
use tow_record::{CronPaused, RunState};

/// A workload with a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CronView {
    /// The component.
    pub component: String,
    /// The environment.
    pub environment: String,
    /// The Score file's `metadata.name`.
    pub workload: String,
    /// When it is due.
    pub schedule: String,
    /// The same in words.
    pub words: String,
    /// The zone of the schedule.
    pub timezone: String,
    /// What is done with a firing while an earlier run is unfinished.
    pub concurrency: Concurrency,
    /// How late a firing may still be run.
    pub starting_deadline: Duration,
    /// By whose order nothing is fired.
    pub paused: Option<CronPaused>,
    /// Its component is stopped: nothing is fired.
    pub stopped: bool,
    /// The next firing; none while nothing is fired.
    pub next: Option<Timestamp>,
    /// How often it was fired.
    pub fired: i64,
    /// How many firings were missed.
    pub missed: i64,
    /// The last run.
    pub last_run: Option<String>,
    /// How far that is.
    pub last_state: Option<RunState>,
    /// When it was due, or made.
    pub last_at: Option<Timestamp>,
}

/// By component, environment and workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// All of them.
    pub items: Vec<CronView>,
}

endpoint!(ListCrons, "cron.list", Get "/api/v1/crons", 200, Read,
    path: Nothing, query: Query, body: Nothing, reply: Reply,
    "Workloads with a schedule, and when each is due next.");
