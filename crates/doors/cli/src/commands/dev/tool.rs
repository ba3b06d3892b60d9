//! What builds the folder while somebody works on it: the tool's own incremental build, in the folder itself. Tools are
//! looked for in the order in which the platform's builder does; how they build differs, because nothing is kept here.

use std::path::{Path, PathBuf};

/// How a folder is built and what of it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tool {
    kind: Kind,
    /// Where it builds, and where programs run.
    pub(super) dir: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Command { line: String, output: Option<String> },
    Cargo,
    Go,
    Maven,
    Gradle { wrapper: bool },
    Node { manager: &'static str, install: bool, build: bool, start: bool, main: Option<String> },
    Python { main: Option<String> },
    Site(PathBuf),
    Nothing,
}

/// What runs where the Score file names no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// This.
    Argv(Vec<String>),
    /// The files of this folder, as they are.
    Site(PathBuf),
    /// One of these, which the build made.
    Programs(Vec<PathBuf>),
    /// Nothing is known.
    Unknown,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

impl Tool {
    pub(super) fn of(dir: &Path, command: Option<String>, output: Option<String>) -> Self {
        let has = |name: &str| dir.join(name).is_file();
        let site = || {
            let at = output.as_ref().map_or_else(
                || vec![".", "public", "dist", "build"],
                |output| vec![output.as_str()],
            );
            at.into_iter().map(|at| dir.join(at)).find(|at| at.join("index.html").is_file())
        };
        let kind = match command {
            Some(line) => Kind::Command { line, output: output.clone() },
            None if has("Cargo.toml") => Kind::Cargo,
            None if has("go.mod") => Kind::Go,
            None if has("pom.xml") => Kind::Maven,
            None if [
                "build.gradle",
                "build.gradle.kts",
                "settings.gradle",
                "settings.gradle.kts",
            ]
            .iter()
            .any(|name| has(name)) =>
            {
                Kind::Gradle { wrapper: has("gradlew") }
            }
            None if has("package.json") || has("server.js") => node(dir),
            None if [
                "uv.lock",
                "poetry.lock",
                "requirements.txt",
                "pyproject.toml",
                "setup.py",
            ]
            .iter()
            .any(|name| has(name))
                || has("main.py")
                || has("app.py") =>
            {
                let main = ["main.py", "app.py"].into_iter().find(|name| has(name));
                Kind::Python { main: main.map(Into::into) }
            }
            None => site().map_or(Kind::Nothing, Kind::Site),
        };
        Self { kind, dir: dir.into() }
    }

