//! How far a rollout is where it takes its time on purpose: which part of the clients it has, since when it is watched,
//! and what it would go back to. Kept on the operation, so that any process goes on where another ended.

use crate::{Pod, RoutePart, Scale};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Id, Timestamp};

/// The stages of a rollout. Going back is none of them: it follows from the operation's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Commands, new pods, gates: what was before serves all.
    #[default]
    Start,
    /// Some of its pods serve beside those of before.
    Shift,
    /// It was tried on some clients, and takes over.
    Commit,
    /// It serves all and is watched; what was before is warm, where it can be.
    Bake,
    /// What was before is drained, stopped and removed.
    Retire,
}

/// What served before, as far as going back needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The deployment that was wanted.
    pub deployment: i64,
    /// Its configuration.
    pub config: i64,
    /// Replicas that `tow scale` asked for.
    #[serde(default)]
    pub scaled: BTreeMap<String, u32>,
    /// The pods that served.
    pub serving: Vec<Pod>,
    /// The deployments that had started them.
    pub deployments: Vec<i64>,
    /// How many there were of what scales by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// What they had answered when the first of the new pods began to serve.
    #[serde(default)]
    pub answered: RoutePart,
}

/// What the gateway had counted at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// When.
    pub at: Timestamp,
    /// The gateway's start: with another one, it counts from the beginning.
    pub boot: String,
    /// What the new pods had answered.
    pub new: RoutePart,
    /// What those of before had.
    pub old: RoutePart,
    /// How often new instances had been started again.
    pub restarts: u32,
}

/// Somebody wants it to stay where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// The stage.
    #[serde(default)]
    pub stage: Stage,
    /// When it began; none before the first pod of it served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How many steps of a canary were begun.
    #[serde(default)]
    pub step: u32,
    /// What there is to go back to; set when the first pod of it is to serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// One a second, as many as the window needs: the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Tally>,
    /// The most requests that came of it in one window of this stage: whether it could be judged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub most: u64,
    /// Somebody paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Held>,
    /// The step from which somebody let it go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<u32>,
    /// Who wants it to go back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted_by: Option<String>,
    /// The deployment that serves again, since it went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<i64>,
    /// The operation that deploys again what was before, where nothing of it was left to go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Id>,
}

impl Progress {
    /// Nothing is to be said of it yet.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Is there anything to go back to once it took over?
    pub fn has_before(&self) -> bool {
        self.before.as_ref().is_some_and(|before| !before.serving.is_empty())
    }

    /// Another stage, from now on. What was counted in the one before says nothing about it.
    #[must_use]
    pub fn at(&self, stage: Stage, now: Timestamp) -> Self {
        let most = if stage == self.stage { self.most } else { 0 };
        Self { stage, since: Some(now), samples: Vec::new(), most, ..self.clone() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
