//! What was seen of the world.

use crate::Isolation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Id, Timestamp};

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Accepted; no process yet.
    Starting,
    /// There is a process.
    Running,
    /// It ended and waits to be started again.
    Backoff,
    /// It ended again and again; it is still tried, at the longest interval.
    CrashLoop,
    /// SIGTERM was sent.
    Stopping,
    /// It ended and stays so.
    Exited,
    /// Its machine was restarted or its folder is damaged: nothing of it can be running.
    Lost,
    /// Nobody can say.
    Unknown,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "exit")]
pub enum Exit {
    /// By itself.
    Code {
        /// 0 is success.
        code: i32,
    },
    /// By a signal.
    Signal {
        /// Its number.
        signal: i32,
    },
    /// It took longer than it may.
    Timeout,
    /// It could not be started.
    NotStarted,
    /// It ended while nobody was there to be told.
    Unknown,
}

/// The last probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeReport {
    /// It held.
    pub ok: bool,
    /// What was asked and what came: `GET /healthz → 503, 12 ms: body's head`.
    pub what: String,
    /// When.
    pub at: Timestamp,
}

/// What an instance takes of the machine, all its processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Thousandths of a processor, over the last second or more.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory: u64,
}

/// An instance as its runtime sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObservedInstance {
    /// Which.
    pub id: Id,
    /// Where in its life.
    pub phase: Phase,
    /// Its readiness probe holds.
    pub ready: bool,
    /// Since when without a break.
    pub ready_since: Option<Timestamp>,
    /// The process, while there is one.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    /// How it last ended.
    pub exit: Option<Exit>,
    /// The last probe.
    pub probe: Option<ProbeReport>,
    /// How far it is kept from the others.
    pub isolation: Isolation,
    /// The addresses bound for it, as bound, in the order of `InstanceSpec::listen`.
    #[serde(default)]
    pub listening: Vec<String>,
    /// What it takes; known only where its workload is scaled by it.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Why it is as it is, where the runtime knows: `cannot run ./server: no such file`.
    pub message: String,
}

impl ObservedInstance {
    /// Is there, or may there be, a process?
    pub fn may_run(&self) -> bool {
        !matches!(self.phase, Phase::Exited | Phase::Lost)
    }
}

/// A build as its builder sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedBuild {
    /// Which.
    pub id: Id,
    /// It still runs.
    pub running: bool,
    /// How it ended.
    pub exit: Option<Exit>,
    /// What it made, when it ended well: the archive is among the blobs already.
    pub artifact: Option<crate::Artifact>,
    /// Why it made nothing.
    pub message: String,
}

/// What a target was asked so far, since the gateway's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TargetCounters {
    /// Requests and upgraded connections now.
    pub in_flight: u64,
    /// All requests.
    pub requests: u64,
    /// Answers 500 and above.
    pub errors: u64,
}

/// What came in by a route so far, since the gateway's start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RouteCounters {
    /// All requests, the ones that nobody could answer included.
    pub requests: u64,
    /// Requests that wait now for a first instance, because the route wakes one.
    pub waiting: u64,
    /// Who answered them: by deployment, those of the last few.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<i64, RoutePart>,
}

/// What one deployment did of a route's requests so far. Only ever grows while the gateway runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RoutePart {
    /// Requests that ended, in an answer's head or in none. A connection that was refused counts.
    pub requests: u64,
    /// Of these, the ones answered 500 and above, and the ones that no answer came to.
    pub errors: u64,
    /// How long answers took until their head, by [`RoutePart::BOUNDS`]; the last one: longer than all. Zeros at the end
    /// are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took: Vec<u64>,
}

impl RoutePart {
    /// Upper bounds of `took`, in milliseconds.
    pub const BOUNDS: [u64; 16] =
        [1, 2, 5, 10, 20, 35, 50, 75, 100, 200, 350, 500, 1_000, 2_000, 5_000, 10_000];
}

/// The gateway as it sees itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ObservedEdge {
    /// It answered.
    pub reachable: bool,
    /// The epoch it last obeyed.
    pub epoch: i64,
    /// The revision it serves.
    pub revision: i64,
    /// By instance.
    pub targets: BTreeMap<String, TargetCounters>,
    /// By route id, as far as anything came in.
    #[serde(default)]
    pub routes: BTreeMap<String, RouteCounters>,
    /// Ports it listens on: by route id.
    pub ports: BTreeMap<String, u16>,
    /// Changes with each start of the gateway: counters start over.
    pub boot: String,
    /// Which set of certificates it shows; see [`crate::CertificateSet::version`].
    #[serde(default)]
    pub certificates: String,
}

impl ObservedEdge {
    /// How new the table is that it serves.
    pub const fn mark(&self) -> crate::Mark {
        crate::Mark { epoch: self.epoch, revision: self.revision }
    }
}

impl RoutePart {
    /// What came to it after `earlier` of the same gateway.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let took = self.took.iter().enumerate().map(|(n, count)| {
            count.saturating_sub(earlier.took.get(n).copied().unwrap_or_default())
        });
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            errors: self.errors.saturating_sub(earlier.errors),
            took: took.collect(),
        }
    }

    /// Counts another one in.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        if self.took.len() < other.took.len() {
            self.took.resize(other.took.len(), 0);
        }
        for (sum, count) in self.took.iter_mut().zip(&other.took) {
            *sum += count;
        }
    }
}

/// Everything a decision may look at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// By id.
    pub instances: BTreeMap<Id, ObservedInstance>,
    /// By id.
    pub builds: BTreeMap<Id, ObservedBuild>,
    /// The gateway.
    pub edge: ObservedEdge,
}

/// From where a line came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The platform's own word about the instance: started, exited, restarted.
    Platform,
}

/// One line of a log, or a piece of one that was too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub stream: LogStream,
    /// Without its line end; bytes that are not UTF-8 are shown as U+FFFD.
    pub text: String,
    /// The line goes on in the next one.
    #[serde(default)]
    pub partial: bool,
}