    /// For people.
    pub(super) const fn how(&self) -> &'static str {
        match self.kind {
            Kind::Command { .. } => "with its own command",
            Kind::Cargo => "with cargo",
            Kind::Go => "with go",
            Kind::Maven => "with maven",
            Kind::Gradle { .. } => "with gradle",
            Kind::Node { .. } => "with node",
            Kind::Python { .. } => "with python",
            Kind::Site(_) => "as it is, a static site",
            Kind::Nothing => "as it is: there is nothing to build",
        }
    }

    /// Says on standard output, as JSON, what it made.
    pub(super) fn tells(&self) -> bool {
        self.kind == Kind::Cargo
    }

    /// What builds, one after the other; `place` is a folder for what it makes.
    pub(super) fn steps(&self, place: &Path) -> Vec<Vec<String>> {
        match &self.kind {
            Kind::Command { line, .. } => vec![words(&["sh", "-c", line])],
            Kind::Cargo => {
                vec![words(&["cargo", "build", "--message-format=json-render-diagnostics"])]
            }
            Kind::Go => {
                vec![words(&["go", "build", "-o", &format!("{}/", place.display()), "./..."])]
            }
            Kind::Maven => vec![words(&["mvn", "-q", "-DskipTests", "package"])],
            Kind::Gradle { wrapper } => {
                let gradle = if *wrapper { "./gradlew" } else { "gradle" };
                vec![words(&[gradle, "-q", "assemble"])]
            }
            Kind::Node { manager, install, build, .. } => {
                let install = install.then(|| words(&[manager, "install"]));
                let build = build.then(|| words(&[manager, "run", "build"]));
                install.into_iter().chain(build).collect()
            }
            Kind::Python { .. } | Kind::Site(_) | Kind::Nothing => Vec::new(),
        }
    }

    /// What runs, after a build; `made`: what the build says it made.
    pub(super) fn entry(&self, place: &Path, made: Vec<PathBuf>) -> Entry {
        match &self.kind {
            Kind::Cargo => Entry::Programs(made),
            Kind::Go => Entry::Programs(files(place, |_| true)),
            Kind::Maven => jar(&self.dir.join("target"), "-sources"),
            Kind::Gradle { .. } => jar(&self.dir.join("build/libs"), "-plain"),
            Kind::Node { manager, start: true, .. } => {
                Entry::Argv(words(&[manager, "run", "--silent", "start"]))
            }
            Kind::Node { main: Some(main), .. } => Entry::Argv(words(&["node", main])),
            Kind::Python { main: Some(main) } => {
                let own = [".venv/bin/python", "venv/bin/python"];
                let own = own.into_iter().find(|path| self.dir.join(path).exists());
                Entry::Argv(words(&[own.unwrap_or("python3"), main]))
            }
            Kind::Site(dir) => Entry::Site(dir.clone()),
            Kind::Command { output: Some(output), .. }
                if self.dir.join(output).join("index.html").is_file() =>
            {
                Entry::Site(self.dir.join(output))
            }
            _ => procfile(&self.dir).map_or(Entry::Unknown, Entry::Argv),
        }
    }

    /// Where programs run: the folder that is kept, or the folder.
    pub(super) fn runs_in(&self) -> PathBuf {
        match &self.kind {
            Kind::Command { output: Some(output), .. } => self.dir.join(output),
            _ => self.dir.clone(),
        }
    }
}

fn node(dir: &Path) -> Kind {
    let text = std::fs::read_to_string(dir.join("package.json")).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let script = |name: &str| package["scripts"][name].is_string();
    let has = |name: &str| dir.join(name).exists();
    let manager = match () {
        () if has("pnpm-lock.yaml") => "pnpm",
        () if has("yarn.lock") => "yarn",
        () => "npm",
    };
    let needs = ["dependencies", "devDependencies"]
        .iter()
        .any(|name| package[*name].as_object().is_some_and(|all| !all.is_empty()));
    let main = package["main"].as_str().map(ToString::to_string);
    let usual = ["server.js", "index.js"].into_iter().find(|name| has(name));
    Kind::Node {
        manager,
        install: needs && !has("node_modules"),
        build: script("build"),
        start: script("start"),
        main: main.or_else(|| usual.map(Into::into)),
    }
}

fn jar(dir: &Path, not: &str) -> Entry {
    let is_it = |name: &str| name.ends_with(".jar") && !name.contains(not);
    let mut jars = files(dir, is_it);
    jars.sort_by_key(|path| path.metadata().and_then(|meta| meta.modified()).ok());
    match jars.pop() {
        Some(jar) => Entry::Argv(words(&["java", "-jar", &jar.display().to_string()])),
        None => Entry::Unknown,
    }
}

fn files(dir: &Path, is_it: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let meant = files.filter(|entry| entry.file_name().to_str().is_some_and(&is_it));
    meant.map(|entry| entry.path()).collect()
}

/// The line `web` of a Procfile.
fn procfile(dir: &Path) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(dir.join("Procfile")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("web:"))?;
    Some(words(&["sh", "-c", &format!("exec {}", line.trim())]))
}

