//! How a new release takes over from the old one: part of a `Delivery`.

use crate::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tow_names::Duration;

/// The header of a canary where none is said.
pub const HEADER: &str = "x-tow-canary";
/// The field, and the strategy of its name.
const CANARY: &str = "canary";
/// More steps than this are none.
const MOST_STEPS: usize = 20;

/// How a new release takes over from the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The new one runs and is ready before the old one is stopped; all clients change over at once.
    BlueGreen,
    /// A few at a time: new ones start and serve, old ones are stopped, until all are new.
    Rolling,
    /// The new one is tried on some clients first, step by step.
    Canary,
    /// The old one is stopped before the new one starts: where both can't be at once.
    Recreate,
}

impl Strategy {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BlueGreen => "blue-green",
            Self::Rolling => "rolling",
            Self::Canary => "canary",
            Self::Recreate => "recreate",
        }
    }
}

/// How a new release is tried.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canary {
    /// One after the other, then all clients. One minute at 10 and one at 50 of a hundred where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub steps: Option<Vec<CanaryStep>>,
    /// A request with this header is answered by the new release if it says `always`, by the old one if it says
    /// `never`; `x-tow-canary` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9-]+$"))]
    pub header: Option<String>,
}

/// A part of the clients, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanaryStep {
    /// Of a hundred clients, so many are answered by the new release. Who once was stays with it.
    #[schemars(range(min = 1, max = 99))]
    pub weight: u32,
    /// How long; without it until somebody says `tow rollout resume`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Duration>,
}

/// How many are replaced at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rolling {
    /// So many more than wanted may run meanwhile; 1 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub surge: Option<u32>,
    /// So many fewer than wanted may serve meanwhile; 0 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub unavailable: Option<u32>,
}

impl Canary {
    /// What is said here, and what `more` says instead.
    #[must_use]
    pub fn with(self, more: &Self) -> Self {
        Self {
            steps: more.steps.clone().or(self.steps),
            header: more.header.clone().or(self.header),
        }
    }
}

impl Rolling {
    /// What is said here, and what `more` says instead.
    #[must_use]
    pub fn with(self, more: &Self) -> Self {
        Self {
            surge: more.surge.or(self.surge),
            unavailable: more.unavailable.or(self.unavailable),
        }
    }
}

/// The broken rules of one workload's way to take over. `at` is the workload's pointer; `whole`: all that holds for it
/// everywhere.
pub(super) fn check(at: &str, said: &Value, whole: bool, out: &mut Vec<Invalid>) {
    let mut wrong = |key: &str, message: String, expected: &str| {
        out.push(Invalid::new(format!("{at}/{key}"), "delivery/strategy", message, expected));
    };
    let steps = said[CANARY]["steps"].as_array();
    if let Some(steps) = steps {
        if steps.is_empty() || steps.len() > MOST_STEPS {
            let count = steps.len();
            wrong(&format!("{CANARY}/steps"), format!("{count} steps"), "between 1 and 20 steps");
        }
        let mut before = 0;
        for (n, step) in steps.iter().enumerate() {
            let Some(weight) = step["weight"].as_u64() else { continue };
            if weight <= before {
                let message = format!("{weight} after {before} is no step on");
                let expected = "weights of 1 to 99, each above the one before it";
                wrong(&format!("{CANARY}/steps/{n}/weight"), message, expected);
            }
            before = weight;
        }
    }
    let rolling = &said["rolling"];
    let number = |key: &str| rolling[key].as_u64();
    if rolling.is_object() && number("surge") == Some(0) && number("unavailable").unwrap_or(0) == 0
    {
        let message = "neither may more run nor fewer serve, so nothing can be replaced".into();
        wrong("rolling", message, "surge or unavailable of 1 or more");
    }
    if !whole {
        return;
    }
    let strategy = said["strategy"].as_str();
    for key in [CANARY, "rolling"] {
        if said.get(key).is_some() && strategy != Some(key) {
            wrong(
                key,
                format!("{key} says nothing with this strategy"),
                &format!("strategy: {key}"),
            );
        }
    }
    if let (Some("canary"), Some(kind @ "worker")) = (strategy, said["kind"].as_str()) {
        let message = format!("a {kind} has no clients on some of which it could be tried");
        wrong("strategy", message, "strategy: blue-green, rolling or recreate");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn broken(said: Value, whole: bool) -> Vec<String> {
        let mut out = Vec::new();
        check("/w", &said, whole, &mut out);
        out.into_iter().map(|invalid| invalid.pointer).collect()
    }

    #[test]
    fn steps_grow_and_something_can_be_replaced() {
        let canary = |steps: Value| json!({"strategy": "canary", "canary": {"steps": steps}});
        for (said, expected) in [
            (json!({}), vec![]),
            (json!({"strategy": "canary"}), vec![]),
            (canary(json!([{"weight": 10, "pause": "30s"}, {"weight": 50}])), vec![]),
            (canary(json!([{"weight": 50}, {"weight": 10}])), vec!["/w/canary/steps/1/weight"]),
            (canary(json!([{"weight": 0}])), vec!["/w/canary/steps/0/weight"]),
            (canary(json!([])), vec!["/w/canary/steps"]),
            (json!({"canary": {}}), vec!["/w/canary"]),
            (json!({"strategy": "rolling", "canary": {}}), vec!["/w/canary"]),
            (json!({"strategy": "rolling", "rolling": {"surge": 2}}), vec![]),
            (json!({"strategy": "rolling", "rolling": {"surge": 0}}), vec!["/w/rolling"]),
            (json!({"strategy": "rolling", "rolling": {"surge": 0, "unavailable": 1}}), vec![]),
            (json!({"rolling": {"surge": 1}}), vec!["/w/rolling"]),
            (json!({"strategy": "canary", "kind": "worker"}), vec!["/w/strategy"]),
        ] {
            assert_eq!(broken(said.clone(), true), expected, "{said}");
        }
        // What an override leaves open may be said elsewhere.
        assert!(broken(json!({"canary": {"steps": [{"weight": 5}]}}), false).is_empty());
    }
}
