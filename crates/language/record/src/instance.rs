//! An instance: one container of one pod as a runtime executes it. The row is committed before the process starts.

use crate::{BuildTool, Executes, Record};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Digest, Duration, Id, Name, Place, Timestamp};

/// What the row wants of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// It should run.
    Running,
    /// It should stop.
    Stopped,
}

/// How far an instance is kept from the others. Shown on every instance.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// The same user, no namespaces.
    #[default]
    None,
    /// Own user, mount and pid namespaces.
    Sandbox,
    /// A container.
    Container,
    /// A cluster's pod.
    Cluster,
}

impl std::fmt::Display for Isolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Sandbox => "sandbox",
            Self::Container => "container",
            Self::Cluster => "cluster",
        })
    }
}

/// The store's row of an instance. Holds no value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// Also its folder's name.
    pub id: Id,
    /// Where.
    pub place: Place,
    /// The deployment that started it.
    pub deployment: i64,
    /// That deployment's release.
    pub release: i64,
    /// `metadata.name` of the Score file.
    pub workload: String,
    /// The container's name.
    pub container: String,
    /// Which replica, from 0.
    pub replica: u32,
    /// See [`crate::Pod::revision`].
    pub revision: String,
    /// On which machine.
    pub node: String,
    /// The `Runtime` object that executes it.
    #[serde(default = "Name::local")]
    pub runtime: Name,
    /// The run it belongs to; none: it belongs to a pod of the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Id>,
    /// By the port's name in the Score file: what the program listens on. Unique on the node while the row is.
    pub ports: BTreeMap<String, u16>,
    /// What is wanted.
    pub desired: Desired,
    /// When the row was made.
    pub created_at: Timestamp,
}

impl Record for Instance {
    const KIND: &'static str = "instance";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn subject(&self) -> String {
        self.place.to_string()
    }
    fn open(&self) -> bool {
        true
    }
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "program")]
pub enum Program {
    /// A program of the unpacked artifact or of the machine.
    Command {
        /// Program and arguments; a program with a `/` is looked up in the folder, one without on the PATH.
        argv: Vec<String>,
    },
    /// The platform's own file server on `ports`' only port.
    Static,
    /// What an image holds. Only where the isolation is `container`.
    Image {
        /// As written: `nginx:1.27`, `registry.example/team/app@sha256:…`.
        image: String,
        /// Instead of the image's entry point.
        command: Option<Vec<String>>,
        /// Instead of the image's arguments.
        args: Option<Vec<String>>,
    },
    /// A hidden role of the platform's own executable that stands for a program elsewhere, such as in a container. Its
    /// standard input is a socket: its end says that the program runs, words on it why it does not. SIGINT tells it that
    /// the grace is over.
    Role {
        /// The role and its arguments.
        args: Vec<String>,
    },
}

/// A folder that outlives the instance, seen inside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Which volume: a name that no other component, environment or resource has. The runtime makes its folder.
    pub volume: String,
    /// Where it is seen: absolute.
    pub target: String,
    /// What of the volume, below its root; all of it where nothing is said.
    pub path: Option<String>,
    /// It can't be written to.
    pub read_only: bool,
}

impl Mount {
    /// It shows a folder of the volume, not the whole.
    pub fn is_part(&self) -> bool {
        self.path.as_deref().is_some_and(is_part)
    }
}

/// This path inside a volume is another place than its root.
pub fn is_part(path: &str) -> bool {
    path.split('/').any(|part| !matches!(part, "" | "."))
}

/// The most an instance may use; nothing said: no limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Bounds {
    /// Bytes of memory, of all its processes together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Thousandths of a processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u64>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Bytes of files that it may write beside its volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
}

