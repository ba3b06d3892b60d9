//! What may fail under fire, and what may be left over afterwards. Looks every failure up in the gateway's access log: it
//! alone knows who answered.

use crate::ferry::status;
use serde_json::Value;
use std::collections::BTreeMap;
use tow_testkit::binary::Binary;
use tow_testkit::traffic::{Failed, Report};

/// A release that was taken back.
#[derive(Debug)]
pub(super) struct Reverted {
    release: i64,
    why: String,
}

impl Reverted {
    /// The last of a component's deployments.
    pub(super) fn of(deployments: &Value) -> Self {
        let rows = deployments.as_array().unwrap();
        let last = rows.iter().max_by_key(|row| row["number"].as_i64()).unwrap();
        assert_eq!(last["state"], "failed", "{last}");
        let why = last["message"].as_str().unwrap().to_string();
        assert!(why.contains("bake: "), "it says why: {why}");
        assert!(why.chars().any(|c| c.is_ascii_digit()), "with numbers: {why}");
        Self { release: last["release"].as_i64().unwrap(), why }
    }
}

/// Of each request that was asked by an id: who answered it.
fn access(up: &Binary) -> BTreeMap<String, Value> {
    let folder = up.data().join("run/gateway");
    let mut lines = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if !entry.file_name().to_string_lossy().starts_with("access.log") {
            continue;
        }
        for line in std::fs::read_to_string(entry.path()).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(id) = line["request"].as_str() {
                lines.insert(id.to_string(), line);
            }
        }
    }
    lines
}

/// Nothing failed but what is excused: `most` bad answers of each release that was taken back.
pub(super) fn judge(up: &Binary, report: &Report, reverted: &[Reverted], most: u64) {
    let lines = access(up);
    let mut excused: BTreeMap<i64, u64> = BTreeMap::new();
    let mut to_blame: Vec<(&Failed, Option<&Value>)> = Vec::new();
    for failed in &report.failed {
        let line = lines.get(&failed.id);
        let release = line.and_then(|line| line["release"].as_i64());
        let by_reverted = release.filter(|r| reverted.iter().any(|one| one.release == *r));
        match by_reverted {
            // A whole answer that the release itself gave: not a connection that broke, nor the gateway's own word.
            Some(release) if failed.status == Some(500) => {
                *excused.entry(release).or_default() += 1;
            }
            _ => to_blame.push((failed, line)),
        }
    }
    for Reverted { release, why } in reverted {
        let count = excused.get(release).copied().unwrap_or(0);
        println!("measured: release {release} answered {count} requests badly; {why}");
        assert!(count > 0, "release {release} was to answer badly");
    }
    for (failed, line) in &to_blame {
        println!("to blame: {failed:?}\n  {}", line.map(ToString::to_string).unwrap_or_default());
    }
    assert!(to_blame.is_empty(), "{} of {} failed", to_blame.len(), report.all());
    for (release, count) in excused {
        assert!(count <= most, "release {release} answered {count} badly, {most} at most");
    }
}

/// What serves, and nothing else.
pub(super) fn nothing_is_left(up: &Binary) {
    let findings = up.tow(["doctor", "-o", "json"]).json();
    let ill = |finding: &&Value| {
        let is_of = finding["check"].as_str().is_some_and(|check| check.starts_with("orphans"));
        is_of && finding["state"] != "ok"
    };
    let ill: Vec<&Value> = findings.as_array().unwrap().iter().filter(ill).collect();
    assert!(ill.is_empty(), "{ill:?}");
    let rows = up.json(&["ps", "ferry"]);
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
    assert_eq!(up.json(&["route", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(status(up, "ferry")["state"], "live");
}
