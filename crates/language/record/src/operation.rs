//! An operation: a plan being carried out. Its journal is evidence and is never replayed.

use crate::{BuildSpec, Executes, Instance, Mark, Pod, Progress, Reason, Record, Release};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Digest, Duration, Id, Place, Timestamp};

/// What a step does. The effect key planted in the world is [`Step::key`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "effect")]
#[expect(
    clippy::large_enum_variant,
    reason = "a rollout has a handful of steps, of which one may build"
)]
pub enum Effect {
    /// Build the artifact, unless it is there.
    Build {
        /// What.
        spec: BuildSpec,
    },
    /// Start a container of a pod: the row, then the process.
    Start {
        /// What.
        instance: Box<Instance>,
    },
    /// Carry a release's own command through: the run, then whatever becomes of it.
    Run {
        /// Its id.
        run: Id,
    },
    /// Make these pods the ones that are routed to.
    Switch {
        /// All that serve from here on.
        pods: Vec<Pod>,
        /// The table that says so: done once the gateway serves this one or a newer one.
        #[serde(default)]
        mark: Option<Mark>,
        /// What it is in the rollout.
        #[serde(default)]
        turn: Turn,
    },
    /// Nothing: something happened that the journal is to say.
    Note,
    /// Stop an instance and prove that it is gone.
    Stop {
        /// Which.
        instance: Id,
        /// From SIGTERM to SIGKILL.
        grace: Duration,
    },
    /// Take away what a stopped instance left, and free its ports.
    Remove {
        /// Which.
        instance: Id,
    },
}

/// What a switch is in its rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "turn")]
pub enum Turn {
    /// The deployment takes over.
    #[default]
    Over,
    /// Some of its pods serve beside those of before.
    Part {
        /// Of a hundred clients, where only some are to be answered by it.
        weight: Option<u32>,
    },
    /// What was before serves again.
    Back,
}

/// One step of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its place in the operation's journal.
    pub n: u32,
    /// What it does.
    pub effect: Effect,
    /// For people.
    pub title: String,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Begun; its effect may or may not have happened.
    Started,
    /// Its effect was seen.
    Done,
    /// It did not happen, and won't.
    Failed,
    /// Nobody can say whether it happened.
    Unknown,
}

/// A journal row. A terminal state never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    /// Of which operation.
    pub operation: Id,
    /// Which step, with its effect as it was decided.
    pub step: Step,
    /// From 1.
    pub attempt: u32,
    /// How far.
    pub state: StepState,
    /// When this state was reached.
    pub at: Timestamp,
    /// What went wrong.
    #[serde(default)]
    pub note: String,
}

impl Record for StepRow {
    const KIND: &'static str = "step";
    fn id(&self) -> String {
        format!("{}/{}/{}", self.operation, self.step.n, self.attempt)
    }
    fn subject(&self) -> String {
        self.operation.to_string()
    }
    fn number(&self) -> i64 {
        i64::from(self.step.n)
    }
    fn open(&self) -> bool {
        self.state == StepState::Started
    }
}

/// Why an operation failed, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What did not hold: `build`, `start`, `deadline`, `bake`, `canary`, `aborted`.
    pub gate: String,
    /// What happened.
    pub message: String,
    /// The instance or build whose log tells more.
    pub instance: Option<Id>,
    /// Its last log lines, at most 100.
    #[serde(default)]
    pub log: Vec<String>,
}

/// A plan being carried out: at most one unfinished per place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: Id,
    /// Where.
    pub place: Place,
    /// The plan, or none when the platform heals by itself.
    pub plan: Option<Id>,
    /// Why.
    pub reason: Reason,
    /// The platform's own repair: the deployment stays, instances come and go.
    pub heal: bool,
    /// The build that comes first.
    pub build: Option<BuildSpec>,
    /// The release to be numbered once built, where there is one.
    pub release: Option<Box<Release>>,
    /// Key of the artifact in use, where there is one.
    pub artifact: Option<Digest>,
    /// The deployment, once it is numbered: after the build.
    pub deployment: Option<i64>,
    /// What the deployment will be made with.
    pub replicas: BTreeMap<String, u32>,
    /// What the placement keeps of it: replicas that `tow scale` asked for.
    #[serde(default)]
    pub scaled: BTreeMap<String, u32>,
    /// Nothing runs afterwards.
    #[serde(default)]
    pub stops: bool,
    /// Version of the configuration.
    pub config: i64,
    /// The environment's own variables as seen.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What will execute the deployment.
    #[serde(default)]
    pub runtime: Executes,
    /// Told apart from an otherwise equal one.
    pub salt: i64,
    /// A release that exists already.
    pub release_number: Option<i64>,
    /// When all of it must be ready, counted from the last start; set when the deployment is made.
    pub deadline: Option<Timestamp>,
    /// The deadline for requests in flight, set at the switch.
    pub drain_until: Option<Timestamp>,
    /// The deployment took over, and did not go back since.
    pub switched: bool,
    /// How far it is where it takes its time.
    #[serde(default, skip_serializing_if = "Progress::is_none")]
    pub progress: Progress,
    /// The deployment that the platform replaces by what was before it. Done once: it is not watched itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts: Option<i64>,
    /// Who wanted its build to end before it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// Why it failed; from then on it only clears away.
    pub failure: Option<Failure>,
    /// What did not go well after it took over, and is no reason to go back: the release is live all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<Failure>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who.
    pub created_by: String,
    /// From which request.
    pub request: String,
}

impl Operation {
    /// The id its build has, whether or not there is one: the effect key of the build.
    pub fn build_id(&self) -> Id {
        Id::parse(&format!("build-{}", self.id)).unwrap_or_else(|| self.id.clone())
    }

    /// The id of the operation whose build this is.
    pub fn of_build(build: &Id) -> Option<Id> {
        Id::parse(build.as_str().strip_prefix("build-")?)
    }
}

impl Record for Operation {
    const KIND: &'static str = "operation";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn subject(&self) -> String {
        self.place.to_string()
    }
    fn open(&self) -> bool {
        self.finished_at.is_none()
    }
}
