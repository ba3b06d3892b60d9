//! Which programs build with which tool, where they are, and what they call themselves. Asked before a build, because the
//! answer is part of the artifact's key, and again when it begins.

use crate::sight::Sight;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tow_record::BuildTool;

/// A program that does not say its version in so long says none.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that a tool needs.
pub(crate) struct Need {
    /// As it is called.
    pub(crate) program: &'static str,
    /// Makes it say its version.
    ask: &'static [&'static str],
    /// How it comes to a machine.
    install: &'static str,
}

const CARGO: Need =
    Need { program: "cargo", ask: &["--version"], install: "install Rust (https://rustup.rs)" };
const RUSTC: Need = Need { program: "rustc", ask: &["--version"], install: CARGO.install };
const GO: Need = Need {
    program: "go",
    ask: &["version"],
    install: "install Go (https://go.dev/dl, or the system's package golang-go)",
};
const NODE: Need = Need {
    program: "node",
    ask: &["--version"],
    install: "install Node.js (https://nodejs.org, or the system's package nodejs)",
};
const NPM: Need =
    Need { program: "npm", ask: &["--version"], install: "install npm, which comes with Node.js" };
const PNPM: Need = Need {
    program: "pnpm",
    ask: &["--version"],
    install: "install pnpm (npm install --global pnpm): there is a pnpm-lock.yaml",
};
const YARN: Need = Need {
    program: "yarn",
    ask: &["--version"],
    install: "install yarn (npm install --global yarn): there is a yarn.lock",
};
const PYTHON: Need = Need {
    program: "python3",
    ask: &["--version"],
    install: "install Python (the system's packages python3, python3-venv and python3-pip)",
};
const UV: Need = Need {
    program: "uv",
    ask: &["--version"],
    install: "install uv (https://docs.astral.sh/uv): there is a uv.lock",
};
const POETRY: Need = Need {
    program: "poetry",
    ask: &["--version"],
    install: "install Poetry (https://python-poetry.org): there is a poetry.lock",
};
const MAVEN: Need = Need {
    program: "mvn",
    ask: &["--version"],
    install: "install Maven (the system's package maven)",
};
const JAVAC: Need = Need {
    program: "javac",
    ask: &["-version"],
    install: "install a JDK (the system's package default-jdk-headless)",
};
const GRADLE: Need = Need {
    program: "gradle",
    ask: &["--version"],
    install: "install Gradle, or add its wrapper (gradlew) to the folder",
};

/// What a tool needs for this source.
pub(crate) fn needs(tool: BuildTool, sight: &Sight) -> Vec<&'static Need> {
    match tool {
        BuildTool::Cargo => vec![&CARGO, &RUSTC],
        BuildTool::Go => vec![&GO],
        BuildTool::Node => match crate::tools::node::manager(sight) {
            Some("pnpm") => vec![&NODE, &PNPM],
            Some("yarn") => vec![&NODE, &YARN],
            Some(_) => vec![&NODE, &NPM],
            None => vec![&NODE],
        },
        BuildTool::Python if sight.has("uv.lock") => vec![&PYTHON, &UV],
        BuildTool::Python if sight.has("poetry.lock") => vec![&PYTHON, &POETRY],
        BuildTool::Python => vec![&PYTHON],
        BuildTool::Maven if sight.has("mvnw") => vec![&JAVAC],
        BuildTool::Maven => vec![&JAVAC, &MAVEN],
        BuildTool::Gradle if sight.has("gradlew") => vec![&JAVAC],
        BuildTool::Gradle => vec![&JAVAC, &GRADLE],
        // An engine is asked, and no program.
        BuildTool::Dockerfile | BuildTool::Static | BuildTool::Command | BuildTool::None => {
            Vec::new()
        }
    }
}

/// What artifacts of this machine run on.
pub(crate) fn platform() -> String {
    format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Where a program is: on the PATH of `env`, or where its installer puts it.
pub(crate) fn find(program: &str, env: &BTreeMap<String, String>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut more: Vec<PathBuf> = Vec::new();
    more.extend(env.get("CARGO_HOME").map(|home| PathBuf::from(home).join("bin")));
    if let Some(home) = env.get("HOME").map(PathBuf::from) {
        more.extend([".cargo/bin", ".local/bin", "go/bin"].map(|below| home.join(below)));
    }
    more.push("/usr/local/go/bin".into());
    std::env::split_paths(env.get("PATH").map(String::as_str).unwrap_or_default())
        .chain(more)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|program| {
            program
                .metadata()
                .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
        })
}

