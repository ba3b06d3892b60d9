//! `tow up --demo`: the samples are written out and deployed as anybody would, by `tow` itself through the API.

mod samples;

use samples::{ORGANISATION, SAMPLES};
use std::{path::Path, process::Stdio};
use tokio::process::Command;
use tow_platform::Layout;

/// One sample: its folder, the tool it needs, its files.
struct Sample {
    name: &'static str,
    tool: Option<&'static str>,
    files: &'static [(&'static str, &'static str)],
}

/// Writes everything out, applies the organisation, deploys what can be built here. Says each step on stderr.
pub(crate) async fn run(layout: Layout, quiet: bool) {
    let root = layout.run().join("demo");
    let mut failed = Vec::new();
    let say = |text: &str| {
        if !quiet {
            anstream::eprintln!("demo: {text}");
        }
    };
    for sample in std::iter::once(&ORGANISATION).chain(SAMPLES) {
        let folder = root.join(sample.name);
        if let Err(error) = write(&folder, sample) {
            say(&format!("{}: {error}", folder.display()));
            return;
        }
        if let Some(tool) = sample.tool
            && !on_path(tool)
        {
            say(&format!("{} is left out: {tool} is not on PATH", sample.name));
            continue;
        }
        let verb: &[&str] =
            if sample.name == ORGANISATION.name { &["apply", "-f", "."] } else { &["deploy", "."] };
        say(&format!("tow {} in {}", verb.join(" "), sample.name));
        if !tow(&layout, &folder, verb, quiet).await {
            failed.push(sample.name);
        }
    }
    if failed.is_empty() {
        say("everything is deployed; tow status shows it");
    } else {
        say(&format!("not deployed: {}", failed.join(", ")));
    }
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

/// Runs this very program as a user would; its words go to stderr.
async fn tow(layout: &Layout, folder: &Path, verb: &[&str], quiet: bool) -> bool {
    let Ok(own) = std::env::current_exe() else { return false };
    let mut command = Command::new(own);
    command
        .args(verb)
        .arg("--quiet")
        .arg("--data")
        .arg(layout.root())
        .current_dir(folder)
        .env_remove("TOW_URL")
        .env_remove("TOW_TOKEN")
        .env_remove("TOW_ENVIRONMENT")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if quiet {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    } else {
        command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    }
    command.status().await.is_ok_and(|status| status.success())
}
