//! Starting other programs.

use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// Runs to the end, on our own stdout and stderr. Did it succeed?
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("starting {command:?}"))?;
    Ok(status.success())
}

/// Runs to the end and returns stdout; an error holds stderr.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        let talk = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}\n{}", output.status, talk.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Its stdout in one line, or nothing where it can't be run or fails.
pub(crate) fn line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    String::from_utf8_lossy(&output.stdout).lines().next().map(|line| line.trim().to_string())
}
