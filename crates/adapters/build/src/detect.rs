//! Which tool builds a folder, and what of it runs. Looks at names and a few texts, runs nothing.

use crate::dockerfile;
use crate::sight::Sight;
use tow_record::{BuildSpec, BuildTool};

/// Where a site's files are usually kept, below the folder.
const SITES: [&str; 4] = [".", "public", "dist", "build"];

/// One line of the table: a tool, and the files it is known by.
struct Detector {
    tool: BuildTool,
    /// The first of them that is there tells the tool.
    files: &'static [&'static str],
}

/// Every tool, in the order in which they are looked for: what compiles comes before what may only be beside it.
const DETECTORS: [Detector; 6] = [
    Detector { tool: BuildTool::Cargo, files: &["Cargo.toml"] },
    Detector { tool: BuildTool::Go, files: &["go.mod"] },
    Detector { tool: BuildTool::Maven, files: &["pom.xml"] },
    Detector {
        tool: BuildTool::Gradle,
        files: &["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"],
    },
    Detector { tool: BuildTool::Node, files: &["package.json", "server.js"] },
    Detector {
        tool: BuildTool::Python,
        files: &[
            "uv.lock",
            "poetry.lock",
            "requirements.txt",
            "pyproject.toml",
            "setup.py",
            "main.py",
            "app.py",
        ],
    },
];

/// What builds, and for files that are taken as they are: which folder is kept, below the given one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detected {
    pub(crate) tool: BuildTool,
    pub(crate) keep: String,
    /// In words, for plan and log.
    pub(crate) because: String,
    /// Something of it will run without a command being given.
    pub(crate) runs: bool,
    /// What should be known.
    pub(crate) notes: Vec<String>,
}

/// Looks at a folder. The error says what there is, what was expected and what helps.
pub(crate) fn detect(sight: &Sight, spec: &BuildSpec) -> Result<Detected, String> {
    if sight.is_empty() {
        return Err(match spec.dir.as_str() {
            "" => "the source is empty: nothing can be built".into(),
            dir => format!(
                "build.dir says {dir:?}: there is no such folder in the source; is it named in .gitignore or .towignore?"
            ),
        });
    }
    let lines = Procfile::of(sight);
    let (tool, keep, because) = tool(sight, spec)?;
    let web = lines.web.is_some();
    let runs = match tool {
        BuildTool::Node => web || node_starts(sight),
        BuildTool::Python => web || python_starts(sight),
        BuildTool::None => web,
        // Whether a command makes pages is known after it, and only of what build.output names.
        BuildTool::Command => spec.output.is_some(),
        _ => true,
    };
    let mut notes = lines.notes();
    let others = seen(sight).filter(|(other, _)| *other != tool).map(|(_, file)| file);
    let others: Vec<&str> = others.collect();
    if !others.is_empty() && !matches!(tool, BuildTool::Command | BuildTool::Static) {
        notes.push(format!(
            "there is {} too, which is not built: a build.command in tow.yaml can build both",
            others.join(", ")
        ));
    }
    if sight.has("Dockerfile") && tool != BuildTool::Dockerfile {
        notes.push(
            "there is a Dockerfile too, which is not used; build.dockerfile in tow.yaml makes it the build".into(),
        );
    }
    Ok(Detected { tool, keep, because, runs, notes })
}

