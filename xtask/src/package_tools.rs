//! Package managers that come from registries of packages and not from the system: kept in the target folder, installed
//! only where somebody asked for it, and put on the PATH of the tests alone.

use crate::process::{line, output};
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One program out of a registry.
struct Manager {
    /// As the tests call it.
    program: &'static str,
    /// As npm or pip knows it, of which version.
    package: &'static str,
    from: From,
    /// The program in the folder it is installed into.
    at: &'static str,
}

#[derive(Clone, Copy)]
enum From {
    Npm,
    Pip,
}

const MANAGERS: [Manager; 5] = [
    Manager {
        program: "pnpm",
        package: "pnpm@9",
        from: From::Npm,
        at: "node_modules/pnpm/bin/pnpm.cjs",
    },
    Manager {
        program: "yarn",
        package: "yarn@1",
        from: From::Npm,
        at: "node_modules/yarn/bin/yarn.js",
    },
    // The later yarn has the same name: here it is a file for a project to name as its own.
    Manager {
        program: "yarn-berry",
        package: "@yarnpkg/cli-dist@4",
        from: From::Npm,
        at: "node_modules/@yarnpkg/cli-dist/bin/yarn.js",
    },
    Manager { program: "uv", package: "uv", from: From::Pip, at: "bin/uv" },
    Manager { program: "poetry", package: "poetry", from: From::Pip, at: "bin/poetry" },
];

/// The PATH of the tests, and what of the table is missing: name and why.
pub(crate) struct Found {
    pub(crate) path: OsString,
    pub(crate) missing: Vec<(String, String)>,
}

/// Looks for every manager on the PATH and in the target folder; with `install` gets those that are missing.
pub(crate) fn find(target: &Path, install: bool) -> Found {
    let tools = target.join("tools");
    let bin = tools.join("bin");
    let mut missing = Vec::new();
    for manager in &MANAGERS {
        let here = bin.join(manager.program);
        if line(manager.program, &["--version"]).is_some() || here.exists() {
            continue;
        }
        let why = match install {
            true => get(manager, &tools, &here).err(),
            false => Some("not installed".into()),
        };
        if let Some(why) = why {
            let title = format!("{} (tests that install packages with it)", manager.program);
            missing.push((title, why));
        }
    }
    #[expect(clippy::disallowed_methods, reason = "programs are looked for on the PATH")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).chain([bin]);
    Found { path: std::env::join_paths(all).unwrap_or(path), missing }
}

fn get(manager: &Manager, tools: &Path, here: &Path) -> Result<(), String> {
    let folder: PathBuf = tools.join(manager.program);
    let shown = |error: std::io::Error| format!("not installed: {error}");
    std::fs::create_dir_all(&folder).map_err(shown)?;
    let mut command = match manager.from {
        From::Npm => {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
            npm.arg(&folder);
            npm
        }
        From::Pip => {
            let mut venv = Command::new("python3");
            done(output(venv.args(["-m", "venv"]).arg(&folder)))?;
            let mut pip = Command::new(folder.join("bin/pip"));
            pip.args(["install", "--quiet"]);
            pip
        }
    };
    done(output(command.arg(manager.package)))?;
    std::fs::create_dir_all(tools.join("bin")).map_err(shown)?;
    let _ = std::fs::remove_file(here);
    symlink(folder.join(manager.at), here).map_err(shown)
}

fn done(result: anyhow::Result<String>) -> Result<(), String> {
    let said = |error: anyhow::Error| {
        let text = format!("{error:#}");
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        format!("not installed: {last}")
    };
    result.map(|_| ()).map_err(said)
}
