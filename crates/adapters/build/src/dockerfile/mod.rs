//! A Dockerfile, built by a container engine into an image, whose archive is the artifact. The engine does the work in
//! processes of its own, which nobody here is the parent of: see [`traces`] for how they are bounded and ended.
//!
//! Podman is asked in its own words where it has more of them: a group for its processes, secrets, a network of its own.

mod text;
pub(crate) mod traces;

use crate::order::{Made, OUTPUT, Order};
use crate::secret::Secrets;
use crate::sight::Sight;
use crate::slot::Slot;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tow_engine::{Engine, EngineError, Found, Said, escaped};
use tow_names::{Digest, Id, Tally};
use tow_record::{BuildSpec, BuildTool};
use traces::{LABEL, Traces};

/// The names that are looked for, in order.
const NAMES: [&str; 2] = ["Dockerfile", "Containerfile"];
/// How long the engine may take to give up a build whose processes are killed, and how often it is tried.
const FAREWELL: Duration = Duration::from_secs(8);
const AGAIN: Duration = Duration::from_millis(50);
/// Between two looks at the engine's disk.
const LOOK: Duration = Duration::from_millis(500);
/// How long an engine may take to say what it is.
const GLANCE: Duration = Duration::from_secs(10);
/// Images are made in the form that every engine reads and whose id stays what it is in an archive.
const FORM: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The Dockerfile that builds, and why it is the one.
pub(crate) fn file(sight: &Sight, spec: &BuildSpec) -> Result<Option<(String, String)>, String> {
    let found = match &spec.dockerfile {
        Some(named) => {
            let plain = named.trim_start_matches("./").to_string();
            if spec.command.is_some() {
                return Err("tow.yaml has both a build.command and a build.dockerfile: only one of them can build".into());
            }
            if plain.split('/').count() <= crate::sight::DEPTH && !sight.has(&plain) {
                return Err(format!(
                    "build.dockerfile says {named:?}: there is no such file{} in the source; is it named in .gitignore or \
                     .towignore?",
                    if spec.dir.is_empty() {
                        String::new()
                    } else {
                        format!(" below {}", spec.dir)
                    }
                ));
            }
            (plain, format!("tow.yaml names {named} as build.dockerfile"))
        }
        None => match NAMES.iter().find(|name| sight.has(name)) {
            Some(name) => ((*name).to_string(), format!("there is {name}")),
            None => return Ok(None),
        },
    };
    if let Some(text) = sight.text(&found.0) {
        text::check(&found.0, text)?;
    }
    Ok(Some(found))
}

/// The engine that would build, as it calls itself; why not, where none does.
pub(crate) async fn toolchain(spec: &BuildSpec) -> Result<String, String> {
    let found = engine(spec).await?;
    takes_secrets(&found, spec)?;
    Ok(found.name)
}

/// The order with its engine named, as the platform finds it: the build's own process sees another environment.
pub(crate) async fn placed(spec: &BuildSpec) -> BuildSpec {
    let mut spec = spec.clone();
    let is_ours = spec.found.as_ref().is_some_and(|found| found.tool == BuildTool::Dockerfile);
    if is_ours
        && spec.engine.is_none()
        && let Ok(found) = engine(&spec).await
    {
        spec.engine = Some(found.socket.display().to_string());
    }
    spec
}

async fn engine(spec: &BuildSpec) -> Result<Found, String> {
    tow_engine::find(spec.engine.as_deref())
        .await
        .map_err(|why| format!("a Dockerfile is built by a container engine: {why}"))
}

fn is_podman(found: &Found) -> bool {
    found.name.to_ascii_lowercase().contains("podman")
}

fn takes_secrets(found: &Found, spec: &BuildSpec) -> Result<(), String> {
    if spec.secrets.is_empty() || is_podman(found) {
        return Ok(());
    }
    Err(format!(
        "build.secrets names {}, and {} takes no secrets for a Dockerfile by its API: build with Podman, or without them",
        spec.secrets.join(", "),
        found.name
    ))
}

/// What a build has at hand.
pub(crate) struct Site<'a> {
    /// The build's own folder.
    pub(crate) dir: &'a Path,
    pub(crate) order: &'a Order,
    pub(crate) slot: &'a Slot,
    /// What is sent to the engine.
    pub(crate) folder: &'a Path,
    pub(crate) temporary: &'a Path,
    pub(crate) sight: &'a Sight,
    pub(crate) secrets: &'a Secrets,
    pub(crate) say: &'a dyn Fn(&str),
}

