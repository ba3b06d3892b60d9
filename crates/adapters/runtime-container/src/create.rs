//! What the engine is asked to make: an order and an image as the body of one request. Decides what a program in a
//! container may do.
//!
//! All rights of root are taken away but the few that servers begin with before they become somebody else, and none can
//! be gained later. An artifact's image is only what it stands on, so nobody writes to it; an image's own files may be
//! written to, because most images write beside their programs, unless the workload says that it needs none of that.

use crate::folder::Folder;
use crate::image::Image;
use crate::order::Order;
use crate::volume;
use rustix::process::{Resource, getrlimit};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Component, Path};
use tow_record::{Bounds, Program};

/// Labels by which containers are known again.
pub(crate) const OWNER: &str = "dev.towpath.owner";
pub(crate) const INSTANCE: &str = "dev.towpath.instance";
pub(crate) const ATTEMPT: &str = "dev.towpath.attempt";
pub(crate) const POD: &str = "dev.towpath.pod";
const TITLE: &str = "dev.towpath.title";

/// What is left of root's rights: to bind low ports, to own and open files, to become another user and end it.
const RIGHTS: [&str; 7] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];
/// Open files and processes of a user, where the platform itself may have so many: engines' own defaults may be above
/// what they are allowed to give.
const LIMITS: [(&str, Resource, u64); 2] =
    [("nofile", Resource::Nofile, 65_536), ("nproc", Resource::Nproc, 32_768)];
/// Where an artifact is, inside.
const APP: &str = "/app";
/// A log in the engine is a buffer: the shim keeps the lines.
const LOG: &str = "16m";

/// What is temporary is memory: so much of it at most where no memory is bounded, and no more of `/run` than this.
const TEMPORARY: u64 = 512 << 20;
const RUN: u64 = 64 << 20;

/// In what a program is held.
pub(crate) struct Held<'a> {
    /// The folder of the artifact.
    pub(crate) work: &'a Path,
    /// The most it may use.
    pub(crate) bounds: Bounds,
    /// With a first process of the engine's own.
    pub(crate) init: bool,
}

/// The request that makes an instance's container.
pub(crate) fn container(
    order: &Order,
    attempt: u32,
    image: &Image,
    folder: &Folder,
    held: &Held<'_>,
) -> Result<Value, String> {
    let Held { work, bounds, init } = held;
    let argv = argv(order, image)?;
    let dir = working_dir(order, image);
    let mut binds = Vec::new();
    if order.artifact {
        binds.push(bind(work, APP, order.read_only)?);
    }
    for mount in &order.mounts {
        let source = volume::source(&order.volumes, mount)?;
        binds.push(bind(&source, &inside(dir, &mount.target)?, mount.read_only)?);
    }
    for put in &order.files {
        binds.push(bind(&folder.file(put.number), &inside(dir, &put.target)?, true)?);
    }
    let env: Vec<String> = order.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut body = json!({
        "Image": image.id,
        "Entrypoint": argv,
        "Cmd": [],
        "Env": env,
        "WorkingDir": dir,
        "Labels": {
            OWNER: order.owner,
            INSTANCE: order.instance,
            ATTEMPT: attempt.to_string(),
            POD: order.pod.clone().unwrap_or_default(),
            TITLE: order.title,
        },
        "Healthcheck": { "Test": ["NONE"] },
    });
    let mut host = host();
    host.insert("Init".into(), json!(init));
    host.insert("Binds".into(), json!(binds));
    host.insert("CapAdd".into(), json!(RIGHTS));
    host.insert("LogConfig".into(), json!({ "Type": "json-file", "Config": { "max-size": LOG } }));
    if let Some(processes) = bounds.processes {
        host.insert("PidsLimit".into(), json!(processes));
    }
    if let Some(memory) = bounds.memory {
        host.insert("Memory".into(), json!(memory));
        host.insert("MemorySwap".into(), json!(memory));
    }
    if let Some(millis) = bounds.cpu_millis {
        host.insert("CpuPeriod".into(), json!(100_000));
        host.insert("CpuQuota".into(), json!((millis * 100).max(1000)));
    }
    if let Some(user) = &order.user {
        body["User"] = json!(user);
    }
    if order.artifact || order.read_only {
        host.insert("ReadonlyRootfs".into(), json!(true));
        let most = bounds.memory.map_or(TEMPORARY, |memory| (memory / 2).max(1 << 20));
        let open = |most: u64| format!("rw,nosuid,nodev,mode=1777,size={most}");
        host.insert("Tmpfs".into(), json!({ "/tmp": open(most), "/run": open(most.min(RUN)) }));
    }
    match order.pause() {
        Some(pause) => {
            host.insert("NetworkMode".into(), json!(format!("container:{pause}")));
        }
        None => publish(&order.ports, &mut body, &mut host),
    }
    body["HostConfig"] = Value::Object(host);
    Ok(body)
}

