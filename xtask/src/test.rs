//! The README's test command: every check in turn, all of them even where one fails, then what was not run and why,
//! then one line of numbers.

mod libtest;

use crate::{arrows, bench, generate, package_tools, process, tidy, tools, workspace};
use anyhow::{Context, Result, bail};
use libtest::Reader;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Crates that must not come in, not even by somebody else's default feature. deny.toml says why.
const NEVER: [&str; 5] = ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys"];

/// What came of it so far.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    broken: Vec<&'static str>,
    not_run: Vec<(String, String)>,
    measured: Vec<String>,
}

impl Tally {
    /// Runs one check and goes on, whatever comes of it.
    fn check(&mut self, name: &'static str, run: impl FnOnce(&mut Self) -> Result<bool>) {
        println!("\n== {name}");
        match run(self) {
            Ok(true) => {}
            Ok(false) => self.broken.push(name),
            Err(error) => {
                println!("{error:#}");
                self.broken.push(name);
            }
        }
    }

    fn skip(&mut self, name: impl Into<String>, why: impl Into<String>) {
        self.not_run.push((name.into(), why.into()));
    }

    /// Says what was not run, what is broken, and the numbers last. Did all of it hold?
    fn finish(self) -> bool {
        if !self.measured.is_empty() {
            println!("\n== measured");
            for figures in &self.measured {
                println!("{figures}");
            }
        }
        if !self.not_run.is_empty() {
            println!("\n== not run");
            let width = self.not_run.iter().map(|(name, _)| name.chars().count()).max();
            for (name, why) in &self.not_run {
                println!("{name:width$}  {why}", width = width.unwrap_or(0));
            }
        }
        println!();
        if !self.broken.is_empty() {
            println!("broken: {}", self.broken.join(", "));
        }
        // A check that broke without a failing test is one failure; one with failing tests is counted by them.
        let others = self.broken.iter().filter(|name| **name != "tests" || self.failed == 0);
        let failed = self.failed + others.count() as u64;
        println!("{} passed, {failed} failed", self.passed);
        failed == 0
    }
}

/// `cargo xtask test`. The numbers are the last line, so a failure is no error text but the exit status.
pub(crate) fn test(root: &Path, install: bool) -> Result<bool> {
    Ok(run(root, install)?.finish())
}

/// `cargo xtask ci`: the tests, then what needs a release build.
pub(crate) fn ci(root: &Path, install: bool) -> Result<bool> {
    let mut tally = run(root, install)?;
    tally.check("release build and figures", |_| {
        let options = bench::Options::parse(&["--short"])?;
        bench::bench(root, options).map(|()| true)
    });
    Ok(tally.finish())
}

fn run(root: &Path, install: bool) -> Result<Tally> {
    let mut tally = Tally::default();
    let missing = tools::find(install);
    if !missing.needed.is_empty() {
        bail!("nothing can run without:\n  {}", missing.needed.join("\n  "));
    }
    for (name, why) in missing.optional {
        tally.skip(name, why);
    }
    let managers = package_tools::find(&workspace::target(root)?, install);
    for (name, why) in managers.missing {
        tally.skip(name, why);
    }
    let cargo = |args: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(args).current_dir(root);
        command
    };
    tally.check("format", |_| process::succeeds(&mut cargo(&["fmt", "--all", "--check"])));
    tally.check("dependencies", |_| dependencies(root));
    tally.check("arrows", |_| arrows::check(root).map(|()| true));
    tally.check("tidy", |_| tidy::check(root).map(|()| true));
    if process::line("cargo", &["deny", "--version"]).is_some() {
        tally.check("licences and bans", |_| {
            process::succeeds(&mut cargo(&["deny", "check", "bans", "licenses", "sources"]))
        });
    } else {
        tally.skip("licences and bans", "cargo-deny is not installed");
    }
    tally.check("clippy", |_| {
        let args = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        process::succeeds(&mut cargo(&args))
    });
    tally.check("references", |tally| match generate::check(root)? {
        generate::Answer::Same => Ok(true),
        generate::Answer::NotYet(why) => {
            tally.skip("references", why);
            Ok(true)
        }
    });
    tally.check("tests", |tally| tests(root, tally, &managers.path));
    Ok(tally)
}

/// The lock file is what the manifests say, and none of [`NEVER`] is in the tree.
fn dependencies(root: &Path) -> Result<bool> {
    let tree = process::output(
        Command::new("cargo")
            .args(["tree", "--locked", "--workspace", "--prefix", "none", "--format", "{p}"])
            .current_dir(root),
    )?;
    let banned = |line: &&str| NEVER.contains(&line.split(' ').next().unwrap_or_default());
    let found: Vec<&str> = tree.lines().filter(banned).collect();
    for line in &found {
        println!(
            "{line} is in the tree: `cargo tree -i` shows who brought it; deny.toml says why not"
        );
    }
    if found.is_empty() {
        println!("Cargo.lock is up to date; none of {} in the tree", NEVER.join(", "));
    }
    Ok(found.is_empty())
}

/// All tests in one invocation, so that nothing is compiled twice. A test that can't run here prints `not run: WHY`;
/// a program that a test starts appends a line `NAME: WHY` to the file named by `TOW_NOT_RUN` instead.
fn tests(root: &Path, tally: &mut Tally, path: &OsStr) -> Result<bool> {
    let scratch = workspace::target(root)?.join("xtask");
    std::fs::create_dir_all(&scratch)?;
    let not_run = scratch.join("not-run.txt");
    std::fs::write(&not_run, "")?;
    let mut child = Command::new("cargo")
        .args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"])
        .current_dir(root)
        .env("TOW_NOT_RUN", &not_run)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo test")?;
    let stdout = child.stdout.take().context("cargo test has no stdout")?;
    let mut reader = Reader::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        if reader.read(&line) {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    tally.passed += reader.passed;
    tally.failed += reader.failed;
    tally.not_run.extend(reader.not_run);
    tally.measured.extend(reader.measured);
    for line in std::fs::read_to_string(&not_run)?.lines() {
        let (name, why) = line.split_once(": ").unwrap_or((line, "no reason given"));
        tally.skip(name, why);
    }
    tally.not_run.sort();
    tally.not_run.dedup();
    Ok(status.success())
}
