//! A platform of one's own to measure: its own data directory, free ports, and nothing left of it afterwards.

use crate::process::output;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A platform that answers.
pub(super) struct Running {
    tow: PathBuf,
    /// Its data directory.
    pub(super) data: PathBuf,
    /// `http://127.0.0.1:PORT`
    pub(super) url: String,
    /// From exec to the ready line.
    pub(super) ready_after: Duration,
    /// The control plane.
    pub(super) pid: u32,
    child: Child,
}

impl Running {
    /// `tow up` on an empty data directory; returns at its ready line.
    pub(super) fn start(tow: &Path, data: &Path) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        let log = std::fs::File::create(data.with_extension("log"))?;
        let begun = Instant::now();
        let mut child = Command::new(tow)
            .args(["up", "-o", "json", "--listen", "127.0.0.1:0", "--gateway", "127.0.0.1:0"])
            .arg("--data")
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", tow.display()))?;
        let mut stdout = BufReader::new(child.stdout.take().context("tow up has no stdout")?);
        let mut ready = String::new();
        stdout.read_line(&mut ready)?;
        let ready_after = begun.elapsed();
        let said: Value = serde_json::from_str(&ready).unwrap_or_default();
        let url = said["url"].as_str().unwrap_or_default().to_string();
        let (tow, data) = (tow.to_path_buf(), data.to_path_buf());
        let pid = child.id();
        let mut running = Self { tow, data, url, ready_after, pid, child };
        let Some(pid) = said["pid"].as_u64() else {
            let data = &running.data;
            let talk = std::fs::read_to_string(data.with_extension("log")).unwrap_or_default();
            let _ = running.child.wait();
            bail!("`tow up` gave no ready line but {ready:?}\n{talk}");
        };
        running.pid = u32::try_from(pid).context("a pid")?;
        // Later lines are read and dropped, so that writing them never blocks.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Ok(running)
    }

    /// `tow ARGS` against it; its stdout.
    pub(super) fn tow(&self, args: &[&str]) -> Result<String> {
        output(Command::new(&self.tow).args(args).env("TOW_DATA", &self.data))
    }

    /// The same, read as JSON: one value, or one a line.
    pub(super) fn json(&self, args: &[&str]) -> Result<Vec<Value>> {
        let text = self.tow(args)?;
        let values: Result<Vec<Value>, _> =
            serde_json::Deserializer::from_str(&text).into_iter().collect();
        let values = values.with_context(|| format!("tow {} gave no JSON", args.join(" ")))?;
        Ok(match values.as_slice() {
            [Value::Array(items)] => items.clone(),
            _ => values,
        })
    }

    /// Stops everything it started and leaves its data.
    pub(super) fn stop(mut self) -> Result<()> {
        let data = self.data.display().to_string();
        output(Command::new(&self.tow).args(["down", "--data", &data]))?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops everything it started and takes its data away.
    pub(super) fn down(mut self) -> Result<()> {
        let data = self.data.display().to_string();
        let down = output(Command::new(&self.tow).args([
            "down",
            "--data",
            &data,
            "--purge",
            "--confirm",
            &data,
        ]));
        if down.is_err() {
            let _ = self.child.kill();
        }
        self.child.wait()?;
        down.map(drop)
    }
}