/// Builds. None: it was told to end, and has ended in the engine, too.
pub(crate) fn build(site: &Site<'_>) -> Result<Option<Made>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot ask the engine: {error}"))?;
    runtime.block_on(async {
        let mut told = signal(SignalKind::terminate())
            .map_err(|error| format!("cannot wait for signals: {error}"))?;
        let found = engine(&site.order.spec).await?;
        takes_secrets(&found, &site.order.spec)?;
        (site.say)(&format!("with {}", found.name));
        let traces = traces(site, &found).await;
        let broken = |error: std::io::Error| format!("cannot write: {error}");
        // Before the engine is asked for anything: whoever cleans up must know where.
        traces.write(site.dir).map_err(broken)?;
        let made = {
            let building = made(site, &found, &traces);
            tokio::pin!(building);
            let ended = tokio::select! {
                made = &mut building => Ok(made),
                _ = told.recv() => Err(None),
                () = full(traces.engine(), site.order.limits.work) => Err(Some(format!(
                    "the engine's disk filled by more than {} MiB while it built; make less, or see build.limits.disk in \
                     tow.yaml",
                    site.order.limits.work >> 20
                ))),
            };
            match ended {
                Ok(made) => Some(made),
                Err(why) => {
                    (site.say)("the engine is made to give the build up");
                    let kill = async {
                        loop {
                            traces.kill();
                            tokio::time::sleep(AGAIN).await;
                        }
                    };
                    let given_up = async {
                        tokio::select! { _ = &mut building => {}, () = kill => {} }
                    };
                    let _ = tokio::time::timeout(FAREWELL, given_up).await;
                    why.map(Err)
                }
            }
        };
        let patience = if matches!(made, Some(Ok(_))) { 4 } else { traces::PATIENCE };
        if let Err(error) = traces.sweep(patience).await {
            (site.say)(&format!("layers may be left in the engine: {error}"));
        }
        if !matches!(made, Some(Ok(_))) {
            // An image that was refused may hold what nobody may read.
            let _ = std::fs::remove_file(site.dir.join(OUTPUT));
        }
        traces.forget(site.dir);
        made.transpose()
    })
}

