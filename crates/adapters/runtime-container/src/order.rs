//! What a role is ordered to run, and how far it is: the two files in which the control plane and the role meet.

use crate::folder::{Folder, read, write};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use tow_names::{Digest, Id};
use tow_record::{Bounds, InstanceSpec, Mount, Program};

/// The form of the files. A role understands this one.
const VERSION: u32 = 1;

/// A file that is seen inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Put {
    /// As written: absolute, or below the image's working folder.
    pub(crate) target: String,
    /// Its bytes are in the folder under this number.
    pub(crate) number: usize,
}

/// What is to run. Holds plain configuration, so it is its user's alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) v: u32,
    /// Whose container it is.
    pub(crate) owner: String,
    pub(crate) instance: Id,
    /// For people.
    pub(crate) title: String,
    /// A digest of the pod's name; none: a network of its own.
    pub(crate) pod: Option<String>,
    /// Sockets of engines to try, in order.
    pub(crate) engines: Vec<PathBuf>,
    /// When the image is fetched.
    pub(crate) pull: tow_model::kinds::runtime::Pull,
    /// Where credentials of registries are.
    pub(crate) credentials: Option<PathBuf>,
    /// What image it is, or in what image the artifact runs.
    pub(crate) image: String,
    pub(crate) program: Program,
    /// The image's archive, loaded where the engine does not have it; none: it comes from a registry.
    #[serde(default)]
    pub(crate) archive: Option<PathBuf>,
    /// It is an artifact, in the role's own working folder.
    pub(crate) artifact: bool,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) files: Vec<Put>,
    /// Port of this machine → port inside.
    pub(crate) ports: BTreeMap<u16, u16>,
    pub(crate) mounts: Vec<Mount>,
    /// Where volumes are.
    pub(crate) volumes: PathBuf,
    pub(crate) bounds: Bounds,
    /// As whom it runs, instead of the user that its image names.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// It can write nothing but its volumes and what is temporary.
    #[serde(default)]
    pub(crate) read_only: bool,
}

impl Order {
    /// Reads it.
    pub(crate) fn read(folder: &Folder) -> io::Result<Option<Self>> {
        match read::<Self>(&folder.order())? {
            Some(order) if order.v != VERSION => {
                Err(io::Error::other(format!("an order of form {}, not {VERSION}", order.v)))
            }
            order => Ok(order),
        }
    }

    /// What the instance's container is called at this attempt.
    pub(crate) fn container(&self, attempt: u32) -> String {
        format!("tow-{}-{}-{attempt}", self.owner, self.instance)
    }

    /// What the container that holds the pod's network is called.
    pub(crate) fn pause(&self) -> Option<String> {
        self.pod.as_ref().map(|pod| format!("tow-{}-pod-{pod}", self.owner))
    }
}

/// What the platform adds to what shall run.
pub(crate) struct Given {
    pub(crate) owner: String,
    pub(crate) engines: Vec<PathBuf>,
    pub(crate) volumes: PathBuf,
    pub(crate) archive: Option<PathBuf>,
}

/// Writes a whole order into a folder that is there: the bytes of files first, the order last.
pub(crate) fn place(folder: &Folder, given: Given, spec: &InstanceSpec) -> Result<(), io::Error> {
    let Given { owner, engines, volumes, archive } = given;
    let setting = &spec.setting;
    let runtime = &setting.runtime.spec;
    let artifact = is_artifact(spec);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.path().join("files"))?;
    let mut files = Vec::new();
    for (number, (target, (bytes, mode))) in spec.files.iter().enumerate() {
        if artifact && !target.starts_with('/') {
            continue;
        }
        let path = folder.file(number);
        write(&path, bytes)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode & 0o777))?;
        files.push(Put { target: target.clone(), number });
    }
    let image = match &spec.program {
        Program::Image { image, .. } => image.clone(),
        _ => base(spec).unwrap_or_default(),
    };
    let order = Order {
        v: VERSION,
        owner,
        instance: spec.id.clone(),
        title: spec.title.clone(),
        pod: (!setting.pod.is_empty()).then(|| pod_of(&setting.pod)),
        engines,
        pull: runtime.pull.unwrap_or(tow_model::kinds::runtime::Pull::Missing),
        credentials: runtime.credentials.as_ref().map(PathBuf::from),
        image,
        archive,
        program: spec.program.clone(),
        artifact,
        env: spec.env.clone(),
        files,
        ports: spec
            .ports
            .iter()
            .map(|port| (*port, setting.inside.get(port).copied().unwrap_or(*port)))
            .collect(),
        mounts: setting.mounts.clone(),
        volumes,
        bounds: setting.bounds,
        user: setting.user.clone(),
        read_only: setting.read_only,
    };
    write(&folder.order(), &serde_json::to_vec(&order)?)
}

/// It runs in a folder of its own, which is seen inside.
pub(crate) const fn is_artifact(spec: &InstanceSpec) -> bool {
    match spec.program {
        Program::Image { .. } => false,
        Program::Command { .. } => true,
        Program::Static | Program::Role { .. } => spec.artifact.is_some(),
    }
}

/// A pod's name as part of a container's.
fn pod_of(name: &str) -> String {
    Digest::of(name.as_bytes()).hex()[..16].to_string()
}

/// In what image an artifact runs.
pub(crate) fn base(spec: &InstanceSpec) -> Option<String> {
    let bases = &spec.setting.runtime.spec.bases;
    let tool = spec.setting.tool.map(tow_record::BuildTool::as_str);
    tool.and_then(|tool| bases.get(tool)).or_else(|| bases.get("default")).cloned()
}

/// How far a role is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Now {
    /// Counted from 1; part of the container's name.
    pub(crate) attempt: u32,
    /// The engine that has the container.
    pub(crate) engine: Option<PathBuf>,
    /// Nothing of this attempt runs any more.
    pub(crate) over: bool,
    /// How it ended.
    pub(crate) exit: Option<i32>,
    /// The program's process on this machine, while it runs and where it is on this machine.
    #[serde(default)]
    pub(crate) pid: Option<u32>,
    /// Why it ended, where that is known.
    #[serde(default)]
    pub(crate) why: Option<String>,
}

impl Now {
    /// Reads it; none where no role came so far.
    pub(crate) fn read(folder: &Folder) -> io::Result<Option<Self>> {
        read(&folder.now())
    }

    pub(crate) fn write(&self, folder: &Folder) -> io::Result<()> {
        write(&folder.now(), &serde_json::to_vec(self)?)
    }
}
