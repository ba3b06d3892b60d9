//! How many there are of workloads that scale by themselves, and what that was decided from: the one mutable row per
//! place that steps of scaling write. Deployments say the bounds; the count is here, so that a step makes no deployment.
//! Decides nothing.

use crate::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Place, Timestamp};

/// What was measured of a workload at a time, to compare the next look with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// The start of the gateway that counted: another one counts from zero.
    pub boot: String,
    /// Requests of all its routes so far.
    pub requests: u64,
    /// How many would have been right. More are started only where two looks in a row say so.
    pub wanted: u32,
}

/// So many were wanted then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Peak {
    /// When.
    pub at: Timestamp,
    /// How many.
    pub wanted: u32,
}

/// One workload that scales.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Scaled {
    /// How many there are to be; 0: it sleeps.
    pub count: u32,
    /// The last look at its load that was kept.
    #[serde(default)]
    pub sample: Option<Sample>,
    /// The times at which most was wanted lately, later ones lower: what keeps the count from falling.
    #[serde(default)]
    pub peaks: Vec<Peak>,
}

/// The workloads of a place that scale by themselves, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scale {
    /// Where.
    pub place: Place,
    /// By workload.
    pub workloads: BTreeMap<String, Scaled>,
}

impl Scale {
    /// Where nothing was scaled so far.
    pub const fn none(place: Place) -> Self {
        Self { place, workloads: BTreeMap::new() }
    }
}

impl Record for Scale {
    const KIND: &'static str = "scale";
    fn id(&self) -> String {
        self.place.to_string()
    }
    fn subject(&self) -> String {
        self.place.component.to_string()
    }
}