/// Where every program is, or the first that is missing with what helps.
pub(crate) fn require(
    needs: &[&'static Need],
    env: &BTreeMap<String, String>,
) -> Result<Vec<PathBuf>, String> {
    needs.iter().map(|need| require_one(need, env)).collect()
}

fn require_one(need: &Need, env: &BTreeMap<String, String>) -> Result<PathBuf, String> {
    find(need.program, env).ok_or_else(|| {
        format!(
            "{} is not on PATH: {} on the machine that runs the platform, or build another way with build.command \
             in tow.yaml",
            need.program, need.install
        )
    })
}

/// What the tool calls itself here: `go1.26.1`, `v20.1.0, npm 10.2`. Asked of the programs, outside any project, so that
/// nothing of a source decides what is answered.
pub(crate) fn version(
    tool: BuildTool,
    sight: &Sight,
    env: &BTreeMap<String, String>,
) -> Result<String, String> {
    let needs = needs(tool, sight);
    let programs = require(&needs, env)?;
    let mut all = Vec::new();
    for (need, program) in needs.iter().zip(&programs) {
        // Cargo comes with its compiler, and the compiler is what tells artifacts apart.
        if need.program == "cargo" {
            continue;
        }
        if let Some(said) = by_its_files(need.program, program) {
            all.push(said);
            continue;
        }
        let mut command = Command::new(program);
        command.args(need.ask).current_dir("/").env_clear().envs(env);
        let said = hear(&mut command)
            .ok_or_else(|| format!("{} does not say its version", program.display()))?;
        all.push(short(need.program, &said));
    }
    Ok(all.join(", "))
}

/// Tools that take seconds to say their version have it in the names of their own files, beside the folder of the program.
fn by_its_files(program: &str, path: &Path) -> Option<String> {
    let (title, jars): (&str, &[&str]) = match program {
        "mvn" => ("Maven", &["maven-core-"]),
        "gradle" => ("Gradle", &["gradle-launcher-", "gradle-core-", "gradle-base-services-"]),
        _ => return None,
    };
    let home = path.canonicalize().ok()?.parent()?.parent()?.join("lib");
    let mut names: Vec<String> = std::fs::read_dir(home)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    let version = |name: &String| {
        let rest = jars.iter().find_map(|jar| name.strip_prefix(jar))?.strip_suffix(".jar")?;
        (rest.starts_with(|c: char| c.is_ascii_digit()) && !rest.contains('x'))
            .then(|| format!("{title} {rest}"))
    };
    names.iter().find_map(version)
}

/// The line with the number in it, without what everybody knows.
fn short(program: &str, said: &str) -> String {
    let numbered = |line: &&str| line.contains(|c: char| c.is_ascii_digit());
    let line = said.lines().map(str::trim).find(numbered).unwrap_or_default();
    // `Poetry (version 2.1.0)` has it in brackets, `rustc 1.95.0 (59807616e 2026-04-14)` something else.
    let poetry = line.strip_prefix("Poetry (version ").and_then(|rest| rest.strip_suffix(')'));
    if let Some(version) = poetry {
        return format!("Poetry {version}");
    }
    let line = line.split(" (").next().unwrap_or(line);
    match program {
        "go" => line.split_whitespace().nth(2).unwrap_or(line).to_string(),
        "npm" | "pnpm" | "yarn" => format!("{program} {line}"),
        "node" => format!("node {}", line.trim_start_matches('v')),
        _ => line.replace('\u{1b}', "").replace("[1m", "").replace("[m", ""),
    }
}

/// What a program says on either stream, where it ends well and in time. It says little: both fit into their pipes.
fn hear(command: &mut Command) -> Option<String> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if child.try_wait().ok()?.is_some() {
            let done = child.wait_with_output().ok()?;
            let text = [done.stdout, done.stderr].concat();
            return done.status.success().then(|| String::from_utf8_lossy(&text).into_owned());
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_short() {
        assert_eq!(short("go", "go version go1.26.1 linux/amd64"), "go1.26.1");
        assert_eq!(short("node", "v20.1.0\n"), "node 20.1.0");
        assert_eq!(short("npm", "10.2.3\n"), "npm 10.2.3");
        assert_eq!(short("poetry", "Poetry (version 2.5.1)\n"), "Poetry 2.5.1");
        assert_eq!(short("rustc", "rustc 1.95.0 (59807616e 2026-04-14)"), "rustc 1.95.0");
        assert_eq!(
            short("mvn", "\u{1b}[1mApache Maven 3.8.7\u{1b}[m\nMaven home"),
            "Apache Maven 3.8.7"
        );
        assert_eq!(short("gradle", "\n-----\nGradle 4.4.1\n"), "Gradle 4.4.1");
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_what_helps() {
        let env = BTreeMap::from([("PATH".to_string(), "/nowhere".to_string())]);
        let sight =
            Sight::of(&[("package.json", "{\"dependencies\":{\"a\":\"1\"}}"), ("yarn.lock", "")]);
        let refused = version(BuildTool::Node, &sight, &env).unwrap_err();
        assert!(refused.starts_with("node is not on PATH"), "{refused}");
        assert!(refused.contains("build.command"), "{refused}");
        assert_eq!(needs(BuildTool::Node, &sight)[1].program, "yarn");
    }
}
