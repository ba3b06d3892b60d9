//! The component as its files have it, and what the environment gives it.

use super::{Environment, Tool, below};
use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use crate::project;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use tow_api::Nothing;
use tow_api::config::get::{GetConfig, Path as ConfigPath};
use tow_formats::Document;
use tow_model::kinds::delivery::{DeliverySpec, WorkloadKind};
use tow_model::kinds::workload::{Container, Workload as Score};
use tow_model::{Spec, placeholder};

/// One workload that runs here.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    pub(super) name: String,
    pub(super) score: Score,
    /// The container that is this folder.
    pub(super) container: Container,
}

/// The folder as it is now.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) dir: PathBuf,
    pub(super) component: String,
    pub(super) environment: String,
    pub(super) workloads: Vec<Workload>,
    pub(super) tool: Tool,
    /// By workload and port: kept as long as this runs, so that a URL stays what it is.
    pub(super) ports: BTreeMap<(String, String), u16>,
    /// What is otherwise here than there.
    pub(super) notes: Vec<String>,
}

impl Local {
    pub(super) fn read(dir: &Path, at: &Where, only: Option<&str>) -> Verdict<Self> {
        let project = project::read(dir)?;
        let (mut scores, mut delivery) = (Vec::new(), DeliverySpec::default());
        for document in &project.documents {
            // Entries of the catalog are not what runs.
            let Ok(read) = tow_formats::read(&document.name, &document.text) else {
                if document.name.contains("catalog-info") {
                    continue;
                }
                return Err(invalid(document));
            };
            for one in read {
                match one {
                    Document::Score(file) => scores.push(file.workload),
                    Document::Manifest(manifest) => {
                        if let Spec::Delivery(spec) = manifest.spec {
                            delivery = spec;
                        }
                    }
                }
            }
        }
        let component = at.component.clone().or(project.component).ok_or_else(|| {
            Failure::new("cli/no-component", "it is not said which component is meant")
                .hint("--component NAME says it")
        })?;
        let mut notes = Vec::new();
        let mut workloads = Vec::new();
        for score in scores.into_iter().filter(|s| only.is_none_or(|name| name == s.metadata.name))
        {
            let name = score.metadata.name.clone();
            let kind = delivery.workloads.get(&name).and_then(|said| said.kind);
            if let Some(kind @ (WorkloadKind::Cron | WorkloadKind::Job)) = kind {
                let kind = kind.as_str();
                notes.push(format!("{name} is a {kind}: it is not run here; tow run does, there"));
                continue;
            }
            let mut own = score.containers.iter().filter(|(_, container)| container.image == ".");
            let Some((_, container)) = own.next() else {
                notes.push(format!("{name} is no program of this folder: it is not run here"));
                continue;
            };
            for (other, _) in score.containers.iter().filter(|(_, one)| *one != container) {
                notes.push(format!("container {other} of {name} is not run here"));
            }
            if !container.files.is_empty() {
                let files: Vec<&str> = container.files.keys().map(String::as_str).collect();
                let files = files.join(", ");
                notes.push(format!("files of {name} are not made here, only read: {files}"));
            }
            if !container.volumes.is_empty() {
                notes.push(format!("volumes of {name} are not mounted here"));
            }
            let container = container.clone();
            workloads.push(Workload { name, score, container });
        }
        if workloads.is_empty() {
            if !notes.is_empty() {
                let what =
                    format!("nothing of {} is run here: {}", dir.display(), notes.join("; "));
                return Err(Failure::new("project/empty", what).hint(
                    "tow deploy takes it to the platform; tow job run and tow run begin it there",
                ));
            }
            let what = format!("nothing of {} can be run here", dir.display());
            return Err(Failure::new("project/empty", what).hint(
                "a score.yaml with a container whose image is `.`; --workload names one of several",
            ));
        }
        let build = delivery.build.unwrap_or_default();
        let folder = below(dir, build.dir.as_deref());
        let tool = Tool::of(&folder, build.command, build.output);
        Ok(Self {
            dir: dir.into(),
            component,
            environment: at.environment(),
            workloads,
            tool,
            ports: BTreeMap::new(),
            notes,
        })
    }

