//! What may be left after the fire: each process, each port that somebody listens on and each way to an instance is one that
//! serves. Looked for in the machine and in the gateway's own table; the platform is not asked what it knows of.

use crate::ferry::{Ferry, PATIENT, TOW, status};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tow_testkit::binary::{Binary, Process, until};

/// What ended has so long to be gone.
const GOING: Duration = Duration::from_secs(30);

/// What serves, and nothing else.
pub(super) fn nothing_is_left(up: &Binary) {
    let began = Instant::now();
    let mut strange = strange(up);
    while !strange.is_empty() && began.elapsed() < GOING {
        std::thread::park_timeout(Duration::from_millis(100));
        strange = self::strange(up);
    }
    assert!(strange.is_empty(), "{strange:#?}");
    assert_eq!(up.json(&["route", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(status(up, "ferry")["state"], "live");
}

#[test]
fn what_belongs_to_nobody_is_seen() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::patient("ferry");
    ferry.delivery = format!("replicas: 2\n{PATIENT}");
    ferry.write();
    up.deploy(ferry.path());
    nothing_is_left(&up);
    // A program without a shim, which listens.
    let app = ferry.path().join("app");
    let mut orphan = std::process::Command::new(app)
        .env("PORT", "0")
        .current_dir(up.data())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("it listens", || !listens(orphan.id()).is_empty());
    let seen = strange(&up);
    orphan.kill().unwrap();
    orphan.wait().unwrap();
    assert!(seen.len() == 1 && seen[0].contains("belongs to nobody"), "{seen:?}");
    // A way to an instance that is not there any more.
    let file = up.data().join("run/gateway/routes.json");
    let table = std::fs::read_to_string(&file).unwrap();
    let rows = up.json(&["ps", "ferry"]);
    let one = rows[0]["instance"].as_str().unwrap();
    std::fs::write(&file, table.replace(one, "i-gone")).unwrap();
    let seen = strange(&up);
    std::fs::write(&file, table).unwrap();
    assert!(seen.len() == 1 && seen[0].contains("i-gone"), "{seen:?}");
    nothing_is_left(&up);
}

/// All that should not be there, and what should and is not.
fn strange(up: &Binary) -> Vec<String> {
    let rows = up.json(&["ps", "ferry"]);
    let rows = rows.as_array().unwrap();
    let instances: BTreeSet<&str> =
        rows.iter().map(|row| row["instance"].as_str().unwrap()).collect();
    let pids: BTreeSet<u32> =
        rows.iter().filter_map(|row| row["pid"].as_u64()?.try_into().ok()).collect();
    let mut strange = Vec::new();
    if (instances.len(), pids.len()) != (2, 2) {
        strange.push(format!("two instances were to be there: {rows:?}"));
    }
    let (mut gateways, mut shims) = (0, 0);
    let ready = up.ready.as_ref().unwrap();
    let own = status(up, "ferry")["port_url"].as_str().unwrap_or_default().to_string();
    let edge = [Some(ready.gateway.as_str()), ready.https.as_deref(), Some(own.as_str())];
    let edge: BTreeSet<u16> = edge.into_iter().flatten().map(port).collect();
    for process in up.processes() {
        let ports = listens(process.pid);
        let is_of = |name: &str| process.args.iter().any(|arg| arg.ends_with(&format!("/{name}")));
        let expected = if process.pid == up.pid() {
            BTreeSet::from([port(&ready.url)])
        } else if process.is("gateway") {
            gateways += 1;
            edge.clone()
        } else if process.is("shim") && is_of("gateway") {
            shims += 1;
            edge.clone()
        } else if process.is("shim") && instances.iter().any(|id| is_of(id)) {
            shims += 1;
            BTreeSet::new()
        } else if pids.contains(&process.pid) {
            if ports.len() == 1 { ports.clone() } else { BTreeSet::new() }
        } else {
            strange.push(format!("it belongs to nobody: {}", shown(&process)));
            continue;
        };
        if ports != expected {
            strange.push(format!("listens at {ports:?}, not {expected:?}: {}", shown(&process)));
        }
    }
    if (gateways, shims) != (1, 3) {
        strange.push(format!("{gateways} gateways and {shims} shims, not 1 and 3"));
    }
    let table = std::fs::read(up.data().join("run/gateway/routes.json")).unwrap();
    let mut routed = BTreeSet::new();
    instances_of(&serde_json::from_slice(&table).unwrap(), &mut routed);
    if routed.iter().map(String::as_str).ne(instances.iter().copied()) {
        strange.push(format!("the gateway leads to {routed:?}, and {instances:?} are there"));
    }
    strange
}

fn shown(process: &Process) -> String {
    format!("{} {}", process.pid, process.args.join(" "))
}

fn port(url: &str) -> u16 {
    url.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0)
}

/// The ports that a process holds a listening socket of.
fn listens(pid: u32) -> BTreeSet<u16> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let sockets: BTreeSet<String> = entries
        .filter_map(|entry| {
            let link = std::fs::read_link(entry.path()).ok()?.display().to_string();
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_string())
        })
        .collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let lines: String =
        tables.into_iter().filter_map(|table| std::fs::read_to_string(table).ok()).collect();
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (*fields.get(1)?, *fields.get(3)?, *fields.get(9)?);
        let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
        (state == "0A" && sockets.contains(inode)).then_some(port)
    };
    lines.lines().filter_map(of_line).collect()
}

/// Every instance that is named in it.
fn instances_of(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.starts_with("i-") => {
            found.insert(text.clone());
        }
        Value::Array(all) => all.iter().for_each(|one| instances_of(one, found)),
        Value::Object(all) => all.values().for_each(|one| instances_of(one, found)),
        _ => {}
    }
}
