//! Node: the package manager that the lock file names, `scripts.build`, and what is started: a line of the `Procfile`,
//! `scripts.start`, `main`, or the pages that were made.
//!
//! What is installed for building stays with the component; what the artifact needs is installed beside it without the
//! tools, so that neither has to be done again until the lock file changes.

use super::folder;
use crate::archive::{self, Items};
use crate::detect::{self, Procfile};
use crate::sight::Sight;
use crate::tree;
use crate::yard::{Output, Yard, within, words};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tow_names::Digest;

/// Where generators leave their pages.
const SITES: [&str; 6] = ["dist", "build", "out", "public", "_site", ".output/public"];
/// What a package manager decides by.
const INPUTS: [&str; 10] = [
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    ".pnpmfile.cjs",
    "yarn.lock",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
];
/// Folders that those name: yarn itself, what extends it, and changes to packages.
const BESIDE: [&str; 4] = [".yarn/releases", ".yarn/plugins", ".yarn/patches", "patches"];
/// What yarn keeps in the source for itself: nothing that runs, and never the same twice.
const OF_YARN: [&str; 6] = [
    ".yarn/cache/",
    ".yarn/unplugged/",
    ".yarn/install-state.gz",
    ".yarn/build-state.yml",
    ".pnp.cjs",
    ".pnp.loader.mjs",
];
const BIN: &str = "node_modules/.bin";

/// What installs, where anything has to be.
pub(crate) fn manager(sight: &Sight) -> Option<&'static str> {
    let package = sight.package();
    let some = |key: &str| package[key].as_object().is_some_and(|all| !all.is_empty());
    let scripts = ["build", "prebuild"].iter().any(|name| detect::script(sight, name).is_some());
    if sight.has("pnpm-lock.yaml") {
        Some("pnpm")
    } else if sight.has("yarn.lock") {
        Some("yarn")
    } else if some("dependencies")
        || some("devDependencies")
        || some("optionalDependencies")
        || scripts
    {
        Some("npm")
    } else {
        None
    }
}

pub(crate) fn build(yard: &Yard<'_>) -> Result<Output, String> {
    let package = yard.sight.package();
    if yard.sight.has("package.json") && package.is_null() {
        return Err("package.json is not valid JSON".into());
    }
    let some = |key: &str| package[key].as_object().is_some_and(|all| !all.is_empty());
    let manager = manager(&yard.sight);
    let depends = some("dependencies") || some("devDependencies") || some("optionalDependencies");
    if let (Some(manager), true) = (manager, depends) {
        install(yard, manager, false, &yard.folder, &package)?;
    }
    let script = detect::script(&yard.sight, "build");
    if let (Some(manager), Some(_)) = (manager, &script) {
        let program = yard.find(manager)?;
        yard.run_with(&program, &["run", "build"], &said_to(is_berry(&yard.folder)), None)?;
    }
    if let Some(site) = site(yard, script.is_some()) {
        (yard.say)(&format!("what was built is a site: {site}"));
        return folder::pages(&within(&yard.folder, &site, "build.output")?);
    }
    let mut items = match &yard.order.spec.output {
        Some(output) => archive::items(&within(&yard.folder, output, "build.output")?, "")?,
        None => {
            let mut items = yard.files(&["node_modules"])?;
            items.retain(|path, _| !OF_YARN.iter().any(|kept| path.starts_with(kept)));
            items.extend(modules(yard, manager, depends, some("devDependencies"))?);
            items
        }
    };
    // What a build keeps for the next one is nothing that runs.
    items.retain(|path, _| !path.starts_with(".next/cache/"));
    let entry = entry(yard, &items);
    Ok(Output { items, entry, is_static: false })
}