    /// Every port that has none yet gets one that is free just now; the first one `wanted`.
    pub(super) fn give_ports(&mut self, mut wanted: Option<u16>) -> Verdict {
        for workload in &self.workloads {
            for name in workload.score.service.iter().flat_map(|service| service.ports.keys()) {
                let key = (workload.name.clone(), name.clone());
                if self.ports.contains_key(&key) {
                    continue;
                }
                let asked = wanted.take().unwrap_or(0);
                let free = TcpListener::bind((Ipv4Addr::LOCALHOST, asked))
                    .and_then(|listener| listener.local_addr());
                let free = free.map_err(|error| {
                    Failure::new("dev/port", format!("port {asked} can't be had: {error}"))
                        .hint("--port PORT names another one; without it any free one is taken")
                })?;
                self.ports.insert(key, free.port());
            }
        }
        Ok(())
    }

    /// The port that a workload is asked on: its only one, or the one that is called so.
    pub(super) fn primary(&self, workload: &Workload) -> Option<u16> {
        let ports = &workload.score.service.as_ref()?.ports;
        let name = match ports.len() {
            1 => ports.keys().next()?.as_str(),
            _ => ["web", "http", "www"].into_iter().find(|name| ports.contains_key(*name))?,
        };
        self.ports.get(&(workload.name.clone(), name.into())).copied()
    }
}

fn invalid(document: &tow_api::object::apply::Document) -> Failure {
    Failure::new("input/invalid", format!("{} is not valid", document.name))
        .hint("tow validate says what is wrong with it")
}

/// The environment's configuration for the component. Held in memory alone; it has no `Debug`, so that nobody prints it.
#[derive(Default)]
pub(super) struct Values(Environment);

impl Values {
    /// As it is there now. Who may not read it is refused; a component that is not there yet has the environment's alone.
    pub(super) async fn ask(cx: &Context, local: &Local) -> Verdict<Self> {
        let path = ConfigPath {
            component: local.component.clone(),
            environment: local.environment.clone(),
        };
        let config = cx.client()?.call::<GetConfig>(&path, &Nothing {}, &Nothing {}).await?;
        Ok(Self(config.values.into_iter().map(|value| (value.name, value.value)).collect()))
    }

    /// What a workload's program is given. The error names what is missing, and no value.
    pub(super) fn environment(&self, local: &Local, own: &Workload) -> Result<Environment, String> {
        let mut env = self.0.clone();
        for (name, text) in &own.container.variables {
            let value = placeholder::expand(text, &mut |path| self.placeholder(&own.score, path));
            env.insert(name.clone(), value.map_err(|error| format!("variable {name}: {error}"))?);
        }
        for ((workload, name), port) in &local.ports {
            if *workload == own.name {
                let name = name.to_ascii_uppercase().replace('-', "_");
                env.insert(format!("PORT_{name}"), port.to_string());
            }
        }
        if let Some(port) = local.primary(own) {
            env.insert("PORT".into(), port.to_string());
        }
        for (name, value) in [
            ("TOW_COMPONENT", local.component.as_str()),
            ("TOW_ENVIRONMENT", local.environment.as_str()),
            ("TOW_WORKLOAD", own.name.as_str()),
        ] {
            env.insert(name.into(), value.into());
        }
        Ok(env)
    }

    /// As the platform fills it in.
    fn placeholder(&self, score: &Score, path: &[String]) -> Result<String, String> {
        match path {
            [root, rest @ ..] if root == "metadata" => {
                let whole = serde_json::to_value(&score.metadata).map_err(|e| e.to_string())?;
                match rest.iter().try_fold(&whole, |value, key| value.get(key)) {
                    Some(serde_json::Value::String(text)) => Ok(text.clone()),
                    Some(other) => Ok(other.to_string()),
                    None => Err(format!("metadata has no {}", path.join("."))),
                }
            }
            [root, resource, key] if root == "resources" => match score.resources.get(resource) {
                Some(one) if one.kind == "environment" => {
                    let value = self.0.get(key).cloned();
                    value.ok_or_else(|| format!("the configuration there has no {key}"))
                }
                Some(one) => Err(format!("a resource of type {} has no {key} here", one.kind)),
                None => Err(format!("there is no resource {resource}")),
            },
            other => Err(format!("${{{}}} is not known", other.join("."))),
        }
    }
}