/// Returns when the disk that the engine keeps its layers on has filled by more than `most` bytes; never where it is not a
/// disk of this machine.
async fn full(engine: Engine, most: u64) {
    let about = engine.glance("/info", GLANCE).await.unwrap_or_default();
    let root = about["DockerRootDir"].as_str().unwrap_or_default().to_string();
    let free = || {
        let said = rustix::fs::statvfs(root.as_str()).ok()?;
        Some(said.f_bfree.saturating_mul(said.f_frsize))
    };
    let Some(before) = free() else { return std::future::pending().await };
    while free().is_none_or(|now| before.saturating_sub(now) <= most) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Where it will be found in the engine.
async fn traces(site: &Site<'_>, found: &Found) -> Traces {
    let engine = Engine::at(found.socket.clone());
    let about = engine.glance("/info", GLANCE).await.unwrap_or_default();
    let rootless = about["SecurityOptions"].as_array().is_some_and(|all| {
        all.iter().any(|one| one.as_str().unwrap_or_default().contains("rootless"))
    });
    let own = Digest::of(format!("{} {}", site.dir.display(), Id::fresh("g")).as_bytes());
    let own = format!("towbuild{}", &own.hex()[..16]);
    let group = match about["CgroupDriver"].as_str() {
        // Others end a build with the connection of whoever asked for it.
        _ if !is_podman(found) || rootless => None,
        Some("systemd") => Some(format!("{own}.slice")),
        _ => Some(own),
    };
    let slot = Digest::of(site.slot.dir().display().to_string().as_bytes());
    Traces {
        socket: found.socket.clone(),
        group,
        slot: slot.hex()[..20].to_string(),
        lock: site.slot.lock().to_path_buf(),
    }
}

async fn made(site: &Site<'_>, found: &Found, traces: &Traces) -> Result<Made, String> {
    let (order, engine) = (site.order, traces.engine());
    let Some((file, _)) = file(site.sight, &order.spec)? else {
        return Err("there is no Dockerfile any more".into());
    };
    if !traces.group_for(order.limits.processes) && is_podman(found) {
        (site.say)("the number of processes can't be bounded on this engine");
    }
    let context = site.temporary.join("context.tar");
    let hidden =
        pack(site, &context).map_err(|error| format!("cannot pack the folder: {error}"))?;
    let query = query(site, found, traces, &file, &hidden);
    let mut headers = Vec::new();
    if let Some(value) = credentials(&order.spec)? {
        headers.push(("x-registry-config", value));
    }
    (site.say)(&format!("building {file}"));
    let text = std::fs::read_to_string(site.folder.join(&file)).unwrap_or_default();
    let said = engine.send_file(&format!("/build?{query}"), &context, &headers).await;
    let said = said.map_err(|error| words(&file, &text, "", &error.to_string()))?;
    let id = follow(said, site.say, &file, &text).await.map_err(|why| {
        // How an engine says that the kernel killed a step.
        if !why.contains("exit status 137") && !why.contains("non-zero code: 137") {
            return why;
        }
        let most = order.limits.memory >> 20;
        format!("{why}; a step may use {most} MiB of memory, see build.limits.memory in tow.yaml")
    })?;
    let _ = std::fs::remove_file(&context);

    (site.say)("taking the image out of the engine");
    let (out, most) = (site.dir.join(OUTPUT), order.limits.output);
    engine.bring(&format!("/images/{id}/get"), &out, most).await.map_err(|error| {
        let limit = matches!(&error, EngineError::Says { message, .. } if message.starts_with("it is larger"));
        let help = if limit { ": make it smaller, such as by a second stage that takes only what runs" } else { "" };
        format!("the image could not be taken out of the engine: {error}{help}")
    })?;
    site.secrets.absent_from_file(&out, "the image")?;
    let archive = std::fs::File::open(&out);
    let mut tally = Tally::new(std::io::sink());
    let (size, digest) = archive
        .and_then(|mut archive| std::io::copy(&mut archive, &mut tally))
        .and_then(|size| Ok((size, tally.finish()?.1)))
        .map_err(|error| format!("cannot read the image's archive: {error}"))?;
    traces.keep(&id).await.map_err(|error| format!("the image could not be named: {error}"))?;
    Ok(Made {
        digest,
        size,
        tool: BuildTool::Dockerfile,
        entry: Vec::new(),
        is_static: false,
        image: Some(id),
        toolchain: found.name.clone(),
    })
}

/// The folder and the secrets as one archive; the secrets' names in it. The engine takes those out before it begins, so
/// that no instruction can copy one.
fn pack(site: &Site<'_>, into: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut archive = tar::Builder::new(std::fs::File::create(into)?);
    archive.follow_symlinks(false);
    archive.append_dir_all(".", site.folder)?;
    let mut hidden = Vec::new();
    for (name, value) in site.secrets.values() {
        let own =
            format!("tow-secret-{}", &Digest::of(Id::fresh("s").as_str().as_bytes()).hex()[..24]);
        let mut header = tar::Header::new_gnu();
        header.set_size(value.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(0);
        archive.append_data(&mut header, &own, value.as_bytes())?;
        hidden.push((name.clone(), own));
    }
    archive.into_inner()?.sync_all()?;
    Ok(hidden)
}

fn query(
    site: &Site<'_>,
    found: &Found,
    traces: &Traces,
    file: &str,
    hidden: &[(String, String)],
) -> String {
    let (limits, spec) = (&site.order.limits, &site.order.spec);
    let mut all: Vec<(&str, String)> = vec![
        ("dockerfile", file.into()),
        ("rm", "1".into()),
        ("forcerm", "1".into()),
        ("labels", json!({ LABEL: traces.slot }).to_string()),
        ("memory", limits.memory.to_string()),
        ("memswap", limits.memory.to_string()),
    ];
    if let Some(millis) = spec.bounds.cpu_millis {
        all.push(("cpuperiod", "100000".into()));
        all.push(("cpuquota", (millis * 100).max(1000).to_string()));
    }
    if !is_podman(found) {
        all.push(("networkmode", if spec.offline { "none" } else { "default" }.into()));
        return joined(&all);
    }
    all.push(("layers", "1".into()));
    all.push(("outputformat", FORM.into()));
    // Without a network of its own a step would see this machine's, and everything that listens there.
    let network = json!([{ "Name": "network", "Host": false, "Path": "" }]);
    all.push(("nsoptions", network.to_string()));
    let mode = if spec.offline { "NetworkDisabled" } else { "NetworkEnabled" };
    all.push(("networkmode", mode.into()));
    if let Some(group) = &traces.group {
        let slice = group.ends_with(".slice");
        all.push(("cgroupparent", if slice { group.clone() } else { format!("/{group}/step") }));
    }
    if !hidden.is_empty() {
        let each: Vec<String> =
            hidden.iter().map(|(name, own)| format!("id={name},src={own}")).collect();
        all.push(("secrets", Value::from(each).to_string()));
    }
    joined(&all)
}

fn joined(all: &[(&str, String)]) -> String {
    let each: Vec<String> =
        all.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    each.join("&")
}

/// The accounts of registries that base images come from, as the environment's runtime names them.
fn credentials(spec: &BuildSpec) -> Result<Option<String>, String> {
    let Some(file) = &spec.credentials else { return Ok(None) };
    let text = std::fs::read(file).map_err(|error| format!("credentials {file}: {error}"))?;
    let said: Value = serde_json::from_slice(&text)
        .map_err(|_| format!("credentials {file}: it is no file as `docker login` writes it"))?;
    let mut all = serde_json::Map::new();
    for (registry, account) in said["auths"].as_object().into_iter().flatten() {
        let decoded = account["auth"].as_str().and_then(decoded);
        if let Some((user, password)) = decoded {
            all.insert(registry.clone(), json!({ "username": user, "password": password }));
        }
    }
    Ok(Some(encoded(Value::Object(all).to_string().as_bytes())))
}

fn decoded(auth: &str) -> Option<(String, String)> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(auth.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.into(), password.trim_end_matches('\0').into()))
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE.encode(bytes)
}

