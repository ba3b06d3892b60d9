//! What processes of this machine can be given, as the machine is now.

use crate::bounds::{Held, held};
use crate::sandbox::{Found, filter, find, network};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use tow_record::{Can, Executes, Isolation, RuntimeFacts};

/// Of a runtime of type `process`, with this PATH. Blocks for some milliseconds.
pub(crate) fn facts(runtime: &Executes, path: &OsStr) -> RuntimeFacts {
    match runtime.isolation() {
        Isolation::None => none(),
        Isolation::Sandbox => sandbox(path),
        other => RuntimeFacts {
            isolation: Isolation::None,
            can: BTreeSet::new(),
            unavailable: Some(format!("isolation of level {other} is no process's")),
            notes: Vec::new(),
        },
    }
}

fn none() -> RuntimeFacts {
    // Where nothing is kept apart at all, what is weaker than it looks is beside the point.
    RuntimeFacts {
        isolation: Isolation::None,
        can: able(Isolation::None, &held(), false),
        unavailable: None,
        notes: Vec::new(),
    }
}

/// What instances of a level can be given here.
pub(crate) fn can(level: Isolation, path: &OsStr) -> BTreeSet<Can> {
    let own_network = level == Isolation::Sandbox && no_network(&find(path), path).is_none();
    able(level, &held(), own_network)
}

/// Why a sandbox can't have a network of its own.
fn no_network(bwrap: &Found, path: &OsStr) -> Option<String> {
    let Found::At(bwrap) = bwrap else { return Some("there are no sandboxes".into()) };
    match network::find(bwrap, path) {
        Found::At(_) => None,
        Found::Not(why) => Some(why),
    }
}

fn able(level: Isolation, held: &Held, own_network: bool) -> BTreeSet<Can> {
    // The shim watches memory, processes and files where no group holds them.
    let mut can = BTreeSet::from([
        Can::Artifacts,
        Can::Exec,
        Can::MemoryLimit,
        Can::ProcessLimit,
        Can::DiskLimit,
    ]);
    if held.cpu {
        can.insert(Can::CpuLimit);
    }
    match level {
        Isolation::Sandbox => can.extend([Can::AbsoluteFiles, Can::Volumes, Can::VolumePaths]),
        _ => can.extend([Can::HandedSockets]),
    }
    can.extend(own_network.then_some(Can::OwnNetwork));
    can
}

fn sandbox(path: &OsStr) -> RuntimeFacts {
    let held = held();
    let mut notes = limits(&held);
    if !filter::keeps_ports() {
        notes.push(
            "programs may listen on each other's ports while these are free: this kernel has no \
             Landlock for networks (Linux 6.7)"
                .into(),
        );
    }
    if !filter::keeps_names() {
        notes.push(
            "sockets without a path are shared with the machine: this kernel has no Landlock for \
             them (Linux 6.12)"
                .into(),
        );
    }
    notes.push(
        "programs share the machine's network: each can connect to what listens there".into(),
    );
    let found = find(path);
    let no_network = no_network(&found, path);
    let unavailable = match found {
        Found::At(_) => None,
        Found::Not(why) => Some(why),
    };
    let own_network = no_network.is_none();
    if let Some(why) = no_network.filter(|_| unavailable.is_none()) {
        notes.push(format!("no program can listen on a fixed port: {why}"));
    }
    RuntimeFacts {
        isolation: Isolation::Sandbox,
        can: able(Isolation::Sandbox, &held, own_network),
        unavailable,
        notes,
    }
}

/// What of the bounds is weaker than it looks.
fn limits(held: &Held) -> Vec<String> {
    let missing: Vec<&str> = [("memory", held.memory), ("processes", held.processes)]
        .iter()
        .filter(|(_, is_held)| !is_held)
        .map(|(name, _)| *name)
        .collect();
    let mut notes = Vec::new();
    if !missing.is_empty() {
        notes.push(format!(
            "{}: watched four times a second, not bounded, because no control group is writable",
            missing.join(" and "),
        ));
    }
    notes.push("files: counted, not bounded; for a moment there may be more than the bound".into());
    notes
}

/// What this machine has for isolation, for whoever looks at the machine and not at a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers {
    /// Why sandboxes can't be made, with what would help; `None`: they can.
    pub no_sandbox: Option<String>,
    /// Why a sandbox can't have a network of its own, with what would help; `None`: it can.
    pub no_network: Option<String>,
    /// Control groups can hold memory, processor time, processes.
    pub memory: bool,
    /// See [`Self::memory`].
    pub cpu: bool,
    /// See [`Self::memory`].
    pub processes: bool,
    /// The version of control groups; 0: there are none.
    pub groups: u8,
    /// Filters of system calls (seccomp).
    pub filters: bool,
    /// Landlock keeps programs to their own ports.
    pub ports: bool,
    /// Landlock keeps programs to their own sockets without a path.
    pub names: bool,
}

/// Looks; changes nothing. Blocks for some milliseconds, as it makes an empty sandbox.
pub fn offers(path: &OsStr) -> Offers {
    let Held { memory, cpu, processes, version } = held();
    let found = find(path);
    Offers {
        no_network: no_network(&found, path),
        no_sandbox: match found {
            Found::At(_) => None,
            Found::Not(why) => Some(why),
        },
        memory,
        cpu,
        processes,
        groups: version,
        filters: std::fs::read_to_string("/proc/self/status")
            .is_ok_and(|status| status.lines().any(|line| line.starts_with("Seccomp:"))),
        ports: filter::keeps_ports(),
        names: filter::keeps_names(),
    }
}
