//! How many of a workload run, decided by its load: part of a `Delivery`.

use crate::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tow_names::Duration;

/// The most that may be said.
const MOST: u64 = 100;

/// Between how many and how many, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scaling {
    /// Never fewer; 1 where nothing is said. With 0 it sleeps when nobody asks for anything, and the first request wakes
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub min: Option<u32>,
    /// Never more; `min`, and at least 1, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max: Option<u32>,
    /// How busy each may be, in percent of its processors: of `resources.limits.cpu` where its containers have such, else
    /// of one processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub cpu: Option<u32>,
    /// How many requests a second each may be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_second: Option<u32>,
    /// How long fewer must have been enough before some are stopped, the last one with `min: 0` included; five minutes
    /// where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
}

impl Scaling {
    /// What is said here, and what `more` says instead.
    pub fn with(self, more: &Self) -> Self {
        Self {
            min: more.min.or(self.min),
            max: more.max.or(self.max),
            cpu: more.cpu.or(self.cpu),
            requests_per_second: more.requests_per_second.or(self.requests_per_second),
            idle: more.idle.or(self.idle),
        }
    }
}

/// The broken rules of one workload's `scale`. `at` is the workload's pointer; `whole`: all that holds for it everywhere.
pub(super) fn check(at: &str, said: &Value, whole: bool, out: &mut Vec<Invalid>) {
    let Some(scale) = said.get("scale").filter(|scale| scale.is_object()) else { return };
    let number = |key: &str| scale[key].as_u64().filter(|number| *number <= MOST);
    let mut wrong = |key: &str, message: String, expected: &str| {
        out.push(Invalid::new(format!("{at}/{key}"), "delivery/scale", message, expected));
    };
    let (min, max) = (number("min"), number("max"));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        wrong(
            "scale/max",
            format!("at most {max} and at least {min}"),
            "a max that is not below min",
        );
    }
    let short = scale["idle"].as_str().and_then(|text| text.parse::<Duration>().ok());
    if let Some(short) = short.filter(|idle| *idle < Duration::from_secs(1)) {
        wrong("scale/idle", format!("{short} is sooner than load is looked at"), "1s or more");
    }
    if !whole {
        return;
    }
    let measured = scale.get("cpu").is_some() || scale.get("requestsPerSecond").is_some();
    if let Some(max) = max.filter(|max| *max > min.unwrap_or(1).max(1) && !measured) {
        wrong(
            "scale/max",
            format!("nothing says when there are to be {max}"),
            "cpu: PERCENT or requestsPerSecond: NUMBER beside it",
        );
    }
    if said.get("replicas").is_some() {
        wrong("replicas", "how many run is said by scale".into(), "replicas or scale, not both");
    }
    match said["kind"].as_str() {
        Some("worker") if min == Some(0) => {
            wrong("scale/min", "nothing would wake a worker".into(), "min: 1 or more");
        }
        Some("worker") if scale.get("requestsPerSecond").is_some() => {
            wrong("scale/requestsPerSecond", "a worker is asked nothing".into(), "cpu: PERCENT")
        }
        Some(kind @ ("cron" | "job")) => {
            wrong("scale", format!("a {kind} has no replicas"), "kind: service, worker or static");
        }
        _ => {}
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
    fn bounds_fit_and_something_says_when() {
        for (said, expected) in [
            (json!({"scale": {"min": 0}}), vec![]),
            (json!({"scale": {"min": 0, "max": 1, "idle": "30s"}}), vec![]),
            (json!({"scale": {"min": 2, "max": 5, "cpu": 60}}), vec![]),
            (json!({"scale": {"min": 5, "max": 2, "cpu": 60}}), vec!["/w/scale/max"]),
            (json!({"scale": {"max": 2}}), vec!["/w/scale/max"]),
            (json!({"scale": {"min": 0, "max": 2}}), vec!["/w/scale/max"]),
            (json!({"scale": {"min": 2, "max": 2}}), vec![]),
            (json!({"scale": {"min": 0, "idle": "10ms"}}), vec!["/w/scale/idle"]),
            (json!({"scale": {"min": 0}, "replicas": 2}), vec!["/w/replicas"]),
            (json!({"scale": {"min": 0}, "kind": "worker"}), vec!["/w/scale/min"]),
            (
                json!({"scale": {"max": 3, "requestsPerSecond": 5}, "kind": "worker"}),
                vec!["/w/scale/requestsPerSecond"],
            ),
            (json!({"scale": {"max": 3, "cpu": 5}, "kind": "worker"}), vec![]),
            (json!({"scale": {"max": 3, "cpu": 5}, "kind": "cron"}), vec!["/w/scale"]),
            (json!({"scale": 3}), vec![]),
            (json!({}), vec![]),
        ] {
            assert_eq!(broken(said.clone(), true), expected, "{said}");
        }
        // What an override leaves open may be said elsewhere.
        assert!(broken(json!({"scale": {"max": 9}, "replicas": 1}), false).is_empty());
        assert_eq!(broken(json!({"scale": {"min": 3, "max": 1}}), false), ["/w/scale/max"]);
    }
}
