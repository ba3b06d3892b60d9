//! `tow up --demo`: the samples are written out and deployed as anybody would, by `tow` itself through the API. Each once
//! for a data directory: what is there, and what people made of it, is theirs.

mod samples;

use crate::{data, upgrade::mention};
use samples::{ORGANISATION, SAMPLES};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tokio::process::Command;
use tow_platform::Layout;

/// One sample: its folder, the tools it needs, its files.
struct Sample {
    name: &'static str,
    tools: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
}

/// Writes everything out, applies the organisation, deploys what can be built here and was not deployed before. Says
/// each step on stderr.
pub(crate) async fn run(layout: Layout, quiet: bool) {
    let root = layout.run().join("demo");
    let (mut failed, mut begun) = (Vec::new(), false);
    let say = |text: &str| {
        if !quiet {
            mention(&format!("demo: {text}"));
        }
    };
    let mut known = noted(&layout);
    for sample in std::iter::once(&ORGANISATION).chain(SAMPLES) {
        if known.contains(sample.name) {
            continue;
        }
        if let Some(tool) = sample.tools.iter().find(|tool| !on_path(tool)) {
            say(&format!("{} is left out: {tool} is not on PATH", sample.name));
            continue;
        }
        if is_there(&layout, sample).await {
            say(&format!("{} is there already, and left as it is", sample.name));
        } else {
            begun = true;
            let folder = root.join(sample.name);
            if let Err(error) = write(&folder, sample) {
                say(&format!("{}: {error}", folder.display()));
                return;
            }
            let verb: &[&str] = if sample.name == ORGANISATION.name {
                &["apply", "-f", "."]
            } else {
                &["deploy", "."]
            };
            say(&format!("tow {} in {}", verb.join(" "), sample.name));
            if !tow(&layout, &folder, verb, quiet).await {
                failed.push(sample.name);
                continue;
            }
        }
        known.insert(sample.name.to_string());
        if let Err(error) = note(&layout, &known) {
            say(&error);
        }
    }
    let ailing = ailing(&layout, &known).await;
    match (failed.as_slice(), ailing.as_slice(), begun) {
        ([], [], true) => say("everything is deployed; tow status shows it"),
        ([], [], false) => say("deployed before, and left as it is; tow status shows it"),
        ([], ailing, _) => {
            say(&format!("deployed, but not well: {}; tow status shows it", ailing.join(", ")));
        }
        (failed, ..) => say(&format!("not deployed: {}", failed.join(", "))),
    }
}

/// What was brought to this data directory already, by name.
fn notes(layout: &Layout) -> PathBuf {
    layout.run().join("demo.done")
}

fn noted(layout: &Layout) -> BTreeSet<String> {
    let text = std::fs::read_to_string(notes(layout)).unwrap_or_default();
    text.lines().map(str::to_string).collect()
}

fn note(layout: &Layout, known: &BTreeSet<String>) -> Result<(), String> {
    let text: String = known.iter().map(|name| format!("{name}\n")).collect();
    data::write_private(&notes(layout), &text).map_err(|error| error.detail().to_string())
}

/// Is it there, whoever brought it? So it is where a demo was ended before it could note that, or ran before demos
/// noted anything.
async fn is_there(layout: &Layout, sample: &Sample) -> bool {
    if sample.name == ORGANISATION.name {
        return asked(layout, &["get", "group", samples::SOMEBODY]).await.is_some();
    }
    let deployments = asked(layout, &["deployments", sample.name]).await;
    let all = deployments.as_ref().and_then(serde_json::Value::as_array);
    all.is_some_and(|all| all.iter().any(|one| one["state"] != "failed"))
}

/// Those of the samples that are not well, with their states.
async fn ailing(layout: &Layout, known: &BTreeSet<String>) -> Vec<String> {
    let status = asked(layout, &["status"]).await.unwrap_or_default();
    let lines = status.as_array().into_iter().flatten();
    let ailing = lines.filter_map(|line| {
        let (name, state) = (line["component"].as_str()?, line["state"].as_str()?);
        let is_ailing = known.contains(name) && ["degraded", "failed"].contains(&state);
        is_ailing.then(|| format!("{name} is {state}"))
    });
    ailing.collect()
}

fn write(folder: &Path, sample: &Sample) -> std::io::Result<()> {
    for (name, text) in sample.files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn on_path(tool: &str) -> bool {
    #[expect(clippy::disallowed_methods, reason = "the host reads the host's environment")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

/// This very program as a user would run it.
fn command(layout: &Layout, verb: &[&str]) -> Option<Command> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    command
        .args(verb)
        .arg("--data")
        .arg(layout.root())
        .env_remove("TOW_URL")
        .env_remove("TOW_TOKEN")
        .env_remove("TOW_ENVIRONMENT")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Some(command)
}

/// Runs it; its words go to stderr.
async fn tow(layout: &Layout, folder: &Path, verb: &[&str], quiet: bool) -> bool {
    let Some(mut command) = command(layout, verb) else { return false };
    command.arg("--quiet").current_dir(folder);
    if quiet {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    } else {
        command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    }
    command.status().await.is_ok_and(|status| status.success())
}

/// What it answers; none where it does not, as to a question for what is not there.
async fn asked(layout: &Layout, verb: &[&str]) -> Option<serde_json::Value> {
    let mut command = command(layout, verb)?;
    command.args(["-o", "json"]).current_dir(layout.run());
    let Output { status, stdout, .. } = command.output().await.ok()?;
    if !status.success() {
        return None;
    }
    serde_json::from_slice(&stdout).ok()
}
