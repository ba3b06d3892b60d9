//! `POST /api/v1/plans`: what would happen, saved.

use crate::{Nothing, endpoint, object::apply::Document};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "change")]
pub enum ChangeRequest {
    /// Documents and source (a new release), or an existing release by number.
    Deploy {
        /// An existing release.
        #[serde(default)]
        release: Option<i64>,
    },
    /// An earlier deployment's release, configuration and replicas.
    Rollback {
        /// A deployment's number; the last good one before the current where nothing is said.
        #[serde(default)]
        to: Option<i64>,
    },
    /// Configuration.
    Config {
        /// New values, in plain text.
        #[serde(default)]
        set: BTreeMap<String, String>,
        /// Names to take away.
        #[serde(default)]
        unset: Vec<String>,
    },
    /// Replicas by workload.
    Scale {
        /// So many of each; others stay.
        replicas: BTreeMap<String, u32>,
    },
    /// Fresh instances of the same.
    Restart,
    /// Nothing runs.
    Stop,
    /// What ran before the stop.
    Start,
}

/// What to plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The component; where nothing is said, the documents tell: `tow.yaml`, a `Component`, the only Score file.
    #[serde(default)]
    pub component: Option<String>,
    /// The environment; `development` where nothing is said.
    #[serde(default)]
    pub environment: Option<String>,
    /// Score files, `tow.yaml`, `catalog-info.yaml`.
    #[serde(default)]
    pub documents: Vec<Document>,
    /// Digest of the uploaded folder, for `image: .`.
    #[serde(default)]
    pub source: Option<String>,
    /// What is asked for.
    #[serde(flatten)]
    pub change: ChangeRequest,
}

/// A plan for people and programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanView {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub targets: Vec<tow_record::Target>,
    /// What will be done, in order.
    pub steps: Vec<tow_record::PlanStep>,
    /// How many steps do something; 0: nothing to do.
    pub changes: u32,
    /// What must hold before the switch.
    pub gates: Vec<tow_record::Gate>,
    /// What is allowed but should be known.
    pub warnings: Vec<String>,
    /// When it was made.
    pub created_at: tow_names::Timestamp,
    /// Who made it.
    pub created_by: String,
    /// The operation it became.
    pub applied: Option<String>,
}

endpoint!(CreatePlan, "plan.create", Post "/api/v1/plans", 201, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: PlanView,
    "Plans a change and saves the plan. Nothing else happens until it is applied.");
