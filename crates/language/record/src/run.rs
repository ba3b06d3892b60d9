//! A run: a command that is to end, carried through by the platform whoever dies meanwhile. Jobs, firings of a schedule,
//! release commands and one-off commands are all runs; each attempt is an instance.
//!
//! The run's id is the key of its cause, where it has one: what is caused twice is one run. The id of an attempt's
//! instance is made of the run and the attempt, so that an attempt is started once at most.

use crate::{Desired, Exit, Record};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::{Digest, Duration, Id, Place, Timestamp};

/// What a run is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// A workload of kind job, asked for by somebody.
    Job,
    /// A workload of kind cron: it was due, or somebody asked.
    Cron,
    /// Before the switch of a rollout, which it gates.
    Release,
    /// After the switch of a rollout.
    PostDeploy,
    /// A command of somebody's own, with everything that the workload has.
    Once,
}

impl RunKind {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Cron => "cron",
            Self::Release => "release",
            Self::PostDeploy => "post-deploy",
            Self::Once => "once",
        }
    }
}

/// What is done where nobody saw how an attempt ended: its machine was started again, or its shim died with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknown {
    /// It is tried again: doing it twice does no harm.
    Rerun,
    /// It is left for somebody to look at: doing it twice may do harm.
    Hold,
}

/// How far a run is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// For its turn, or for its next attempt.
    Waiting,
    /// An attempt is under way.
    Running,
    /// Its last attempt ended with 0.
    Succeeded,
    /// Its last attempt ended otherwise, or could not be started.
    Failed,
    /// Its last attempt took longer than it may.
    TimedOut,
    /// Somebody, or a later firing, did not want it any more.
    Cancelled,
    /// It was due and was never begun, for the reason that is noted.
    Missed,
    /// Nobody saw how its last attempt ended.
    Unknown,
}

impl RunState {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Cancelled => "cancelled",
            Self::Missed => "missed",
            Self::Unknown => "unknown",
        }
    }

    /// It never changes again.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A command that is to end. Holds no value of configuration; a command of somebody's own may hold what they wrote into
/// it, and is shown only to those who may read what is private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The key of its cause: see [`Run::keyed`].
    pub id: Id,
    /// Where.
    pub place: Place,
    /// `metadata.name` of the Score file.
    pub workload: String,
    /// The container whose program, image, files and volumes it has.
    pub container: String,
    /// The deployment whose configuration and runtime it has.
    pub deployment: i64,
    /// That deployment's release.
    pub release: i64,
    /// What it is for.
    pub kind: RunKind,
    /// Why it is there, for people: `due at 2026-03-29 03:00 CEST`.
    pub cause: String,
    /// Program and arguments instead of the container's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The attempt that is under way or was the last; 0 before the first.
    pub attempt: u32,
    /// So many more attempts after one that did not end well.
    pub retries: u32,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// From SIGTERM to SIGKILL, where it is cancelled.
    pub grace: Duration,
    /// What is done where nobody saw how an attempt ended.
    pub on_unknown: OnUnknown,
    /// It begins only when no earlier run of its workload is unfinished.
    #[serde(default)]
    pub in_turn: bool,
    /// When it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Timestamp>,
    /// The next attempt does not begin before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What is wanted: [`Desired::Stopped`] once somebody cancelled it.
    pub desired: Desired,
    /// How far it is.
    pub state: RunState,
    /// How the last attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Why it is as it is; empty where there is nothing to say.
    #[serde(default)]
    pub note: String,
    /// The start of the attempt was accepted: where nothing is seen of it any more, it is not started again.
    #[serde(default)]
    pub begun: bool,
    /// The instance of the attempt; its log is the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Id>,
    /// Who wanted it.
    pub created_by: String,
    /// From which request; empty where nobody asked.
    #[serde(default)]
    pub request: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its first attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Run {
    /// The id of the run that is caused by `cause` at `at`: always the same. Sorts by `at`, as fresh ids do, then by
    /// `order`.
    pub fn keyed(at: Timestamp, order: u8, cause: &[&str]) -> Id {
        let digest = Digest::of(cause.join("\u{0}").as_bytes());
        let millis = (at.0 / 1_000).max(0);
        let text = format!("run-{millis:012x}{order:02x}{}", &digest.hex()[..18]);
        Id::parse(&text).unwrap_or_else(|| Id::fresh("run"))
    }

    /// A run that somebody asked for.
    pub fn asked() -> Id {
        Id::fresh("run")
    }

    /// The id of the firing of a workload's schedule at a time.
    pub fn firing(place: &Place, workload: &str, at: Timestamp) -> Id {
        Self::keyed(at, 0, &[&place.to_string(), workload, &at.to_string()])
    }

    /// The id of an operation's run of a workload's command, before or after the switch.
    pub fn of_operation(operation: &Id, began: Timestamp, workload: &str, kind: RunKind) -> Id {
        Self::keyed(
            began,
            u8::from(kind == RunKind::PostDeploy),
            &[operation.as_str(), workload, kind.as_str()],
        )
    }

    /// The id of the instance of an attempt.
    pub fn instance_id(&self, attempt: u32) -> Id {
        let hex = self.id.as_str().rsplit('-').next().unwrap_or_default();
        let text = format!("i-{hex}.{attempt}");
        Id::parse(&text).unwrap_or_else(|| self.id.clone())
    }

    /// The ids of all instances that its attempts had, the last one first.
    pub fn instances(&self) -> impl Iterator<Item = Id> + '_ {
        (1..=self.attempt).rev().map(|attempt| self.instance_id(attempt))
    }

    /// Is it unfinished, of the same workload, and does its turn come before this one's?
    pub fn comes_before(&self, other: &Self) -> bool {
        let key = |run: &Self| (run.scheduled_at.unwrap_or(run.created_at), run.id.clone());
        self.place == other.place
            && self.workload == other.workload
            && !self.state.is_terminal()
            && self.id != other.id
            && key(self) < key(other)
    }
}

impl Record for Run {
    const KIND: &'static str = "run";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn subject(&self) -> String {
        self.place.to_string()
    }
    fn open(&self) -> bool {
        !self.state.is_terminal()
    }
}

/// That nothing is fired for now, and by whose order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CronPaused {
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, for whoever finds it paused.
    #[serde(default)]
    pub why: String,
}

/// Where the schedule of a workload stands. Every firing up to `decided_until` was decided: it has a run, or was missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CronState {
    /// Where.
    pub place: Place,
    /// `metadata.name` of the Score file.
    pub workload: String,
    /// Only grows; moves in the commit that makes the runs.
    pub decided_until: Timestamp,
    /// By somebody's order nothing is fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<CronPaused>,
    /// Nothing is fired because its component is stopped, or what is deployed has no such schedule.
    #[serde(default)]
    pub halted: bool,
    /// How often it was fired.
    #[serde(default)]
    pub fired: i64,
    /// How many firings were missed.
    #[serde(default)]
    pub missed: i64,
}

impl CronState {
    /// Its id.
    pub fn key(place: &Place, workload: &str) -> String {
        format!("{place}/{workload}")
    }
}

impl Record for CronState {
    const KIND: &'static str = "cron";
    fn id(&self) -> String {
        Self::key(&self.place, &self.workload)
    }
    fn subject(&self) -> String {
        self.place.to_string()
    }
    fn open(&self) -> bool {
        !self.halted
    }
}
