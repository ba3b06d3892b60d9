//! Memory by proportional set size, from `/proc/PID/smaps_rollup`: what is shared is counted once.

use super::figure::Figure;
use super::platform::Running;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// A process of the platform.
struct Process {
    /// The words of its command line after the program.
    args: Vec<String>,
    /// In kB.
    pss: f64,
}

impl Process {
    fn is(&self, role: &str) -> bool {
        self.args.first().is_some_and(|arg| arg == role)
    }
}

/// Every process whose command line names the data directory.
fn processes(data: &Path) -> Result<Vec<Process>> {
    let data = data.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("there is no /proc here")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
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

/// The control plane alone.
pub(super) fn plane(running: &Running, name: &str, limit: f64) -> Result<Figure> {
    let all = processes(&running.data)?;
    let kb: f64 = all.iter().filter(|process| process.is("up")).map(|process| process.pss).sum();
    Ok(Figure::most(name, "MB", limit, vec![kb / 1024.0]))
}

/// How many shims there are, and what they weigh together, in kB.
pub(super) fn shims(running: &Running) -> Result<(usize, f64)> {
    let all = processes(&running.data)?;
    let shims = all.iter().filter(|process| process.is("shim"));
    Ok((shims.clone().count(), shims.map(|process| process.pss).sum()))
}

/// What one more shim costs: the sum over all shims after ten more were started, against before. A process's own set
/// would say something else, because what many share counts the less for each the more there are.
pub(super) fn further_shims(running: &Running, component: &str) -> Result<Figure> {
    const MORE: usize = 10;
    let shims = || shims(running);
    let scale = |count: usize| {
        let replicas = format!("{component}={count}");
        running.tow(&["scale", &replicas, "--component", component, "-o", "json"]).map(drop)
    };
    scale(1)?;
    let (count, before) = shims()?;
    scale(1 + MORE)?;
    let (more, after) = shims()?;
    if more != count + MORE {
        bail!("{more} shims after {MORE} more than {count} were asked for");
    }
    let each = (after - before) / MORE as f64 / 1024.0;
    Ok(Figure::most("PSS per further shim, of ten more", "MB", 0.5, vec![each]))
}