/// The request that makes a pod's network: a container that sleeps, and whose ports are this machine's.
pub(crate) fn pause(order: &Order, pod: &str, image: &str) -> Value {
    let mut body = json!({
        "Image": image,
        "Labels": { OWNER: order.owner, POD: pod },
    });
    let mut host = host();
    host.insert("ReadonlyRootfs".into(), json!(true));
    host.insert("LogConfig".into(), json!({ "Type": "none" }));
    publish(&order.ports, &mut body, &mut host);
    body["HostConfig"] = Value::Object(host);
    body
}

/// What holds for every container. The engine never starts one again: that is the shim's.
fn host() -> Map<String, Value> {
    let limits: Vec<Value> = LIMITS
        .iter()
        .map(|(name, which, most)| {
            let own = getrlimit(*which).maximum.unwrap_or(*most).min(*most);
            json!({ "Name": name, "Soft": own, "Hard": own })
        })
        .collect();
    let mut host = Map::new();
    host.insert("RestartPolicy".into(), json!({ "Name": "no" }));
    host.insert("CapDrop".into(), json!(["ALL"]));
    host.insert("SecurityOpt".into(), json!(["no-new-privileges"]));
    host.insert("Ulimits".into(), json!(limits));
    host
}

fn publish(ports: &BTreeMap<u16, u16>, body: &mut Value, host: &mut Map<String, Value>) {
    let (mut exposed, mut bindings) = (Map::new(), Map::new());
    for (outside, inside) in ports {
        let name = format!("{inside}/tcp");
        exposed.insert(name.clone(), json!({}));
        let own = json!({ "HostIp": "127.0.0.1", "HostPort": outside.to_string() });
        let all = bindings.entry(name).or_insert_with(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.push(own);
        }
    }
    body["ExposedPorts"] = Value::Object(exposed);
    host.insert("PortBindings".into(), Value::Object(bindings));
}

/// Where the program begins.
pub(crate) fn working_dir<'a>(order: &Order, image: &'a Image) -> &'a str {
    match image.working_dir.as_str() {
        _ if order.artifact => APP,
        "" => "/",
        dir => dir,
    }
}

/// A command stands in place of the image's entry point and its arguments, arguments in place of its arguments.
pub(crate) fn argv(order: &Order, image: &Image) -> Result<Vec<String>, String> {
    let argv: Vec<String> = match &order.program {
        Program::Command { argv } => argv.clone(),
        Program::Image { command: Some(command), args, .. } => {
            command.iter().chain(args.iter().flatten()).cloned().collect()
        }
        Program::Image { command: None, args, .. } => {
            image.entrypoint.iter().chain(args.as_ref().unwrap_or(&image.args)).cloned().collect()
        }
        Program::Static | Program::Role { .. } => Vec::new(),
    };
    if argv.is_empty() {
        return Err(format!(
            "image {} names no program to run: say command in the Score file",
            order.image
        ));
    }
    Ok(argv)
}

/// A path inside, whole.
pub(crate) fn inside(dir: &str, target: &str) -> Result<String, String> {
    let path = Path::new(dir).join(target);
    let plain =
        path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let text = path.to_string_lossy().trim_end_matches('/').to_string();
    if !plain || !path.is_absolute() || text.is_empty() {
        return Err(format!("{target} is no path inside a container"));
    }
    Ok(text)
}

/// The label `z` lets containers read it where the machine keeps them from all files by default; else it says nothing.
fn bind(source: &Path, target: &str, read_only: bool) -> Result<String, String> {
    let source = source.to_str().ok_or_else(|| format!("{} is not text", source.display()))?;
    if source.contains(':') || target.contains(':') {
        let which = if source.contains(':') { source } else { target };
        return Err(format!("{which}: engines can't mount a path with a colon"));
    }
    Ok(format!("{source}:{target}:{}", if read_only { "ro,z" } else { "rw,z" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_inside_are_whole_and_plain() {
        assert_eq!(inside("/srv", "conf/a").unwrap(), "/srv/conf/a");
        assert_eq!(inside("/srv", "/etc/a").unwrap(), "/etc/a");
        for bad in ["../a", "/a/../../b", "/", ""] {
            assert!(inside("/", bad).is_err(), "{bad}");
        }
        assert!(bind(Path::new("/a:b"), "/c", true).is_err());
        assert!(bind(Path::new("/a"), "/c:rw", true).is_err());
    }
}
