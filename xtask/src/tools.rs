//! The programs that tests and the demonstration use, and what it costs to be without one. The one table of them.

use crate::process::{line, succeeds};
use std::process::Command;

/// A program from outside.
pub(crate) struct Tool {
    /// What is looked for on the PATH, with an argument that makes it answer and end; empty where none does.
    program: &'static str,
    ask: &'static str,
    /// Debian's packages of it.
    packages: &'static [&'static str],
    /// What does not run without it.
    pub(crate) for_what: &'static str,
    /// Nothing runs without it.
    needed: bool,
}

const TOOLS: [Tool; 18] = [
    Tool {
        program: "cargo",
        ask: "--version",
        packages: &[],
        for_what: "everything",
        needed: true,
    },
    Tool {
        program: "cc",
        ask: "--version",
        packages: &["gcc", "libc6-dev"],
        for_what: "compiling SQLite",
        needed: true,
    },
    Tool {
        program: "git",
        ask: "--version",
        packages: &["git"],
        for_what: "tidy, and tests of what a folder's commit is",
        needed: true,
    },
    Tool {
        program: "python3",
        ask: "--version",
        packages: &["python3"],
        for_what: "samples and tests that run a Python program",
        needed: false,
    },
    Tool {
        program: "node",
        ask: "--version",
        packages: &["nodejs"],
        for_what: "samples and tests that run a Node program",
        needed: false,
    },
    Tool {
        program: "go",
        ask: "version",
        packages: &["golang-go"],
        for_what: "samples and tests that build a Go program",
        needed: false,
    },
    Tool {
        program: "bwrap",
        ask: "--version",
        packages: &["bubblewrap"],
        for_what: "tests of processes in sandboxes",
        needed: false,
    },
    Tool {
        program: "slirp4netns",
        ask: "--version",
        packages: &["slirp4netns"],
        for_what: "tests of sandboxes with a network of their own",
        needed: false,
    },
    Tool {
        program: "npm",
        ask: "--version",
        packages: &["npm"],
        for_what: "tests that install and build Node packages",
        needed: false,
    },
    Tool {
        program: "mvn",
        ask: "--version",
        packages: &["maven", "default-jdk-headless"],
        for_what: "samples and tests that build a Java program with Maven",
        needed: false,
    },
    Tool {
        program: "gradle",
        ask: "--version",
        packages: &["gradle", "default-jdk-headless"],
        for_what: "tests that build a Java program with Gradle",
        needed: false,
    },
    Tool {
        program: "docker-registry",
        ask: "--version",
        packages: &["docker-registry"],
        for_what: "tests that push images to a registry",
        needed: false,
    },
    Tool {
        program: "pebble",
        ask: "",
        packages: &["pebble"],
        for_what: "tests of certificates that are ordered by ACME",
        needed: false,
    },
    Tool {
        program: "h2spec",
        ask: "--version",
        packages: &[],
        for_what: "the public suite for HTTP/2, held against the gateway",
        needed: false,
    },
    Tool {
        program: "postgres",
        ask: "--version",
        packages: &["postgresql"],
        for_what: "tests of the store on Postgres",
        needed: false,
    },
    Tool {
        program: "podman",
        ask: "--version",
        packages: &[
            "podman",
            "runc",
            "containernetworking-plugins",
            "iptables",
            "catatonit",
            "busybox-static",
        ],
        for_what: "tests that run containers",
        needed: false,
    },
    Tool {
        program: "nginx",
        ask: "-v",
        packages: &["nginx-light"],
        for_what: "the gateway's figures beside those of nginx",
        needed: false,
    },
    Tool {
        program: "haproxy",
        ask: "-v",
        packages: &["haproxy"],
        for_what: "the gateway's figures beside those of HAProxy",
        needed: false,
    },
];

/// Programs that Debian does not have, and the Go modules that they are built of.
const MODULES: [(&str, &str); 1] =
    [("h2spec", "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible")];

impl Tool {
    fn is_there(&self) -> bool {
        let answers = || line(self.program, &[self.ask]).is_some();
        if self.ask.is_empty() { self.is_on_path() } else { answers() || self.is_hidden() }
    }

    fn is_on_path(&self) -> bool {
        let ask = format!("command -v {}", self.program);
        line("sh", &["-c", &ask]).is_some()
    }

    /// Debian keeps the programs of a Postgres server off the PATH, in a folder a version; and nginx says its version
    /// where errors go.
    fn is_hidden(&self) -> bool {
        if self.program == "nginx" {
            return std::path::Path::new("/usr/sbin/nginx").is_file();
        }
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        self.program == "postgres"
            && versions.into_iter().any(|folder| folder.path().join("bin/postgres").is_file())
    }

    /// `python3 (samples and tests …)`.
    fn title(&self) -> String {
        format!("{} ({})", self.program, self.for_what)
    }
}

/// What of the table is missing.
pub(crate) struct Missing {
    /// Without these nothing runs.
    pub(crate) needed: Vec<String>,
    /// Without these something is not run: name and why.
    pub(crate) optional: Vec<(String, String)>,
}

/// Looks for every tool; with `install` asks the system's package manager for what is missing first. A package that
/// can't be installed is reported as missing, with the reason.
pub(crate) fn find(install: bool) -> Missing {
    let mut why = String::from("not installed");
    if install {
        let packages: Vec<&str> = TOOLS
            .iter()
            .filter(|tool| !tool.is_there())
            .flat_map(|tool| tool.packages.iter().copied())
            .collect();
        if !packages.is_empty()
            && let Err(reason) = install_packages(&packages)
        {
            why = format!("not installed: {reason}");
        }
        for (program, module) in MODULES {
            let is_missing = TOOLS.iter().any(|tool| tool.program == program && !tool.is_there());
            if is_missing && !install_module(module) {
                why = format!("not installed: go could not build {module}");
            }
        }
    }
    let mut missing = Missing { needed: Vec::new(), optional: Vec::new() };
    for tool in TOOLS.iter().filter(|tool| !tool.is_there()) {
        if tool.needed {
            missing.needed.push(format!("{}: {why}", tool.title()));
        } else {
            missing.optional.push((tool.title(), why.clone()));
        }
    }
    missing
}

/// Builds a Go module's program where everybody finds it.
fn install_module(module: &str) -> bool {
    let mut command = Command::new("go");
    command.env("GOBIN", "/usr/local/bin").args(["install", module]);
    succeeds(&mut command).unwrap_or(false)
}

fn install_packages(packages: &[&str]) -> Result<(), String> {
    if line("id", &["-u"]).as_deref() != Some("0") {
        return Err(format!("only root may; try: sudo apt-get install {}", packages.join(" ")));
    }
    if line("apt-get", &["--version"]).is_none() {
        return Err(format!("there is no apt-get here; wanted: {}", packages.join(" ")));
    }
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]).args(args);
        succeeds(&mut command).unwrap_or(false)
    };
    let mut args = vec!["install", "--no-install-recommends"];
    args.extend(packages);
    // Fresh machines have no package lists, used ones may have stale ones: ask again only where it is needed.
    if apt(&args) || (apt(&["update"]) && apt(&args)) {
        Ok(())
    } else {
        Err(format!("apt-get could not install {}", packages.join(" ")))
    }
}
