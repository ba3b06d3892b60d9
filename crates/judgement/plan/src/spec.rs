//! Everything a runtime needs to run one instance, out of release, deployment and configuration.

use crate::{delivered, pods::is_to_complete, primary_port};
use base64::Engine as _;
use std::collections::BTreeMap;
use tow_model::{
    kinds::{
        environment::EnvironmentSpec,
        workload::{HttpGet, Probe as ScoreProbe, Workload},
    },
    placeholder,
};
use tow_names::{Duration, Name};
use tow_record::{
    Artifact, Backoff, Deployment, ExecProbe, GateKind, HttpProbe, Instance, InstanceSpec, Probe,
    Program, Release, Restart,
};

/// What an instance is made of.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each field is the record of its name")]
pub struct SpecInput<'a> {
    pub instance: &'a Instance,
    pub release: &'a Release,
    pub deployment: &'a Deployment,
    pub environment: &'a EnvironmentSpec,
    pub artifact: Option<&'a Artifact>,
    /// The component's own configuration in plain text; the environment's is in the deployment.
    pub config: &'a BTreeMap<String, String>,
}

/// Why there is no spec: the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(pub String);

/// Development restarts quickly, because somebody is looking; three ends in a row are a crash loop.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(30),
    reset_after: Duration::from_secs(60),
    crash_loop_after: 3,
};

/// Puts the spec together. Placeholders are filled in; a missing key is an error, though the plan has checked it.
pub fn instance_spec(input: SpecInput<'_>) -> Result<InstanceSpec, SpecError> {
    let SpecInput { instance, release, deployment, environment, artifact, config } = input;
    let missing = |what: String| SpecError(what);
    let score = &release
        .workloads
        .get(&instance.workload)
        .ok_or_else(|| {
            missing(format!("release {} has no workload {}", release.number, instance.workload))
        })?
        .score;
    let container = score.containers.get(&instance.container).ok_or_else(|| {
        missing(format!("{} has no container {}", instance.workload, instance.container))
    })?;
    let name: &Name = &instance.place.environment;
    let delivered = delivered(&release.delivery, score, name, environment);
    let values = values(deployment, config);

    let mut env = values.clone();
    for (key, text) in &container.variables {
        env.insert(key.clone(), expand(score, &values, text)?);
    }
    for (port, number) in &instance.ports {
        env.insert(
            format!("PORT_{}", port.to_ascii_uppercase().replace('-', "_")),
            number.to_string(),
        );
    }
    if let Some((port, _)) = primary_port(score)
        && let Some(number) = instance.ports.get(port)
    {
        env.insert("PORT".into(), number.to_string());
    }
    for (key, value) in [
        ("TOW_COMPONENT", instance.place.component.short()),
        ("TOW_ENVIRONMENT", name.to_string()),
        ("TOW_WORKLOAD", instance.workload.clone()),
        ("TOW_RELEASE", release.number.to_string()),
        ("TOW_DEPLOYMENT", deployment.number.to_string()),
        ("TOW_INSTANCE", instance.id.to_string()),
    ] {
        env.insert(key.into(), value);
    }

    let mut files = BTreeMap::new();
    for (target, file) in &container.files {
        let bytes = match (&file.content, &file.binary_content) {
            (Some(text), _) if file.no_expand == Some(true) => text.clone().into_bytes(),
            (Some(text), _) => expand(score, &values, text)?.into_bytes(),
            (None, Some(binary)) => base64::engine::general_purpose::STANDARD
                .decode(binary)
                .map_err(|e| SpecError(format!("file {target}: {e}")))?,
            (None, None) => return Err(SpecError(format!("file {target} has no content"))),
        };
        let mode =
            file.mode.as_deref().and_then(|m| u32::from_str_radix(m, 8).ok()).unwrap_or(0o644);
        files.insert(target.clone(), (bytes, mode));
    }

    let argv = |command: &[String]| -> Vec<String> {
        command.iter().chain(container.args.iter().flatten()).cloned().collect()
    };
    let program = match (&container.command, artifact) {
        (Some(command), _) if !command.is_empty() => Program::Command { argv: argv(command) },
        (_, Some(artifact)) if artifact.is_static => Program::Static,
        (_, Some(artifact)) if !artifact.entry.is_empty() => {
            Program::Command { argv: argv(&artifact.entry) }
        }
        _ => {
            return Err(SpecError(format!(
                "container {} has no command, and its artifact names no program to run",
                instance.container
            )));
        }
    };
    let gate = crate::gate(score, &instance.container, &delivered)
        .ok_or_else(|| SpecError(format!("no container {}", instance.container)))?;
    let readiness = match (&container.readiness_probe, &gate.probe) {
        (Some(probe), _) => probe_of(score, instance, probe),
        (None, GateKind::Tcp { port }) => match instance.ports.get(port) {
            Some(port) => Probe::Tcp { port: *port },
            None => Probe::Alive,
        },
        _ => Probe::Alive,
    };
    let restart = if is_to_complete(score, &instance.container) {
        Restart::Never
    } else {
        Restart::Always(BACKOFF)
    };
    Ok(InstanceSpec {
        id: instance.id.clone(),
        program,
        artifact: artifact.filter(|_| container.image == ".").map(|a| a.digest.clone()),
        env,
        files,
        ports: instance.ports.values().copied().collect(),
        listen: Vec::new(),
        readiness,
        liveness: container.liveness_probe.as_ref().map(|p| probe_of(score, instance, p)),
        interval: delivered.interval,
        timeout: delivered.timeout,
        successes: delivered.successes,
        restart,
        grace: delivered.grace,
        time_limit: None,
        title: format!("{}/{} {}", instance.workload, instance.replica, instance.container),
    })
}

