//! The references, written by the binary itself (`tow reference DIR`) and committed, so that a changed verb, endpoint,
//! kind, variable or error code shows in a review. This room knows where they belong and nothing of what they say.
//!
//! `tow reference DIR` writes into an empty folder: `openapi/…` belongs below the root, all else below
//! `docs/reference/`.

use crate::{process, workspace};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a check found.
pub(crate) enum Answer {
    /// What is committed is what the binary writes.
    Same,
    /// There is nothing to compare with, and why.
    NotYet(String),
}

/// Where committed references live; everything in these folders comes from the binary.
const HOMES: [&str; 2] = ["openapi", "docs/reference"];

/// By path below the root.
type Files = BTreeMap<String, Vec<u8>>;

/// Compares; an error names what differs.
pub(crate) fn check(root: &Path) -> Result<Answer> {
    let wanted = match fresh(root)? {
        Ok(files) => files,
        Err(why) => return Ok(Answer::NotYet(why)),
    };
    let kept = committed(root)?;
    let mut wrong = Vec::new();
    for (path, bytes) in &wanted {
        match kept.get(path) {
            None => wrong.push(format!("{path}: missing")),
            Some(kept) if kept != bytes => {
                wrong.push(format!("{path}: {}", first_change(kept, bytes)))
            }
            Some(_) => {}
        }
    }
    for path in kept.keys().filter(|path| !wanted.contains_key(*path)) {
        wrong.push(format!("{path}: the binary writes no such file"));
    }
    for line in &wrong {
        println!("{line}");
    }
    if !wrong.is_empty() {
        bail!("{} references are not what the binary says; `cargo xtask generate`", wrong.len());
    }
    println!("{} references, all as the binary writes them", wanted.len());
    Ok(Answer::Same)
}

/// Writes them all, and takes away what the binary no longer writes.
pub(crate) fn write(root: &Path) -> Result<()> {
    let wanted = match fresh(root)? {
        Ok(files) => files,
        Err(why) => bail!("nothing to write: {why}"),
    };
    for path in committed(root)?.keys().filter(|path| !wanted.contains_key(*path)) {
        std::fs::remove_file(root.join(path))?;
        println!("gone: {path}");
    }
    for (path, bytes) in &wanted {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        std::fs::write(path, bytes)?;
    }
    println!("{} references written", wanted.len());
    Ok(())
}

/// Asks the binary. The inner error says why there is nothing to ask.
fn fresh(root: &Path) -> Result<Result<Files, String>> {
    let target = workspace::target(root)?;
    // The whole workspace's features, so that nothing is compiled a second time for the tests.
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--workspace", "--bin", "tow"]).current_dir(root);
    if !process::succeeds(&mut build)? {
        bail!("tow does not build");
    }
    let dir = target.join("xtask").join("reference");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    let asked = Command::new(target.join("debug").join("tow"))
        .arg("reference")
        .arg(&dir)
        .stdin(Stdio::null())
        .output()
        .context("starting tow reference")?;
    if !asked.status.success() {
        let talk = String::from_utf8_lossy(&asked.stderr);
        if talk.contains("unrecognized subcommand") {
            return Ok(Err("`tow` has no verb `reference` yet".into()));
        }
        bail!("`tow reference` failed\n{}", talk.trim_end());
    }
    let mut files = Files::new();
    collect(&dir, "", &mut files)?;
    if files.is_empty() {
        return Ok(Err("`tow reference` writes nothing".into()));
    }
    let home = |path: String| {
        if path.starts_with("openapi/") { path } else { format!("docs/reference/{path}") }
    };
    Ok(Ok(files.into_iter().map(|(path, bytes)| (home(path), bytes)).collect()))
}

fn committed(root: &Path) -> Result<Files> {
    let mut files = Files::new();
    for home in HOMES {
        collect(&root.join(home), &format!("{home}/"), &mut files)?;
    }
    Ok(files)
}

fn collect(dir: &Path, prefix: &str, files: &mut Files) -> Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files)?;
        } else {
            files.insert(format!("{prefix}{name}"), std::fs::read(&path)?);
        }
    }
    Ok(())
}

/// `line 12: was «…», is «…»`.
fn first_change(kept: &[u8], wanted: &[u8]) -> String {
    let (kept, wanted) = (String::from_utf8_lossy(kept), String::from_utf8_lossy(wanted));
    let lines = kept.lines().chain(std::iter::repeat("(end)")).zip(wanted.lines().chain(["(end)"]));
    for (n, (was, is)) in lines.enumerate() {
        if was != is {
            return format!("line {}: was «{}», is «{}»", n + 1, was.trim(), is.trim());
        }
    }
    "differs at its end".into()
}