/// The folder of pages, where that is what was made.
fn site(yard: &Yard<'_>, built: bool) -> Option<String> {
    let spec = &yard.order.spec;
    if detect::is_site(&yard.folder, spec) {
        return spec.output.clone();
    }
    let package = yard.sight.package();
    let start = detect::script(&yard.sight, "start");
    let serves = start.is_some_and(|start| !detect::starts_a_workshop(&start))
        || package["main"].is_string()
        || Procfile::of(&yard.sight).web.is_some()
        || ["server.js", "index.js"].iter().any(|name| yard.sight.has(name));
    if !built || serves || spec.output.is_some() {
        return None;
    }
    SITES
        .iter()
        .find(|site| yard.folder.join(site).join("index.html").is_file())
        .map(|site| (*site).to_string())
}

/// The modules that run: those that were installed where no others were, else a second installation without the tools.
fn modules(
    yard: &Yard<'_>,
    manager: Option<&str>,
    depends: bool,
    has_tools: bool,
) -> Result<Items, String> {
    let (Some(manager), true) = (manager, depends) else { return Ok(Items::new()) };
    let package = yard.sight.package();
    let from = if has_tools {
        let beside = yard.slot.kept("running");
        for name in INPUTS {
            let (from, to) = (yard.folder.join(name), beside.join(name));
            let done = std::fs::create_dir_all(&beside).and_then(|()| match from.is_file() {
                true => std::fs::copy(&from, &to).map(|_| ()),
                false => std::fs::remove_file(&to).or(Ok(())),
            });
            done.map_err(|error| format!("cannot write {}: {error}", to.display()))?;
        }
        for name in BESIDE.map(PathBuf::from).into_iter().chain(of_this_folder(&package)) {
            let (from, to) = (yard.folder.join(&name), beside.join(&name));
            let done = match from.is_dir() {
                true => tree::mirror(&from, &to, &[]),
                false => tree::clear(&to),
            };
            done.map_err(|error| format!("cannot write {}: {error}", to.display()))?;
        }
        install(yard, manager, true, &beside, &package)?;
        beside.join("node_modules")
    } else {
        yard.folder.join("node_modules")
    };
    if !from.is_dir() {
        return Ok(Items::new());
    }
    let mut items = archive::items(&from, "node_modules/")?;
    // What package managers note for themselves tells when and where it was installed.
    items.retain(|path, _| {
        ![
            ".package-lock.json",
            ".modules.yaml",
            ".yarn-integrity",
            ".yarn-state.yml",
            ".pnpm-workspace-state-v1.json",
            ".pnpm-workspace-state.json",
        ]
        .iter()
        .any(|name| path.ends_with(&format!("node_modules/{name}")))
            && !path.starts_with("node_modules/.cache/")
    });
    Ok(items)
}

/// Installs into `folder`, unless it was with the same lock file, manager and settings.
fn install(
    yard: &Yard<'_>,
    manager: &str,
    running: bool,
    folder: &Path,
    package: &Value,
) -> Result<(), String> {
    let what = what(yard, manager, folder, package)?;
    let stamp = if running { "running" } else { "modules" };
    if yard.holds(stamp, &what) && folder.join("node_modules").is_dir() {
        (yard.say)(&format!("{manager}: the dependencies are as they were"));
        return Ok(());
    }
    yard.note(stamp, None)?;
    let program = yard.find(manager)?;
    let locked = ["package-lock.json", "npm-shrinkwrap.json"];
    let locked = locked.iter().any(|name| folder.join(name).is_file());
    let kept = |name: &str| yard.slot.kept(name).display().to_string();
    let (cache, store) = (kept("npm"), kept("pnpm-store"));
    let store = format!("--store-dir={store}");
    let berry = manager == "yarn" && is_berry(folder);
    if running {
        tree::clear(&folder.join("node_modules"))
            .map_err(|error| format!("cannot clear {}: {error}", folder.display()))?;
    }
    let folder = folder.display().to_string();
    let mut args = match manager {
        "pnpm" => vec!["install", "--frozen-lockfile", store.as_str(), "--dir", &folder],
        // Of the later yarn, where it is to work comes before everything else.
        "yarn" if berry && running => {
            vec!["--cwd", &folder, "workspaces", "focus", "--production"]
        }
        "yarn" if berry => vec!["--cwd", &folder, "install", "--immutable"],
        "yarn" => vec!["install", "--frozen-lockfile", "--non-interactive", "--cwd", &folder],
        _ if locked => vec!["ci", "--no-audit", "--no-fund", "--prefix", &folder],
        _ => vec!["install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", &folder],
    };
    match manager {
        _ if !running || berry => {}
        "pnpm" => args.push("--prod"),
        "yarn" => args.push("--production"),
        _ => args.push("--omit=dev"),
    }
    let mut env = said_to(berry);
    env.push(("npm_config_cache", &cache));
    yard.run_with(&program, &args, &env, None)?;
    yard.note(stamp, Some(&what))
}

