//! Programs that builds and sources use, with the oldest version that is known to work. None of them is needed to run.

use super::finding::Finding;
use super::scene::Scene;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long all of them together may take to say their versions.
const PATIENCE: Duration = Duration::from_millis(700);

struct Tool {
    program: &'static str,
    asks: &'static str,
    least: (u32, u32),
    wanted_for: &'static str,
}

const fn tool(
    program: &'static str,
    asks: &'static str,
    least: (u32, u32),
    wanted_for: &'static str,
) -> Tool {
    Tool { program, asks, least, wanted_for }
}

const TOOLS: [Tool; 10] = [
    tool("git", "--version", (2, 25), "locations in repositories, and the commit of a source"),
    tool("cargo", "--version", (1, 75), "building Rust"),
    tool("node", "--version", (18, 0), "building and running Node.js"),
    tool("npm", "--version", (9, 0), "building Node.js"),
    tool("go", "version", (1, 21), "building Go"),
    tool("python3", "--version", (3, 9), "building and running Python"),
    tool("java", "-version", (17, 0), "building and running Java"),
    tool("mvn", "-version", (3, 6), "building Java with Maven"),
    tool("postgres", "--version", (14, 0), "Postgres as a store on this machine"),
    tool("ssh", "-V", (7, 0), "repositories by SSH"),
];

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    let deadline = Instant::now() + PATIENCE;
    std::thread::scope(|scope| {
        let asked: Vec<_> = TOOLS
            .iter()
            .map(|tool| scope.spawn(move || judge(tool, find(tool.program, &scene.path), deadline)))
            .collect();
        asked.into_iter().filter_map(|asked| asked.join().ok()).collect()
    })
}

fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|dir| dir.join(program)).find(|file| {
        file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
    })
}

fn judge(tool: &Tool, found: Option<PathBuf>, deadline: Instant) -> Finding {
    let check = "tools";
    let (name, (major, minor)) = (tool.program, tool.least);
    let Some(path) = found else {
        return Finding::ok(
            check,
            format!("{name} is not on PATH; it would be for {}", tool.wanted_for),
        );
    };
    let Some((worked, text)) = ask(&path, tool.asks, deadline) else {
        return Finding::ok(
            check,
            format!("{name} is at {}; it did not say its version in time", path.display()),
        );
    };
    let Some(version) = version(&text) else {
        let seen =
            format!("{name} at {}, version unknown: it printed {}", path.display(), shown(&text));
        if worked {
            // It works; what it says is its own affair.
            return Finding::ok(check, seen);
        }
        return Finding::warn(check, seen)
            .cause(format!("it does not work; it is for {}", tool.wanted_for))
            .fix(format!("see why {} {} fails", path.display(), tool.asks));
    };
    let seen = format!("{name} {}.{} at {}", version.0, version.1, path.display());
    if version < tool.least {
        return Finding::warn(check, seen)
            .cause(format!("older than {major}.{minor}; it is for {}", tool.wanted_for))
            .fix(format!("install {name} {major}.{minor} or newer"));
    }
    Finding::ok(check, seen)
}

/// Did it end well, and what it prints, on either stream; none where it takes too long, and then it is ended.
fn ask(program: &std::path::Path, how: &str, deadline: Instant) -> Option<(bool, String)> {
    use std::io::Read as _;
    let mut child = Command::new(program)
        .arg(how)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut text = String::new();
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status.success()),
            Ok(None) if Instant::now() < deadline => {
                // Nothing tells of the end of a child within a time but looking again.
                std::thread::park_timeout(Duration::from_millis(3));
            }
            _ => break None,
        }
    };
    let Some(worked) = ended else {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    };
    let mut part = String::new();
    if let Some(mut out) = child.stdout.take() {
        let _ = out.by_ref().take(4096).read_to_string(&mut part);
        text.push_str(&part);
    }
    part.clear();
    if let Some(mut err) = child.stderr.take() {
        let _ = err.by_ref().take(4096).read_to_string(&mut part);
        text.push_str(&part);
    }
    Some((worked, text))
}

/// The beginning of what a program printed.
fn shown(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if line.is_empty() {
        "nothing".into()
    } else {
        format!("{:?}", line.trim().chars().take(60).collect::<String>())
    }
}

/// The first `N.M` of a text; where there is none, a `vN`, or an `N` after the word version.
fn version(text: &str) -> Option<(u32, u32)> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '_')).collect();
    let bare = |word: &str| word.trim_start_matches("go").trim_start_matches('v').to_string();
    let dotted = words.iter().find_map(|word| {
        let word = bare(word);
        let (major, rest) = word.split_once('.')?;
        let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    let mut before = "";
    let single = words.iter().filter(|word| !word.is_empty()).find_map(|word| {
        let said = word.starts_with('v') || before == "version";
        before = word;
        Some((bare(word).parse().ok().filter(|_| said)?, 0))
    });
    // Nothing is in its version 0.0: that is some other number.
    dotted.or(single).filter(|version| *version != (0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn versions_are_read_out_of_what_tools_print() {
        for (text, expected) in [
            ("git version 2.39.5", (2, 39)),
            ("v20.11.1\n", (20, 11)),
            ("go version go1.22.3 linux/amd64", (1, 22)),
            ("Python 3.11.2", (3, 11)),
            ("openjdk version \"17.0.9\" 2023-10-17", (17, 0)),
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", (15, 14)),
            ("OpenSSH_9.2p1 Debian-2", (9, 2)),
            ("cargo 1.95.0 (abc 2026-01-01)", (1, 95)),
            ("v22", (22, 0)),
            ("openjdk version \"21\" 2023-09-19", (21, 0)),
        ] {
            assert_eq!(version(text), Some(expected), "{text}");
        }
        for text in ["no number here", "error 0", "exit status 127", "version unknown", "0.0"] {
            assert_eq!(version(text), None, "{text}");
        }
    }

    #[test]
    fn an_old_tool_a_mute_one_and_a_slow_one_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, script: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let git = &TOOLS[0];
        let soon = || Instant::now() + Duration::from_secs(20);
        let old = judge(git, Some(make("old", "echo git version 1.8.3")), soon());
        assert_eq!(old.state, State::Warn);
        assert!(old.cause.contains("older than 2.25"), "{old:?}");
        let mute = judge(git, Some(make("mute", "exit 1")), soon());
        assert_eq!(mute.state, State::Warn);
        assert!(mute.seen.contains("it printed nothing"), "{mute:?}");
        let odd = judge(git, Some(make("odd", "echo built by hand")), soon());
        assert_eq!(odd.state, State::Ok);
        assert!(odd.seen.contains("version unknown: it printed \"built by hand\""), "{odd:?}");
        let slow = judge(git, Some(make("slow", "exec sleep 60")), Instant::now());
        assert!(slow.seen.contains("in time"), "{slow:?}");
        assert_eq!(judge(git, None, soon()).state, State::Ok);
        let path = std::ffi::OsString::from(dir.path());
        assert_eq!(find("old", &path), Some(dir.path().join("old")));
    }
}
