//! The figures the project promises, measured on the release build and printed in one table; as JSON with machine,
//! build and date where a file is named. A figure that is over its limit is shown as such and is not an error: a
//! busy machine is not a broken one.

mod catalog;
mod edge;
mod figure;
mod load;
mod many;
mod memory;
mod peers;
mod platform;
mod rollout;
mod sockets;

use crate::process::{line, output, succeeds};
use crate::workspace;
use anyhow::{Context, Result, bail};
use figure::Figure;
use platform::Running;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// How to measure.
pub(crate) struct Options {
    /// A third of the samples.
    pub(crate) short: bool,
    /// Only the catalog's figures.
    pub(crate) catalog: bool,
    /// Only the gateway's figures.
    pub(crate) edge: bool,
    /// This program, and not a release build made now.
    pub(crate) tow: Option<PathBuf>,
    /// Where to write the JSON.
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    /// Reads `[--short] [--catalog | --edge] [--tow FILE] [--json FILE]`.
    pub(crate) fn parse(args: &[&str]) -> Result<Self> {
        let mut options = Self { short: false, catalog: false, edge: false, tow: None, json: None };
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match *arg {
                "--short" => options.short = true,
                "--catalog" => options.catalog = true,
                "--edge" => options.edge = true,
                "--tow" => options.tow = Some(rest.next().context("--tow needs a file")?.into()),
                "--json" => options.json = Some(rest.next().context("--json needs a file")?.into()),
                other => {
                    bail!(
                        "bench knows --short, --catalog, --edge, --tow FILE and --json FILE, not {other}"
                    )
                }
            }
        }
        Ok(options)
    }

    fn samples(&self, full: usize) -> usize {
        if self.short { full.div_ceil(3) } else { full }
    }
}

/// Measures everything.
pub(crate) fn bench(root: &Path, options: Options) -> Result<()> {
    let tow = match &options.tow {
        Some(tow) => tow.clone(),
        None => built(root)?,
    };
    let scratch = workspace::target(root)?.join("xtask").join("bench");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    std::fs::create_dir_all(&scratch)?;

    let mut figures = Vec::new();
    if !options.catalog && !options.edge {
        figures.push(start(&tow, &scratch, options.samples(10))?);
        let running = Running::start(&tow, &scratch.join("platform"))?;
        // Whatever fails from here on, the platform is taken down again first.
        let measured = on_platform(&running, root, &options, &mut figures);
        running.down()?;
        measured?;
        let examples = root.join("examples");
        many::measure(&tow, &examples, &scratch.join("many"), options.samples(20), &mut figures)?;
    }
    if !options.catalog {
        edge::measure(&tow, &scratch.join("edge"), options.short, &mut figures)?;
    }
    if !options.edge {
        let examples = root.join("examples");
        catalog::measure(&tow, &examples, &scratch.join("catalog"), options.short, &mut figures)?;
    }

    figure::print(&figures);
    if let Some(file) = &options.json {
        let figures: Vec<Value> = figures.iter().map(Figure::json).collect();
        let report = json!({
            "date": line("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            "machine": machine(),
            "build": build_info(root, &tow),
            "short": options.short,
            "figures": figures,
        });
        std::fs::write(file, format!("{report:#}\n"))
            .with_context(|| file.display().to_string())?;
        println!("written to {}", file.display());
    }
    Ok(())
}

fn built(root: &Path) -> Result<PathBuf> {
    let mut build = Command::new("cargo");
    if !succeeds(build.args(["build", "--release"]).current_dir(root))? {
        bail!("the release build failed");
    }
    Ok(workspace::target(root)?.join("release").join("tow"))
}

fn on_platform(
    running: &Running,
    root: &Path,
    options: &Options,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    figures.push(memory::idle(running)?);
    let status = || running.tow(&["status", "-o", "json"]).map(drop);
    let peer = || output(Command::new("git").arg("--version")).map(drop);
    let samples = options.samples(20);
    rollout::deploy(running, &root.join("examples"))?;
    figures.push(
        Figure::median("`tow status`, whole process", "ms", 40.0, millis(samples, status)?)
            .beside("`git --version`, whole process", millis(samples, peer)?),
    );
    figures.push(rollout::switches(running, samples)?);
    figures.push(memory::further_shims(running, "hello-static")?);
    Ok(())
}

/// From exec to the ready line, each time on an empty store.
fn start(tow: &Path, scratch: &Path, samples: usize) -> Result<Figure> {
    let mut taken = Vec::new();
    for n in 0..samples {
        let running = Running::start(tow, &scratch.join(format!("start-{n}")))?;
        taken.push(running.ready_after.as_secs_f64() * 1e3);
        running.down()?;
    }
    let peer = || output(Command::new(tow).arg("--version")).map(drop);
    Ok(Figure::median("start → ready, empty store", "ms", 300.0, taken)
        .beside("`tow --version`, whole process", millis(samples, peer)?))
}

/// How long each call takes, in milliseconds.
fn millis(samples: usize, mut call: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    (0..samples)
        .map(|_| {
            let begun = Instant::now();
            call()?;
            Ok(begun.elapsed().as_secs_f64() * 1e3)
        })
        .collect()
}

fn machine() -> Value {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_string);
        line.and_then(|line| line.split_once(':').map(|(_, value)| value.trim().to_string()))
    };
    json!({
        "cpu": field(&text("/proc/cpuinfo"), "model name"),
        "cores": std::thread::available_parallelism().map(usize::from).unwrap_or(0),
        "memory": field(&text("/proc/meminfo"), "MemTotal"),
        "kernel": line("uname", &["-srm"]),
    })
}

fn build_info(root: &Path, tow: &Path) -> Value {
    let git = |args: &[&str]| {
        let answer = Command::new("git").args(args).current_dir(root).stdin(Stdio::null()).output();
        answer.ok().map(|answer| String::from_utf8_lossy(&answer.stdout).trim().to_string())
    };
    json!({
        "version": line(&tow.display().to_string(), &["--version"]),
        "commit": git(&["rev-parse", "HEAD"]),
        "changed": git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty()),
        "rustc": line("rustc", &["--version"]),
        "profile": "release",
        "bytes": std::fs::metadata(tow).map(|meta| meta.len()).unwrap_or(0),
    })
}