fn tool(sight: &Sight, spec: &BuildSpec) -> Result<(BuildTool, String, String), String> {
    let output = spec.output.as_deref();
    let keep = output.unwrap_or(".").to_string();
    if spec.dockerfile.is_some()
        && let Some((_, because)) = dockerfile::file(sight, spec)?
    {
        return Ok((BuildTool::Dockerfile, keep, because));
    }
    if spec.command.is_some() {
        return Ok((BuildTool::Command, keep, "tow.yaml has a build.command".into()));
    }
    let first = seen(sight).next();
    let builds = |(tool, _): &(BuildTool, _)| match tool {
        BuildTool::Node => script(sight, "build").is_some(),
        BuildTool::Python => false,
        _ => true,
    };
    let sites: &[&str] = output.as_ref().map_or(&SITES, std::slice::from_ref);
    let page = sites.iter().find(|site| sight.has(&page(site)));
    if first.is_none()
        && spec.output.is_none()
        && let Some((_, because)) = dockerfile::file(sight, spec)?
    {
        return Ok((BuildTool::Dockerfile, keep, because));
    }
    match (first, page) {
        // Pages in the folder that was named, beside a program that builds nothing: the pages are meant.
        (Some(first), Some(site)) if output.is_some() && !builds(&first) => {
            Ok((BuildTool::Static, (*site).into(), format!("there is {}", self::page(site))))
        }
        (Some((tool, file)), _) => Ok((tool, keep, format!("there is {file}"))),
        (None, Some(site)) => {
            Ok((BuildTool::Static, (*site).into(), format!("there is {}", self::page(site))))
        }
        (None, None) if sight.has("Procfile") => {
            Ok((BuildTool::None, keep, "there is a Procfile: the folder is what runs".into()))
        }
        (None, None) => {
            Ok((BuildTool::None, keep, format!("no tool was detected; {}", looked_for())))
        }
    }
}

/// The tools that are known by what is there, in order, each with its file.
fn seen(sight: &Sight) -> impl Iterator<Item = (BuildTool, &'static str)> {
    DETECTORS.iter().filter_map(|detector| {
        let file = detector.files.iter().find(|file| sight.has(file))?;
        Some((detector.tool, *file))
    })
}

/// In words: every file of the table.
fn looked_for() -> String {
    let files: Vec<&str> =
        DETECTORS.iter().flat_map(|detector| detector.files.iter().copied()).collect();
    format!("looked for {}, index.html, Procfile and Dockerfile", files.join(", "))
}

/// A script of `package.json`.
pub(crate) fn script(sight: &Sight, name: &str) -> Option<String> {
    let text = sight.package()["scripts"][name].as_str()?.trim().to_string();
    (!text.is_empty()).then_some(text)
}

/// Does `scripts.start` start what serves pages while they are written? Then it is a site, and its pages are what is
/// deployed.
pub(crate) fn starts_a_workshop(start: &str) -> bool {
    let mut words = start.split_whitespace().filter(|word| !word.contains('='));
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match first {
        "react-scripts" | "ng" | "gatsby" | "webpack" | "parcel" | "eleventy" | "astro" => {
            matches!(second, "start" | "serve" | "develop" | "dev" | "--serve")
        }
        "vite" => !matches!(second, "build"),
        _ => false,
    }
}

fn node_starts(sight: &Sight) -> bool {
    let package = sight.package();
    script(sight, "start").is_some()
        || script(sight, "build").is_some()
        || package["main"].is_string()
        || ["server.js", "index.js"].iter().any(|name| sight.has(name))
}

fn python_starts(sight: &Sight) -> bool {
    crate::tools::python::STARTS.iter().any(|name| sight.has(name))
        || sight.text("pyproject.toml").is_some_and(|text| text.contains("scripts]"))
}

/// The lines of a `Procfile` that mean something here. Source: the convention that Heroku's documentation describes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Procfile {
    pub(crate) web: Option<String>,
    pub(crate) release: Option<String>,
    pub(crate) others: Vec<(String, String)>,
}

impl Procfile {
    pub(crate) fn of(sight: &Sight) -> Self {
        let mut all = Self::default();
        for line in sight.text("Procfile").unwrap_or_default().lines() {
            let Some((name, command)) = line.split_once(':') else { continue };
            let (name, command) = (name.trim(), command.trim().to_string());
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(word) || command.is_empty() {
                continue;
            }
            match name {
                "web" => all.web = Some(command),
                "release" => all.release = Some(command),
                _ => all.others.push((name.into(), command)),
            }
        }
        all
    }

    fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self
            .others
            .iter()
            .map(|(name, command)| {
                format!(
                    "Procfile: {name} needs a workload of its own: a {name}.score.yaml whose container has image: . \
                     and the command {command:?}"
                )
            })
            .collect();
        if let Some(command) = &self.release {
            notes.push(format!(
                "Procfile: the release line is not run by itself: say release: [sh, -c, {command:?}] for the workload \
                 in tow.yaml"
            ));
        }
        notes
    }
}

/// Is what a build left in `keep` a site? Only where the folder was named: the source beside a program may hold pages
/// too.
pub(crate) fn is_site(folder: &std::path::Path, spec: &BuildSpec) -> bool {
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

    fn spec(command: Option<&str>, output: Option<&str>) -> BuildSpec {
        BuildSpec {
            command: command.map(Into::into),
            output: output.map(Into::into),
            ..BuildSpec::new(Digest::of(b""), Duration::from_secs(1))
        }
    }

    fn of(files: &[&str], command: Option<&str>, output: Option<&str>) -> (BuildTool, String) {
        let files: Vec<(&str, &str)> = files.iter().map(|name| (*name, "")).collect();
        let found = detect(&Sight::of(&files), &spec(command, output)).unwrap();
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
        assert_eq!(of(&node, None, None), is(BuildTool::Node, "."));
        assert_eq!(of(&node, None, Some("public")), is(BuildTool::Static, "public"));
        assert_eq!(of(&["app.py"], None, None), is(BuildTool::Python, "."));
        assert_eq!(of(&["go.mod", "package.json"], None, None), is(BuildTool::Go, "."));
        assert_eq!(of(&["pom.xml"], None, None), is(BuildTool::Maven, "."));
        assert_eq!(of(&["build.gradle.kts"], None, None), is(BuildTool::Gradle, "."));
        assert_eq!(of(&["Procfile", "run.sh"], None, None), is(BuildTool::None, "."));
    }

    #[test]
    fn what_is_not_built_is_said() {
        let sight = Sight::of(&[
            ("go.mod", ""),
            ("package.json", "{}"),
            ("Procfile", "web: ./a\nworker: ./b --all\nrelease: ./migrate\n# no line\n"),
        ]);
        let found = detect(&sight, &spec(None, None)).unwrap();
        let notes = found.notes.join("\n");
        for said in ["worker needs a workload", "release: [sh, -c", "package.json too"] {
            assert!(notes.contains(said), "{said} in {notes}");
        }
        let found = detect(&Sight::of(&[("a.txt", "")]), &spec(None, None)).unwrap();
        assert!(!found.runs && found.because.contains("looked for Cargo.toml, go.mod, pom.xml"));
        let made = |output| detect(&sight, &spec(Some("make"), output)).unwrap().runs;
        assert!(!made(None) && made(Some("dist")), "only build.output may turn out to be pages");
        let of = |text: &str| detect(&Sight::of(&[("Dockerfile", text)]), &spec(None, None));
        let refused = of("FROM a\nCOPYY b c\n").unwrap_err();
        assert!(refused.starts_with("Dockerfile:2:"), "{refused}");
        let found = of("FROM a\n").unwrap();
        assert_eq!((found.tool, found.runs), (BuildTool::Dockerfile, true));
        let refused = detect(&Sight::default(), &spec(None, None)).unwrap_err();
        assert!(refused.contains("empty"), "{refused}");
    }

    #[test]
    fn workshops_are_no_servers() {
        for start in ["vite", "react-scripts start", "NODE_ENV=x ng serve", "astro dev"] {
            assert!(starts_a_workshop(start), "{start}");
        }
        for start in ["node server.js", "next start", "vite build && node x", "serve"] {
            assert!(!starts_a_workshop(start), "{start}");
        }
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
