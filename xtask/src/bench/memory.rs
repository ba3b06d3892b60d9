//! Memory by proportional set size, from `/proc/PID/smaps_rollup`: what is shared is counted once.

use super::figure::Figure;
use super::platform::Running;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// A process of the platform.
struct Process {
    pid: u32,
    /// The words of its command line after the program.
    args: Vec<String>,
    /// In kB.
    pss: f64,
}

impl Process {
    fn is(&self, role: &str) -> bool {
        self.args.first().is_some_and(|arg| arg == role)
    }
    /// Does its folder have this name?
    fn is_in(&self, folder: &str) -> bool {
        self.args.iter().any(|arg| arg.trim_end_matches('/').rsplit('/').next() == Some(folder))
    }
}

/// Every process whose command line names the data directory.
fn processes(data: &Path) -> Result<Vec<Process>> {
    let data = data.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("there is no /proc here")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        if pid == std::process::id() || !words.contains(&data) {
            continue;
        }
        // A process that is just ending has no memory to speak of.
        let Ok(rollup) = std::fs::read_to_string(entry.path().join("smaps_rollup")) else {
            continue;
        };
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let pss = pss.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        found.push(Process {
            pid,
            args: words.split('\0').skip(1).map(str::to_string).collect(),
            pss: pss.unwrap_or(0.0),
        });
    }
    Ok(found)
}

/// Control plane, gateway and the gateway's shim, with nothing deployed. The largest of ten looks, 100 ms apart.
pub(super) fn idle(running: &Running) -> Result<Figure> {
    let mut looks = Vec::new();
    for _ in 0..10 {
        #[expect(clippy::disallowed_methods, reason = "a look a while later is what is wanted")]
        std::thread::sleep(std::time::Duration::from_millis(100));
        let all = processes(&running.data)?;
        // A smaller sum for want of a process would be a lie.
        if let Some(role) = ["up", "gateway", "shim"].iter().find(|r| !all.iter().any(|p| p.is(r)))
        {
            bail!("no process `tow {role} …` names {}", running.data.display());
        }
        let kb: f64 = all.iter().map(|process| process.pss).sum();
        looks.push(kb / 1024.0);
    }
    Ok(Figure::most("idle PSS: control plane + gateway + its shim", "MB", 60.0, looks))
}

/// Each shim that is not the gateway's; nothing where nothing is deployed.
pub(super) fn further_shims(running: &Running) -> Result<Option<Figure>> {
    let all = processes(&running.data)?;
    let shims: Vec<f64> = all
        .iter()
        .filter(|process| process.pid != running.pid && process.is("shim"))
        .filter(|process| !process.is_in("gateway"))
        .map(|process| process.pss / 1024.0)
        .collect();
    let figure = |shims| Figure::most("PSS per further shim", "MB", 0.5, shims);
    Ok((!shims.is_empty()).then(|| figure(shims)))
}
