//! The plan: the saved difference between what is and what should be, with everything it was made from.

use crate::{BuildSpec, Record, Release};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Duration, Id, Place, Timestamp};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "change")]
pub enum Change {
    /// A new release from documents, or an existing one by number.
    Deploy {
        /// An existing release; none: the one made from the documents.
        release: Option<i64>,
    },
    /// The deployment `to`, or the one before the current; through the same steps as any deploy.
    Rollback {
        /// A deployment's number.
        to: Option<i64>,
    },
    /// Set and unset configuration; the values are sealed before they come here.
    Config {
        /// What is set.
        set: Vec<String>,
        /// What is taken away.
        unset: Vec<String>,
        /// The version that is made.
        version: i64,
    },
    /// So many of each workload.
    Scale {
        /// By workload.
        replicas: BTreeMap<String, u32>,
    },
    /// Fresh instances of the same.
    Restart,
    /// Nothing runs.
    Stop,
    /// What ran before the stop.
    Start,
}

/// What a step does to the world. The words of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Something new.
    Create,
    /// The thing stays and is changed.
    UpdateInPlace,
    /// The thing goes and another one takes its place.
    Replace,
    /// The thing goes, and what it held with it.
    Destroy,
    /// It is looked at, and goes back by itself.
    Watch,
    /// Nothing.
    None,
}

impl Action {
    /// Is anything other afterwards?
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Watch | Self::None)
    }
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanStep {
    /// What is done.
    pub action: Action,
    /// To what, such as `instance web/0 (main)`.
    pub subject: String,
    /// Why.
    pub reason: String,
}

/// How readiness is found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum GateKind {
    /// A GET must answer 2xx or 3xx.
    Http {
        /// The path asked for.
        path: String,
    },
    /// A command must exit 0.
    Exec {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// The declared port must accept.
    Tcp {
        /// Which, by its name in the Score file.
        port: String,
    },
    /// It must be alive.
    Alive,
}

/// What must hold before the switch, and by which numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// Which workload.
    pub workload: String,
    /// Which container.
    pub container: String,
    /// How it is found out.
    pub probe: GateKind,
    /// Time between two probes.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// Successes in a row.
    pub successes: u32,
    /// How long it must have been ready.
    pub min_healthy_time: Duration,
    /// How long all of it may take.
    pub deadline: Duration,
}

/// Something the plan was made from; if it moved, the plan is stale. A declared object moves with its spec (a new title
/// changes nothing that is planned) and when it goes and another of its name comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadMember {
    /// `object` or a record's kind.
    pub kind: String,
    /// Its id or reference.
    pub id: String,
    /// Of a record the version that was read, of an object its generation; 0: it was not there.
    pub version: i64,
    /// Of an object its uid; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// What it is, for people: `environment development`.
    pub what: String,
}

/// What a plan is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// The component's reference.
    pub component: String,
    /// The environment.
    pub environment: String,
}

/// A saved plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Its id.
    pub id: Id,
    /// Where.
    pub place: Place,
    /// What was asked for.
    pub change: Change,
    /// What will be done, in order.
    pub steps: Vec<PlanStep>,
    /// How many steps do something.
    pub changes: u32,
    /// What must hold before the switch.
    pub gates: Vec<Gate>,
    /// What is allowed but should be known.
    pub warnings: Vec<String>,
    /// What it was made from.
    pub read_set: Vec<ReadMember>,
    /// The release it makes, where it makes one; its number is known after apply.
    pub release: Option<Box<Release>>,
    /// A release that exists already, where it makes none.
    #[serde(default)]
    pub release_number: Option<i64>,
    /// The deployment as it would be; its number and times are known after apply.
    pub deployment: Option<Box<crate::Deployment>>,
    /// What the placement keeps of it: replicas that `tow scale` asked for.
    #[serde(default)]
    pub scaled: BTreeMap<String, u32>,
    /// The build that comes first, where the artifact is not there yet.
    pub build: Option<BuildSpec>,
    /// Values of the new configuration, sealed; only for `config`.
    #[serde(default)]
    pub config: Option<crate::ConfigVersion>,
    /// Catalog objects that are created with it, as applied.
    #[serde(default)]
    pub creates: Vec<tow_model::Manifest>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// The operation it became, once applied.
    pub applied: Option<Id>,
}

impl Record for Plan {
    const KIND: &'static str = "plan";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn subject(&self) -> String {
        self.place.to_string()
    }
    fn open(&self) -> bool {
        self.applied.is_none()
    }
}
