//! Which tool builds a folder. Looks at names, runs nothing.

use std::path::Path;
use tow_record::{BuildSpec, BuildTool};

/// Where a site's files are usually kept, below the folder.
const SITES: [&str; 4] = [".", "public", "dist", "build"];

/// A folder with one of these holds a program, even where it holds pages too.
const PROGRAMS: [&str; 14] = [
    "package.json",
    "go.mod",
    "requirements.txt",
    "pyproject.toml",
    "setup.py",
    "app.py",
    "main.py",
    "server.js",
    "Gemfile",
    "composer.json",
    "mix.exs",
    "pom.xml",
    "build.gradle",
    "Procfile",
];

/// What builds, and for files that are taken as they are: which folder is kept, below the given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detected {
    pub(crate) tool: BuildTool,
    pub(crate) keep: String,
    /// In words, for the log.
    pub(crate) because: String,
}

pub(crate) fn detect(folder: &Path, spec: &BuildSpec) -> Detected {
    let found = |tool, keep: &str, because: String| Detected { tool, keep: keep.into(), because };
    let output = spec.output.as_deref();
    let keep = output.unwrap_or(".");
    let has = |name: &str| folder.join(name).is_file();
    if spec.command.is_some() {
        return found(BuildTool::Command, keep, "tow.yaml has a build.command".into());
    }
    if has("Cargo.toml") {
        return found(BuildTool::Cargo, keep, "there is Cargo.toml".into());
    }
    let program = PROGRAMS.into_iter().find(|name| has(name));
    if let (Some(program), None) = (program, output) {
        return found(BuildTool::None, ".", format!("there is {program}: the folder is what runs"));
    }
    let sites: &[&str] = if output.is_some() { &[keep] } else { &SITES };
    match sites.iter().find(|site| folder.join(site).join("index.html").is_file()) {
        Some(site) => found(BuildTool::Static, site, format!("there is {}", page(site))),
        None => found(BuildTool::None, keep, "no build tool was detected".into()),
    }
}

/// Is what a command left in `keep` a site? Only where the folder was named: the source beside a program may hold
/// pages too.
pub(crate) fn is_site(folder: &Path, spec: &BuildSpec) -> bool {
    spec.output.as_deref().is_some_and(|keep| folder.join(keep).join("index.html").is_file())
}

/// Files that tell the platform something and are no page of a site: the names `tow deploy` reads in a component's
/// folder, and what is hidden.
pub(crate) fn is_for_the_platform(path: &str) -> bool {
    if path.split('/').any(|part| part.starts_with('.') && part != ".well-known") {
        return true;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    stem.is_some_and(|stem| {
        matches!(stem, "score" | "tow" | "catalog-info")
            || stem.ends_with(".score")
            || stem.starts_with("score-")
    })
}

fn page(site: &str) -> String {
    if site == "." { "index.html".into() } else { format!("{site}/index.html") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_names::{Digest, Duration};

    fn of(files: &[&str], command: Option<&str>, output: Option<&str>) -> (BuildTool, String) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let spec = BuildSpec {
            command: command.map(Into::into),
            output: output.map(Into::into),
            ..BuildSpec::new(Digest::of(b""), Duration::from_secs(1))
        };
        let found = detect(dir.path(), &spec);
        (found.tool, found.keep)
    }

    #[test]
    fn tools_are_detected() {
        let is = |tool, keep: &str| (tool, keep.to_string());
        assert_eq!(of(&["Cargo.toml", "index.html"], None, None), is(BuildTool::Cargo, "."));
        assert_eq!(of(&["Cargo.toml"], Some("make"), None), is(BuildTool::Command, "."));
        assert_eq!(of(&["index.html"], None, None), is(BuildTool::Static, "."));
        assert_eq!(of(&["public/index.html"], None, None), is(BuildTool::Static, "public"));
        assert_eq!(of(&["site/index.html"], None, Some("site")), is(BuildTool::Static, "site"));
        assert_eq!(of(&["site/index.html"], None, None), is(BuildTool::None, "."));
        let node = ["package.json", "public/index.html"];
        assert_eq!(of(&node, None, None), is(BuildTool::None, "."));
        assert_eq!(of(&node, None, Some("public")), is(BuildTool::Static, "public"));
        assert_eq!(of(&["app.py"], None, None), is(BuildTool::None, "."));
    }

    #[test]
    fn a_site_does_not_serve_what_is_for_the_platform() {
        for path in
            ["score.yaml", "web.score.yaml", "score-web.yml", "tow.yaml", ".git/x", ".npmrc"]
        {
            assert!(is_for_the_platform(path), "{path}");
        }
        for path in ["index.html", ".well-known/security.txt", "a/style.css", "scores.yaml"] {
            assert!(!is_for_the_platform(path), "{path}");
        }
    }
}
