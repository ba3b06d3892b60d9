//! Where the workspace is, which crates it has, and which files belong to it.

use crate::process::output;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate of ours.
pub(crate) struct Crate {
    /// Its package name.
    pub(crate) name: String,
    /// Its folder below the root, such as `crates/language/names`.
    pub(crate) folder: String,
    /// Names of the packages it needs to run or to be built, ours and others; not those of its tests.
    pub(crate) needs: BTreeSet<String>,
}

/// The workspace's root: the folder above this crate.
pub(crate) fn root() -> Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "cargo tells its children where they are")]
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("start it as `cargo xtask`")?;
    Ok(Path::new(&own).parent().context("xtask has no folder above it")?.to_path_buf())
}

/// `cargo metadata` without third-party packages.
fn metadata(root: &Path) -> Result<Value> {
    let text = output(
        Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
            .current_dir(root),
    )?;
    serde_json::from_str(&text).context("`cargo metadata` did not answer in JSON")
}

/// All crates of the workspace, by name.
pub(crate) fn crates(root: &Path) -> Result<Vec<Crate>> {
    let metadata = metadata(root)?;
    let mut crates = Vec::new();
    for package in metadata["packages"].as_array().context("no packages")? {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().and_then(|dir| dir.strip_prefix(root).ok());
        let needs = package["dependencies"].as_array().into_iter().flatten();
        crates.push(Crate {
            name: package["name"].as_str().unwrap_or_default().to_string(),
            folder: folder.context("a crate outside the workspace")?.display().to_string(),
            needs: needs
                .filter(|needed| needed["kind"].as_str() != Some("dev"))
                .filter_map(|needed| needed["name"].as_str().map(str::to_string))
                .collect(),
        });
    }
    crates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(crates)
}

/// Where cargo puts what it builds.
pub(crate) fn target(root: &Path) -> Result<PathBuf> {
    let metadata = metadata(root)?;
    Ok(PathBuf::from(metadata["target_directory"].as_str().context("no target directory")?))
}

/// Every file that is committed or would be, below the root, sorted.
pub(crate) fn files(root: &Path) -> Result<Vec<String>> {
    let list = output(
        Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root),
    )?;
    let mut files: Vec<String> = list
        .split('\0')
        .filter(|file| !file.is_empty() && root.join(file).is_file())
        .map(str::to_string)
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}
