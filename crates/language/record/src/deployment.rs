//! A deployment: a release in an environment.

use crate::{Isolation, Record, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_model::kinds::runtime::{ProcessIsolation, RuntimeSpec, RuntimeType};
use tow_names::{Id, Name, Place, Timestamp};

/// Why it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// A release was deployed.
    Deploy,
    /// Configuration changed.
    Config,
    /// An earlier deployment was wanted back.
    Rollback,
    /// The number of replicas changed.
    Scale,
    /// Fresh instances were wanted.
    Restart,
    /// It was stopped.
    Stop,
    /// It was started again.
    Start,
}

impl Reason {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Config => "config",
            Self::Rollback => "rollback",
            Self::Scale => "scale",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Start => "start",
        }
    }
}

/// What executes a deployment: the environment's runtime as it was when the deployment was made, so that what runs goes
/// on where it is until the next deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Executes {
    /// The `Runtime` object.
    pub name: Name,
    /// What it says.
    pub spec: RuntimeSpec,
}

impl Executes {
    /// How far instances are to be kept from each other.
    pub fn isolation(&self) -> Isolation {
        match (self.spec.kind, self.spec.isolation) {
            (RuntimeType::Container, _) => Isolation::Container,
            (RuntimeType::Process, Some(ProcessIsolation::Sandbox)) => Isolation::Sandbox,
            (RuntimeType::Process, _) => Isolation::None,
        }
    }
}

impl Default for Executes {
    /// Processes of this machine: what there is before anything else is declared.
    fn default() -> Self {
        Self { name: Name::local(), spec: RuntimeSpec::default() }
    }
}

/// How the rollout of a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// It went live.
    pub succeeded: bool,
    /// When it ended.
    pub at: Timestamp,
    /// Why it did not, in one line.
    #[serde(default)]
    pub message: String,
}

/// A release in an environment. Numbered by place; everything but `state` and `outcome` is fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// Where.
    pub place: Place,
    /// From 1.
    pub number: i64,
    /// Which release.
    pub release: i64,
    /// Which version of the configuration; 0 where none was set.
    pub config: i64,
    /// The environment's own variables as seen.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What executes it.
    #[serde(default)]
    pub runtime: Executes,
    /// How many of each workload.
    pub replicas: BTreeMap<String, u32>,
    /// Told apart from an otherwise equal one (a restart); part of every pod's revision.
    #[serde(default)]
    pub salt: i64,
    /// Why.
    pub reason: Reason,
    /// Who.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// The plan that was applied.
    pub plan: Id,
    /// The rollout that makes it live.
    pub operation: Id,
    /// `rolling`, then `live` or `failed`; `stopped` once replaced or stopped.
    pub state: State,
    /// How the rollout ended.
    #[serde(default)]
    pub outcome: Option<Outcome>,
}

impl Record for Deployment {
    const KIND: &'static str = "deployment";
    fn id(&self) -> String {
        format!("{}/{}", self.place, self.number)
    }
    fn subject(&self) -> String {
        self.place.to_string()
    }
    fn number(&self) -> i64 {
        self.number
    }
}
