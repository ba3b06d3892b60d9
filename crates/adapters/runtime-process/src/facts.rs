//! What processes of this machine can be given, as the machine is now.

use crate::bounds::{Held, held};
use crate::sandbox::{Found, filter, find};
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
        can: able(Isolation::None, &held()),
        unavailable: None,
        notes: Vec::new(),
    }
}

/// What instances of a level can be given here.
pub(crate) fn can(level: Isolation) -> BTreeSet<Can> {
    able(level, &held())
}

fn able(level: Isolation, held: &Held) -> BTreeSet<Can> {
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
        Isolation::Sandbox => can.extend([Can::AbsoluteFiles, Can::Volumes]),
        _ => can.extend([Can::HandedSockets]),
    }
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
    let unavailable = match find(path) {
        Found::At(_) => None,
        Found::Not(why) => Some(why),
    };
    RuntimeFacts {
        isolation: Isolation::Sandbox,
        can: able(Isolation::Sandbox, &held),
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
    Offers {
        no_sandbox: match find(path) {
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