impl Entry {
    /// The command of a container: what its Score file says, else what the build made. `name`: of the workload.
    pub(super) fn argv(
        &self,
        said: Option<Vec<String>>,
        names: [&str; 2],
        dir: &Path,
    ) -> Result<Vec<String>, String> {
        let made = |name: &str| match self {
            // The only one is meant, however an artifact calls it.
            Self::Programs(made) if made.len() == 1 => made.first(),
            Self::Programs(made) => made.iter().find(|path| {
                path.file_stem().is_some_and(|stem| stem == name)
                    || path.file_name().is_some_and(|file| file == name)
            }),
            _ => None,
        };
        if let Some(mut argv) = said {
            // `./app` is the built program's place in an artifact; here it is where the tool puts it.
            if let Some(name) = argv.first().and_then(|first| first.strip_prefix("./"))
                && !dir.join(name).exists()
                && let Some(path) = made(name)
            {
                argv[0] = path.display().to_string();
            }
            return Ok(argv);
        }
        match self {
            Self::Argv(argv) => Ok(argv.clone()),
            Self::Programs(all) => match all.as_slice() {
                [one] => Ok(vec![one.display().to_string()]),
                _ => names
                    .into_iter()
                    .find_map(made)
                    .map(|path| vec![path.display().to_string()])
                    .ok_or_else(|| {
                        let word = if all.is_empty() { "no program" } else { "several programs" };
                        format!("the build made {word}, and the container has no command")
                    }),
            },
            Self::Site(_) | Self::Unknown => {
                Err("the container has no command, and nothing here says what would run".into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn how(files: &[(&str, &str)]) -> &'static str {
        Tool::of(folder(files).path(), None, None).how()
    }

    #[test]
    fn tools_are_known_by_what_is_there() {
        assert_eq!(how(&[("Cargo.toml", ""), ("package.json", "{}")]), "with cargo");
        assert_eq!(how(&[("go.mod", ""), ("index.html", "")]), "with go");
        assert_eq!(how(&[("pom.xml", "")]), "with maven");
        assert_eq!(how(&[("build.gradle.kts", "")]), "with gradle");
        assert_eq!(how(&[("package.json", "{}")]), "with node");
        assert_eq!(how(&[("app.py", "")]), "with python");
        assert_eq!(how(&[("public/index.html", "")]), "as it is, a static site");
        assert_eq!(how(&[("score.yaml", "")]), "as it is: there is nothing to build");
        let own = Tool::of(Path::new("/"), Some("make".into()), None);
        assert_eq!(own.steps(Path::new("/")), [["sh", "-c", "make"]]);
    }

    #[test]
    fn node_installs_builds_and_starts_what_its_package_says() {
        let package = r#"{"scripts": {"build": "x", "start": "y"}, "dependencies": {"a": "1"}}"#;
        let dir = folder(&[("package.json", package), ("yarn.lock", "")]);
        let tool = Tool::of(dir.path(), None, None);
        assert_eq!(tool.steps(dir.path()), [vec!["yarn", "install"], vec!["yarn", "run", "build"]]);
        let start = words(&["yarn", "run", "--silent", "start"]);
        assert_eq!(tool.entry(dir.path(), Vec::new()), Entry::Argv(start));
        let plain = folder(&[("server.js", "")]);
        let tool = Tool::of(plain.path(), None, None);
        assert!(tool.steps(plain.path()).is_empty());
        let entry = Entry::Argv(words(&["node", "server.js"]));
        assert_eq!(tool.entry(plain.path(), Vec::new()), entry);
    }

    #[test]
    fn what_the_score_file_names_is_found_where_the_tool_put_it() {
        let made =
            Entry::Programs(vec!["/x/target/debug/web".into(), "/x/target/debug/mail".into()]);
        let dir = Path::new("/nowhere");
        let argv = |said: Option<&[&str]>, names| made.argv(said.map(words), names, dir);
        assert_eq!(
            argv(Some(&["./web", "-v"]), ["a", "b"]).unwrap(),
            ["/x/target/debug/web", "-v"]
        );
        assert_eq!(argv(Some(&["python3"]), ["a", "b"]).unwrap(), ["python3"]);
        assert_eq!(argv(None, ["mail", "shop"]).unwrap(), ["/x/target/debug/mail"]);
        assert!(argv(None, ["a", "b"]).unwrap_err().contains("several"));
    }
}