/// The engine's words go to the log as they come; the image's id at the end.
async fn follow(
    mut said: Said,
    say: &dyn Fn(&str),
    file: &str,
    text: &str,
) -> Result<String, String> {
    let step = RefCell::new(String::new());
    let line = |line: &str| {
        if let Some(own) = step_of(line) {
            step.replace(own.to_string());
        }
        say(line);
    };
    let mut rest = String::new();
    let mut id = None;
    loop {
        let value = match said.next().await {
            Ok(Some(value)) => value,
            Ok(None) => break,
            Err(error) => return Err(format!("the engine went away while it built: {error}")),
        };
        if let Some(why) = Said::trouble(&value) {
            if !rest.is_empty() {
                line(&rest);
            }
            return Err(words(file, text, &step.borrow(), &why));
        }
        if let Some(own) = value["aux"]["ID"].as_str() {
            id = Some(own.to_string());
        }
        // What a registry tells of each layer over and over is only told where something of it ends.
        if let Some(words) = value["status"].as_str().filter(|_| value["progress"].is_null()) {
            line(words);
        }
        rest.push_str(value["stream"].as_str().unwrap_or_default());
        while let Some((one, more)) = rest.split_once('\n') {
            let (one, more) = (one.to_string(), more.to_string());
            rest = more;
            if !one.trim().is_empty() {
                line(&one);
            }
        }
    }
    id.ok_or_else(|| "the engine made no image, and does not say why".into())
}

/// `STEP 2/3: RUN a`, `[1/2] STEP 2/3: RUN a`, `Step 2/3 : RUN a`.
fn step_of(line: &str) -> Option<&str> {
    let at = line.find("STEP ").or_else(|| line.strip_prefix("Step ").map(|_| 0))?;
    let (count, text) = line[at + 5..].split_once(':')?;
    let is_count = count.trim().chars().all(|c| c.is_ascii_digit() || c == '/');
    (is_count && (at == 0 || line.starts_with('['))).then(|| text.trim())
}

/// What failed, with its file and line where they are known.
fn words(file: &str, text: &str, step: &str, why: &str) -> String {
    let why = why.trim();
    // An engine may repeat the step in front of the reason.
    let reason = match why.strip_prefix("building at STEP ") {
        Some(rest) => rest.split_once("\": ").map_or(why, |(_, reason)| reason),
        None => why,
    };
    let shown = if step.is_empty() { String::new() } else { format!("{step}: ") };
    match text::line_of(text, step) {
        Some(line) => format!("{file}:{line}: {shown}{reason}"),
        None => format!("{file}: {shown}{reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_said_with_its_line() {
        let text = "FROM base\nRUN echo a && \\\n  exit 3\n";
        let why =
            "building at STEP \"RUN echo a &&   exit 3\": while running runtime: exit status 3\n";
        let said = words("Dockerfile", text, "RUN echo a &&   exit 3", why);
        assert_eq!(
            said,
            "Dockerfile:2: RUN echo a &&   exit 3: while running runtime: exit status 3"
        );
        assert_eq!(words("Dockerfile", text, "", "no space"), "Dockerfile: no space");
    }

    #[test]
    fn steps_are_known_by_every_engines_words() {
        for line in ["STEP 2/3: RUN a: b", "[1/2] STEP 2/3: RUN a: b", "Step 2/3 : RUN a: b"] {
            assert_eq!(step_of(line), Some("RUN a: b"), "{line}");
        }
        for line in ["my STEP 1: x", "a step", "STEP one: x"] {
            assert_eq!(step_of(line), None, "{line}");
        }
    }
}
