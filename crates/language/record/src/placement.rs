//! What a component has in an environment right now: the one mutable row per place that plans compare against.

use crate::{Mode, Record};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Id, Place};

/// One pod: a replica of a workload, its instances in the order in which they start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pod {
    /// `metadata.name` of the Score file.
    pub workload: String,
    /// From 0.
    pub replica: u32,
    /// Equal revisions are interchangeable: release, configuration and salt.
    pub revision: String,
    /// One a container.
    pub instances: Vec<Id>,
}

/// A deployment that is tried on some of the clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trying {
    /// Which.
    pub deployment: i64,
    /// Of a hundred clients.
    pub weight: u32,
    /// The header by which a request says whom it wants.
    pub header: String,
}

/// A place's current state. `serving` changes in the commit that writes the new route set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Placement {
    /// Where.
    pub place: Place,
    /// The deployment that is wanted; 0 before the first.
    pub deployment: i64,
    /// The number the next deployment gets.
    pub next_deployment: i64,
    /// The current version of the configuration; 0 where none was set.
    pub config: i64,
    /// Asked to stop: nothing runs.
    pub stopped: bool,
    /// How many of each workload, where it differs from what the release says (`tow scale`).
    #[serde(default)]
    pub replicas: BTreeMap<String, u32>,
    /// The pods that are routed to.
    pub serving: Vec<Pod>,
    /// The gateway's port of each route, once known: by route id.
    #[serde(default)]
    pub ports: BTreeMap<String, u16>,
    /// Some of `serving` are tried on some of the clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trying: Option<Trying>,
    /// What is done with requests besides handing them on. Nothing of a rollout changes it.
    #[serde(default, skip_serializing_if = "Mode::is_serving")]
    pub mode: Mode,
}

impl Placement {
    /// Grows with whatever somebody decided about the place, and not with what repairs, steps of scaling or the gateway
    /// change: what a plan holds on to. Configuration may go back, but then there is a new deployment.
    pub const fn decided(&self) -> i64 {
        self.next_deployment.saturating_mul(1 << 24).saturating_add(self.config)
    }

    /// Where nothing was ever deployed.
    pub fn empty(place: Place) -> Self {
        Self {
            place,
            deployment: 0,
            next_deployment: 1,
            config: 0,
            stopped: false,
            replicas: BTreeMap::new(),
            serving: Vec::new(),
            ports: BTreeMap::new(),
            trying: None,
            mode: Mode::Serving,
        }
    }
}

impl Record for Placement {
    const KIND: &'static str = "placement";
    fn id(&self) -> String {
        self.place.to_string()
    }
    fn subject(&self) -> String {
        self.place.component.to_string()
    }
}
