//! What each kind of workload means, in one table. Nobody else tells kinds apart.

use tow_model::kinds::delivery::WorkloadKind;

/// What becomes of the old pods when a new release takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtSwitch {
    /// They answer what they were asked, then they are stopped.
    Drain,
    /// They are stopped first of all: they take work from the new ones.
    Park,
}

/// What a kind means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// It has pods, which are kept as they should be: gated, healed, restarted when they end.
    pub pods: bool,
    /// It can be routed to.
    pub routed: bool,
    /// The platform's own file server serves what was built; there is no program.
    pub served: bool,
    /// It runs to an end: on a schedule, or when somebody asks.
    pub runs: bool,
    /// What becomes of old pods.
    pub at_switch: AtSwitch,
}

/// The table.
pub const fn meaning(kind: WorkloadKind) -> Meaning {
    let service = Meaning {
        pods: true,
        routed: true,
        served: false,
        runs: false,
        at_switch: AtSwitch::Drain,
    };
    match kind {
        WorkloadKind::Service => service,
        WorkloadKind::Static => Meaning { served: true, ..service },
        WorkloadKind::Worker => Meaning { routed: false, at_switch: AtSwitch::Park, ..service },
        WorkloadKind::Cron | WorkloadKind::Job => {
            Meaning { pods: false, routed: false, runs: true, ..service }
        }
    }
}