/// Yarn since its second version: another program of the same name, told by its settings or by its lock file.
fn is_berry(folder: &Path) -> bool {
    folder.join(".yarnrc.yml").is_file()
        || std::fs::read_to_string(folder.join("yarn.lock"))
            .is_ok_and(|text| text.lines().any(|line| line == "__metadata:"))
}

/// What the later yarn is told: modules as a folder, which can be packed and put elsewhere, whatever the project says; no
/// word to anybody about what is built.
fn said_to(berry: bool) -> Vec<(&'static str, &'static str)> {
    if berry {
        vec![("YARN_NODE_LINKER", "node-modules"), ("YARN_ENABLE_TELEMETRY", "0")]
    } else {
        Vec::new()
    }
}

/// Folders of the source that the package depends on: `file:./dep`.
fn of_this_folder(package: &Value) -> Vec<PathBuf> {
    ["dependencies", "devDependencies", "optionalDependencies"]
        .iter()
        .filter_map(|key| package[*key].as_object())
        .flat_map(|all| all.values())
        .filter_map(|said| {
            let said = said.as_str()?;
            let path = ["file:", "link:", "portal:"].iter().find_map(|at| said.strip_prefix(at))?;
            archive::inside(Path::new(path)).filter(|path| path.components().count() > 0)
        })
        .collect()
}

/// Everything that decides what is installed.
fn what(yard: &Yard<'_>, manager: &str, folder: &Path, package: &Value) -> Result<String, String> {
    let mut texts = Vec::new();
    for name in INPUTS {
        // Of a package.json only what it depends on: scripts and versions change without anything to install.
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        texts.push(match serde_json::from_str::<Value>(&text) {
            Ok(package) if name == "package.json" => [
                "dependencies",
                "devDependencies",
                "optionalDependencies",
                "peerDependencies",
                "overrides",
                "resolutions",
                "workspaces",
                "packageManager",
            ]
            .map(|key| package[key].to_string())
            .join("\n"),
            _ => text,
        });
    }
    // Packages of this very folder are copied by some managers: they are installed again where they changed.
    for below in of_this_folder(package) {
        for (path, full) in archive::items(&folder.join(&below), "").unwrap_or_default() {
            let bytes = std::fs::read(full).unwrap_or_default();
            texts.push(format!("{} {path} {}", below.display(), Digest::of(&bytes)));
        }
    }
    let version = yard.order.spec.found.as_ref().map(|found| found.toolchain.clone());
    let parts = serde_json::json!([1, manager, version, texts]);
    Ok(Digest::of(parts.to_string().as_bytes()).to_string())
}

/// What is started.
fn entry(yard: &Yard<'_>, items: &Items) -> Vec<String> {
    let has = |name: &str| items.contains_key(name);
    let line = Procfile::of(&yard.sight)
        .web
        .or_else(|| detect::script(&yard.sight, "start"))
        .map(|line| words(&line, &[BIN], &has));
    if let Some(words) = line {
        return words;
    }
    let package = yard.sight.package();
    let main = package["main"].as_str().map(|main| main.trim_start_matches("./").to_string());
    let main = main.filter(|main| has(main));
    let main = main.or_else(|| {
        ["server.js", "index.js"].into_iter().find(|name| has(name)).map(ToString::to_string)
    });
    main.map(|main| vec!["node".to_string(), main]).unwrap_or_default()
}