/// Where an instance is put: by what it is executed, and what it shares with whom.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Setting {
    /// How far it is kept from the others; what a runtime can't keep, it refuses.
    pub isolation: Isolation,
    /// The runtime as it was when the deployment was made.
    pub runtime: Executes,
    /// Instances of one pod share their network where they have one of their own; empty: no pod.
    pub pod: String,
    /// Volumes.
    pub mounts: Vec<Mount>,
    /// The most it may use.
    pub bounds: Bounds,
    /// Port of this machine → port that the program binds, where these differ because it has a network of its own.
    pub inside: BTreeMap<u16, u16>,
    /// It is not the only container of its pod.
    #[serde(skip_serializing_if = "is_false")]
    pub several: bool,
    /// What it takes of the machine is to be measured.
    #[serde(skip_serializing_if = "is_false")]
    pub measured: bool,
    /// As whom it runs, where that is said: `65532:65532`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// It can write nothing but its volumes, `/tmp` and `/run`.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// The tool that built the artifact, which tells in what image it runs.
    pub tool: Option<BuildTool>,
}

fn is_false(said: &bool) -> bool {
    !said
}

/// A GET.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpProbe {
    /// On this machine.
    pub port: u16,
    /// With its leading `/`.
    pub path: String,
    /// The Host header; `127.0.0.1:PORT` where nothing is said.
    pub host: Option<String>,
    /// More headers.
    pub headers: Vec<(String, String)>,
}

/// A command that must exit 0, with the instance's folder and environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecProbe {
    /// Program and arguments.
    pub argv: Vec<String>,
}

/// How something is found to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "probe")]
pub enum Probe {
    /// 2xx or 3xx.
    Http(HttpProbe),
    /// Exit 0.
    Exec(ExecProbe),
    /// The port accepts.
    Tcp {
        /// On this machine.
        port: u16,
    },
    /// The process is there.
    Alive,
}

/// How long to wait between restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// Before the first restart.
    pub first: Duration,
    /// It doubles up to here.
    pub most: Duration,
    /// Running so long starts over from `first`.
    pub reset_after: Duration,
    /// From so many restarts in a row on it is a crash loop: still restarted, no longer hoped for.
    pub crash_loop_after: u32,
}

/// What happens when the program ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "restart")]
pub enum Restart {
    /// It is started again.
    Always(Backoff),
    /// It was to end: builds, one-offs, containers that others wait for to complete.
    Never,
}

/// Everything a runtime needs to run one instance. Holds plain values of configuration: it is written only into the
/// instance's own folder, readable by its user alone, and never into the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// Also the folder's name: the effect key of its start.
    pub id: Id,
    /// What is run.
    pub program: Program,
    /// The archive that is unpacked into the working folder first; of [`Program::Image`], the image's own, which is loaded
    /// where the engine does not have it.
    pub artifact: Option<Digest>,
    /// The whole environment, but for what the runtime passes on (PATH, HOME, locale, proxies).
    pub env: BTreeMap<String, String>,
    /// Files: path → (bytes, octal mode). Relative ones are written into the working folder; absolute ones only into a
    /// view of files of its own, never onto the machine.
    pub files: BTreeMap<String, (Vec<u8>, u32)>,
    /// Ports of this machine that it may listen on.
    pub ports: Vec<u16>,
    /// Addresses (`127.0.0.1:7080`, port 0 allowed) that the runtime binds before the start and hands on by the
    /// LISTEN_FDS convention of systemd: they outlive the program. Only the gateway has any.
    #[serde(default)]
    pub listen: Vec<String>,
    /// Ready while this holds.
    pub readiness: Probe,
    /// Restarted where this fails three times in a row.
    pub liveness: Option<Probe>,
    /// Time between two probes.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// Successes in a row until ready.
    pub successes: u32,
    /// When it ends by itself.
    pub restart: Restart,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// Run beside the program before SIGTERM, within the grace: program and arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_stop: Option<Vec<String>>,
    /// It is killed after so long (builds).
    pub time_limit: Option<Duration>,
    /// Where it is put.
    #[serde(default)]
    pub setting: Setting,
    /// What it is, for people: `web/0 main`.
    pub title: String,
}
