//! What may fail under fire. Looks everything up in the gateway's access log: it alone knows who answered.

use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tow_testkit::binary::Binary;
use tow_testkit::traffic::{Failed, Kind, Report};

/// Lines are written beside what is answered; so long they may take.
const WRITTEN: Duration = Duration::from_secs(20);
const KINDS: [Kind; 7] = [
    Kind::Short,
    Kind::Fresh,
    Kind::Slow,
    Kind::Trickle,
    Kind::Upload,
    Kind::Events,
    Kind::WebSocket,
];

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

/// Nothing failed but what is excused: `most` bad answers of each release that was taken back, none asked for `longest`
/// after its first.
pub(super) fn judge(
    up: &Binary,
    report: &Report,
    reverted: &[Reverted],
    most: u64,
    longest: Duration,
) {
    for kind in KINDS {
        let count = |of: &BTreeMap<Kind, u64>| of.get(&kind).copied().unwrap_or(0);
        let failed = report.failed.iter().filter(|failed| failed.kind == kind).count() as u64;
        let (asked, answered) = (count(&report.asked), count(&report.answered));
        assert_eq!(asked, answered + failed, "{kind:?}: each was answered, or failed");
        assert!(answered > 0, "{kind:?}: none of {asked} was answered");
    }
    let lines = whole_access(up, report);
    if let Some(line) = lines.get(&report.slowest_id.1) {
        println!("the slowest short one: {line}");
    }
    let mut excused: BTreeMap<i64, Vec<Duration>> = BTreeMap::new();
    let mut to_blame: Vec<(&Failed, Option<&Value>)> = Vec::new();
    for failed in &report.failed {
        let line = lines.get(&failed.id);
        let release = line.and_then(|line| line["release"].as_i64());
        let by_reverted = release.filter(|r| reverted.iter().any(|one| one.release == *r));
        match by_reverted {
            // A whole answer that the release itself gave: not a connection that broke, nor the gateway's own word.
            Some(release) if failed.status == Some(500) => {
                excused.entry(release).or_default().push(failed.at);
            }
            _ => to_blame.push((failed, line)),
        }
    }
    for Reverted { release, why } in reverted {
        let count = excused.get(release).map_or(0, Vec::len);
        println!("measured: release {release} answered {count} requests badly; {why}");
        assert!(count > 0, "release {release} was to answer badly");
    }
    for (failed, line) in &to_blame {
        println!("to blame: {failed:?}\n  {}", line.map(ToString::to_string).unwrap_or_default());
    }
    assert!(to_blame.is_empty(), "{} of {} failed", to_blame.len(), report.all());
    for (release, times) in excused {
        let count = times.len() as u64;
        assert!(count <= most, "release {release} answered {count} badly, {most} at most");
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        let took = *last - *first;
        assert!(
            took <= longest,
            "release {release} answered badly for {took:?}, {longest:?} at most"
        );
    }
    log_and_answers_agree(report, &lines);
    reasons(up);
}

/// The same, once there is a line of each answer, or none comes any more.
fn whole_access(up: &Binary, report: &Report) -> BTreeMap<String, Value> {
    let began = Instant::now();
    loop {
        let lines = access(up);
        let is_whole = report.by_id.keys().all(|id| lines.contains_key(id));
        if is_whole || began.elapsed() > WRITTEN {
            return lines;
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

/// Whoever answered is whom the log names, so that it is believed where something failed.
fn log_and_answers_agree(report: &Report, lines: &BTreeMap<String, Value>) {
    let lost: Vec<_> = report.by_id.keys().filter(|id| !lines.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{} answers have no line: {:?}", lost.len(), lost.first());
    let lies = report.by_id.iter().filter(|(id, who)| {
        let line = &lines[*id];
        let (release, instance) = (&line["release"], line["instance"].as_str().unwrap_or("-"));
        **who != format!("release {release} instance {instance}")
    });
    let lies: Vec<_> = lies.map(|(id, who)| (who, &lines[id])).take(3).collect();
    assert!(lies.is_empty(), "the log names another than who answered: {lies:#?}");
}

/// No deployment failed without a word.
fn reasons(up: &Binary) {
    let all = up.json(&["deployments", "ferry"]);
    let silent = |row: &&Value| {
        row["state"] == "failed" && row["message"].as_str().is_none_or(|why| why.trim().is_empty())
    };
    let silent: Vec<&Value> = all.as_array().unwrap().iter().filter(silent).collect();
    assert!(silent.is_empty(), "{silent:?}");
}
