//! The program in a container. A small init of the engine's own is its first process, so that the program meets signals,
//! children and its end as it would anywhere else: a first process ignores every signal it does not ask for. What that
//! init can't say well, why a program can't be run, is found out before.

use crate::image::{Image, Trouble};
use crate::order::Order;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tow_engine::{Engine, EngineError, escaped};

/// Where programs are looked for, where nothing is said.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What the inits of engines call themselves.
const INITS: [&str; 4] = ["podman-init", "docker-init", "catatonit", "tini"];
/// How often, and how many times, it is looked whether the init has begun the program.
const LOOK: (Duration, u32) = (Duration::from_millis(5), 40);

/// Refuses a program that is not there. `name`: of a container that was made and not started.
pub(crate) async fn is_there(
    engine: &Engine,
    order: &Order,
    image: &Image,
    name: &str,
    argv: &[String],
    dir: &str,
    work: &Path,
) -> Result<(), Trouble> {
    let Some(program) = argv.first() else { return Ok(()) };
    if program.contains('/') {
        let path = Path::new(dir).join(program);
        let plain: PathBuf = path.components().collect();
        let there = match plain.strip_prefix("/app") {
            Ok(below) if order.artifact => work.join(below).exists(),
            _ => exists(engine, order, name, &plain).await?,
        };
        if !there {
            return Err(Trouble::Why(format!("cannot run {program}: no such file")));
        }
        return Ok(());
    }
    let path = order.env.get("PATH").or(image.path.as_ref()).map_or(PATH, String::as_str);
    for folder in path.split(':').filter(|folder| folder.starts_with('/')) {
        if exists(engine, order, name, &Path::new(folder).join(program)).await? {
            return Ok(());
        }
    }
    Err(Trouble::Why(format!("cannot run {program}: not found on the PATH of {}", order.image)))
}

/// Is it there, or where nobody can say?
async fn exists(
    engine: &Engine,
    order: &Order,
    name: &str,
    path: &Path,
) -> Result<bool, EngineError> {
    let targets = order.mounts.iter().map(|mount| &mount.target);
    if targets.chain(order.files.iter().map(|put| &put.target)).any(|one| path.starts_with(one)) {
        return Ok(true);
    }
    let path = escaped(&path.display().to_string());
    engine.knows(&format!("/containers/{name}/archive?path={path}")).await
}

/// The program's process on this machine, by the container's first.
pub(crate) async fn process(first: u32) -> u32 {
    let comm = std::fs::read_to_string(format!("/proc/{first}/comm")).unwrap_or_default();
    if !INITS.contains(&comm.trim()) {
        return first;
    }
    let (pause, tries) = LOOK;
    for _ in 0..tries {
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
        let child = children.ok().and_then(|text| text.split(' ').next()?.parse().ok());
        if let Some(child) = child {
            return child;
        }
        tokio::time::sleep(pause).await;
    }
    first
}
