//! Three hundred instances on one machine: what their shims weigh, and how long it takes to list them all.

use super::figure::Figure;
use super::memory;
use super::platform::Running;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Instant;

/// Components, each with so many instances as one workload may have.
const COMPONENTS: usize = 3;
const EACH: usize = 100;
/// What they are copies of.
const SAMPLE: &str = "hello-static";

/// On a platform of its own.
pub(super) fn measure(
    tow: &Path,
    examples: &Path,
    scratch: &Path,
    samples: usize,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    std::fs::create_dir_all(scratch)?;
    let running = Running::start(tow, &scratch.join("data"))?;
    let measured = on(&running, examples, scratch, samples, figures);
    running.down()?;
    measured
}

fn on(
    running: &Running,
    examples: &Path,
    scratch: &Path,
    samples: usize,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let before = memory::shims(running)?;
    for n in 0..COMPONENTS {
        let name = format!("many-{n}");
        let dir = scratch.join(&name);
        copy(&examples.join(SAMPLE), &dir, &name)?;
        running.tow(&["deploy", &dir.display().to_string(), "--component", &name, "-o", "json"])?;
        let replicas = format!("{name}={EACH}");
        running.tow(&["scale", &replicas, "--component", &name, "-o", "json"])?;
    }
    let listed = running.json(&["ps", "-o", "json"])?;
    let count = COMPONENTS * EACH;
    ensure!(listed.len() == count, "{} instances are listed, not {count}", listed.len());
    let after = memory::shims(running)?;
    ensure!(after.0 == before.0 + count, "{} shims, and {} before", after.0, before.0);
    let each = (after.1 - before.1) / count as f64 / 1024.0;
    let name = format!("PSS per shim, of {count}");
    figures.push(Figure::most(&name, "MB", 0.5, vec![each]));
    let mut taken = Vec::new();
    for _ in 0..samples {
        let begun = Instant::now();
        running.tow(&["ps"])?;
        taken.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let name = format!("`tow ps` of {count} instances, whole process");
    figures.push(Figure::median(&name, "ms", 100.0, taken));
    Ok(())
}

/// A sample under another name.
fn copy(from: &Path, to: &Path, name: &str) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.extension().is_some_and(|end| end == "yaml") {
            std::fs::write(target, std::fs::read_to_string(path)?.replace(SAMPLE, name))?;
        } else {
            std::fs::copy(path, target)?;
        }
    }
    Ok(())
}
