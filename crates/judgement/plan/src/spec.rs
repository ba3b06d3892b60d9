//! Everything a runtime needs to run one instance, out of release, deployment and configuration.

use crate::{delivered, meaning, pods::is_to_complete, primary_port};
use base64::Engine as _;
use std::collections::BTreeMap;
use tow_model::{
    kinds::{
        delivery::Confine,
        environment::EnvironmentSpec,
        static_files::Site,
        workload::{HttpGet, Probe as ScoreProbe, ServicePort, Workload},
    },
    placeholder,
};
use tow_names::{Cpu, Digest, Duration, Memory, Name, QuantityError};
use tow_record::{
    Artifact, Backoff, Bounds, Deployment, ExecProbe, GateKind, HttpProbe, Instance, InstanceSpec,
    Isolation, Mount, Probe, Program, Release, Restart, Setting,
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

    // A sidecar sees what it names and nothing else: configuration is the component's own.
    let is_own = container.image == "." || score.containers.len() == 1;
    let mut env = if is_own { values.clone() } else { BTreeMap::new() };
    for (key, text) in &container.variables {
        env.insert(key.clone(), expand(score, &values, text)?);
    }
    let isolation = deployment.runtime.isolation();
    // The platform's own file server takes whatever port it is given.
    let is_site = container.image == "."
        && container.command.as_ref().is_none_or(Vec::is_empty)
        && artifact.is_some_and(|artifact| artifact.is_static || meaning(delivered.kind).served);
    let own_network = match isolation {
        Isolation::None => false,
        Isolation::Sandbox => !is_site && crate::network::has_fixed_ports(score, &delivered),
        Isolation::Container | Isolation::Cluster => !is_site,
    };
    let binds = binds(score, instance, own_network);
    for (port, number) in &binds {
        let name = format!("PORT_{}", port.to_ascii_uppercase().replace('-', "_"));
        env.insert(name, number.to_string());
    }
    if let Some((port, _)) = primary_port(score)
        && let Some(number) = binds.get::<str>(port)
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
    let built = artifact.and_then(|artifact| artifact.image.clone());
    let program = match (&container.command, artifact) {
        _ if container.image != "." => Program::Image {
            image: container.image.clone(),
            command: container.command.clone().filter(|command| !command.is_empty()),
            args: container.args.clone(),
        },
        _ if built.is_some() => Program::Image {
            image: built.unwrap_or_default(),
            command: container.command.clone().filter(|command| !command.is_empty()),
            args: container.args.clone(),
        },
        (Some(command), _) if !command.is_empty() => Program::Command { argv: argv(command) },
        (_, Some(artifact)) if artifact.is_static || meaning(delivered.kind).served => {
            Program::Static
        }
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
    if let (Program::Static, Some(site)) = (&program, &delivered.site) {
        let text = serde_json::to_vec(site).map_err(|e| SpecError(e.to_string()))?;
        files.insert(Site::FILE.into(), (text, 0o644));
    }
    let gate = crate::gate(score, &instance.container, &delivered)
        .ok_or_else(|| SpecError(format!("no container {}", instance.container)))?;
    let readiness = match (&container.readiness_probe, &gate.probe) {
        (Some(probe), _) => probe_of(score, instance, probe)?,
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
    let mut mounts = Vec::new();
    for (target, volume) in &container.volumes {
        mounts.push(Mount {
            volume: volume_of(score, instance, &volume.source)?,
            target: target.clone(),
            path: volume.path.clone(),
            read_only: volume.read_only == Some(true),
        });
    }
    let limits = container.resources.as_ref().and_then(|r| r.limits.clone()).unwrap_or_default();
    let bytes = |text: &str| text.parse().map(|m: Memory| m.0).map_err(broken);
    let millis = |text: &str| text.parse().map(|c: Cpu| c.0).map_err(broken);
    // The platform's own file server writes nothing, as whoever the platform is.
    let confine =
        if program == Program::Static { Confine::default() } else { delivered.confine.clone() };
    let setting = Setting {
        // The platform's own file server needs no engine, whatever executes the rest.
        isolation: if program == Program::Static {
            isolation.min(Isolation::Sandbox)
        } else {
            isolation
        },
        runtime: deployment.runtime.clone(),
        pod: format!(
            "{}/{}/{}/{}",
            instance.place, instance.workload, instance.replica, instance.revision
        ),
        mounts,
        bounds: Bounds {
            memory: limits.memory.as_deref().map(bytes).transpose()?,
            cpu_millis: limits.cpu.as_deref().map(millis).transpose()?,
            ..Bounds::default()
        },
        inside: instance
            .ports
            .iter()
            .filter_map(|(name, outside)| Some((*outside, *binds.get::<str>(name)?)))
            .filter(|(outside, inside)| outside != inside)
            .collect(),
        several: score.containers.len() > 1,
        user: confine.user,
        read_only: confine.read_only == Some(true),
        measured: delivered.scale.is_some(),
        tool: artifact.map(|artifact| artifact.tool),
    };
    // Of several containers the one that runs are made of: the others may not even have the program.
    let prepares = crate::run_container(score).as_deref() == Some(instance.container.as_str());
    let before_stop = delivered.before_stop.filter(|_| prepares);
    Ok(InstanceSpec {
        setting,
        id: instance.id.clone(),
        program,
        artifact: artifact.filter(|_| container.image == ".").map(|a| a.digest.clone()),
        env,
        files,
        ports: instance.ports.values().copied().collect(),
        listen: Vec::new(),
        readiness,
        liveness: container
            .liveness_probe
            .as_ref()
            .map(|probe| probe_of(score, instance, probe))
            .transpose()?,
        interval: delivered.interval,
        timeout: delivered.timeout,
        successes: delivered.successes,
        restart,
        grace: delivered.grace,
        before_stop,
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

fn probe_of(score: &Workload, instance: &Instance, probe: &ScoreProbe) -> Result<Probe, SpecError> {
    Ok(match (&probe.http_get, &probe.exec) {
        (Some(get), _) => Probe::Http(HttpProbe {
            port: host_port(score, instance, get)?,
            path: get.path.clone(),
            host: get.host.clone(),
            headers: get.http_headers.iter().map(|h| (h.name.clone(), h.value.clone())).collect(),
        }),
        (None, Some(exec)) => Probe::Exec(ExecProbe { argv: exec.command.clone() }),
        (None, None) => Probe::Alive,
    })
}

fn broken(error: QuantityError) -> SpecError {
    SpecError(error.to_string())
}

/// What the program listens on, by the port's name: with a network of its own what the Score file says, else what this
/// machine has free.
fn binds<'a>(
    score: &'a Workload,
    instance: &'a Instance,
    own_network: bool,
) -> BTreeMap<&'a str, u16> {
    let declared = score.service.iter().flat_map(|s| &s.ports);
    declared
        .filter_map(|(name, port)| {
            let given = *instance.ports.get(name)?;
            let own = port.target_port.unwrap_or(port.port);
            Some((name.as_str(), if own_network { own } else { given }))
        })
        .collect()
}

/// `${resources.NAME}` of type `volume`: named by place and resource, so that nobody else has it. A plain name is a volume
/// of the workload's own, which the older form of Score files need not declare.
fn volume_of(score: &Workload, instance: &Instance, source: &str) -> Result<String, SpecError> {
    let reference = source.strip_prefix("${resources.").and_then(|rest| rest.strip_suffix('}'));
    let name = reference.unwrap_or(source);
    let resource = score.resources.get(name).filter(|resource| resource.kind == "volume");
    if resource.is_none() && (reference.is_some() || source.contains("${")) {
        return Err(SpecError(format!("{source} is no volume")));
    }
    // With an id it is the same for every workload of the component here.
    let own = format!("{}.{name}", instance.workload);
    let id = resource.and_then(|resource| resource.id.as_deref()).unwrap_or(&own);
    let parts = serde_json::json!([instance.place, "volume", id]);
    // The whole digest: who may choose what goes into it must not find another one's.
    Ok(format!("v-{}", Digest::of(parts.to_string().as_bytes()).hex()))
}

/// A probe names the port that the program would listen on in a pod of its own; here the program was given another one.
/// Only a port of its own is ever asked: the probe is made from outside, where every other is somebody else's.
fn host_port(score: &Workload, instance: &Instance, get: &HttpGet) -> Result<u16, SpecError> {
    let own = declared_port(score, get).and_then(|name| instance.ports.get(name).copied());
    own.ok_or_else(|| {
        SpecError(format!("a probe asks port {}, which service.ports does not declare", get.port))
    })
}

/// The name of the port that a probe asks: first by what the program listens on, else by what is offered.
pub(crate) fn declared_port<'a>(score: &'a Workload, get: &HttpGet) -> Option<&'a str> {
    let find = |wanted: fn(&ServicePort) -> u16| {
        let mut ports = score.service.iter().flat_map(|service| &service.ports);
        ports.find(|(_, port)| wanted(port) == get.port).map(|(name, _)| name.as_str())
    };
    find(|port| port.target_port.unwrap_or(port.port)).or_else(|| find(|port| port.port))
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
