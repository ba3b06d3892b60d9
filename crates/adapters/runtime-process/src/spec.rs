//! `spec.json`: what the shim is to run. Holds plain configuration, so it is its user's alone (0600).

use crate::folder::Folder;
use crate::sandbox::Confined;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tow_record::{Bounds, InstanceSpec, Program};

/// The instance's spec without its files, which are in the working folder already, and what else the program needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SpecFile {
    /// [`crate::state::PROTOCOL`].
    pub(crate) v: u32,
    /// Of whoever asked for the start.
    pub(crate) epoch: i64,
    /// What is passed on from the platform's own environment.
    pub(crate) passed: BTreeMap<String, String>,
    /// What is run.
    pub(crate) spec: InstanceSpec,
    /// Where volumes are.
    #[serde(default)]
    pub(crate) volumes: PathBuf,
    /// How its sandbox is made, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) confined: Option<Confined>,
}

impl SpecFile {
    /// The program's environment.
    pub(crate) fn env(&self) -> impl Iterator<Item = (&String, &String)> {
        let own = &self.spec.env;
        self.passed.iter().filter(|(key, _)| !own.contains_key(*key)).chain(own)
    }

    /// Program and arguments, where they are told by the spec.
    pub(crate) fn argv(&self) -> Vec<String> {
        match &self.spec.program {
            Program::Command { argv } => argv.clone(),
            _ => Vec::new(),
        }
    }

    /// The most it may use: what was said, and in a sandbox what is always held.
    pub(crate) fn bounds(&self) -> Bounds {
        let said = self.spec.setting.bounds;
        let most = self.confined.as_ref().map_or_else(Bounds::default, |confined| confined.most);
        Bounds {
            memory: said.memory.or(most.memory),
            cpu_millis: said.cpu_millis.or(most.cpu_millis),
            processes: said.processes.or(most.processes),
            disk: said.disk.or(most.disk),
        }
    }

    /// Reads it; an error of kind `NotFound` means: never prepared.
    pub(crate) fn read(folder: &Folder) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(folder.spec())?)?)
    }

    /// Writes it, safely: its presence says that everything else is there.
    pub(crate) fn write(&self, folder: &Folder) -> std::io::Result<()> {
        crate::folder::replace(&folder.spec(), &serde_json::to_vec(self)?, true)
    }
}