/// What a workload sees unless its Score file says otherwise: the environment's variables, then the component's.
fn values(deployment: &Deployment, config: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut values = deployment.variables.clone();
    values.extend(config.clone());
    values
}

fn probe_of(score: &Workload, instance: &Instance, probe: &ScoreProbe) -> Probe {
    match (&probe.http_get, &probe.exec) {
        (Some(get), _) => Probe::Http(HttpProbe {
            port: host_port(score, instance, get),
            path: get.path.clone(),
            host: get.host.clone(),
            headers: get.http_headers.iter().map(|h| (h.name.clone(), h.value.clone())).collect(),
        }),
        (None, Some(exec)) => Probe::Exec(ExecProbe { argv: exec.command.clone() }),
        (None, None) => Probe::Alive,
    }
}

/// A probe names the port that the program would listen on in a pod of its own; here the program was given another one.
fn host_port(score: &Workload, instance: &Instance, get: &HttpGet) -> u16 {
    let ports = score.service.iter().flat_map(|s| &s.ports);
    ports
        .filter(|(_, p)| p.target_port.unwrap_or(p.port) == get.port || p.port == get.port)
        .find_map(|(name, _)| instance.ports.get(name).copied())
        .unwrap_or(get.port)
}

/// Fills in placeholders; `${resources.NAME.KEY}` of type `environment` reads the configuration.
fn expand(
    score: &Workload,
    values: &BTreeMap<String, String>,
    text: &str,
) -> Result<String, SpecError> {
    placeholder::expand(text, &mut |path: &[String]| match path {
        [root, rest @ ..] if root == "metadata" => metadata(score, rest),
        [root, resource, key] if root == "resources" => match score.resources.get(resource) {
            Some(r) if r.kind == "environment" => {
                values.get(key).cloned().ok_or_else(|| format!("configuration has no {key}"))
            }
            Some(r) => Err(format!("a resource of type {} has no output {key}", r.kind)),
            None => Err(format!("there is no resource {resource}")),
        },
        other => Err(format!("${{{}}} is not known", other.join("."))),
    })
    .map_err(|e| SpecError(e.to_string()))
}

fn metadata(score: &Workload, path: &[String]) -> Result<String, String> {
    let whole = serde_json::to_value(&score.metadata).map_err(|e| e.to_string())?;
    let found = path.iter().try_fold(&whole, |value, key| value.get(key));
    match found {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        Some(other) => Ok(other.to_string()),
        None => Err(format!("metadata has no {}", path.join("."))),
    }
}
