//! What a build leaves in an engine while it runs, and how it is ended there, by whoever finds it: the build's own process,
//! or the control plane where that was killed.
//!
//! An engine goes on with a build after its asker went away, as long as the step lasts that it is at. So the step's own
//! processes are killed, which are known by their group; the engine then gives up and takes its working container away.
//! Layers that lead to no image are known by their label.

use crate::order;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tow_engine::{Engine, EngineError, escaped};

/// In the build's folder, from before the engine is asked until nothing of it is left there.
const FILE: &str = "engine.json";
/// The label of every layer of ours: which slot it was built in.
pub(super) const LABEL: &str = "dev.towpath.build";
/// How images are called that the next build begins from.
const NAME: [&str; 2] = ["localhost", "tow-build"];
/// Where groups of processes are limited, by the two forms there are.
const GROUPS: [&str; 2] = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
/// How often it is looked, how long nobody has to be seen, and how long it is tried at all.
const LOOK: Duration = Duration::from_millis(50);
const QUIET: u32 = 6;
const TRIES: u32 = 60;
const LONGEST: Duration = Duration::from_secs(5);
/// How long an engine may take to tidy up after a step that was killed, in looks.
pub(super) const PATIENCE: u32 = 20;

/// Where a build is under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Traces {
    /// The engine's socket.
    pub(super) socket: PathBuf,
    /// Part of the name of the group that its processes are in; none: the engine has no such thing.
    pub(super) group: Option<String>,
    /// The label's value, and the tag of the image that is kept.
    pub(super) slot: String,
    /// Held by whoever builds in the slot.
    pub(super) lock: PathBuf,
}

impl Traces {
    /// Before the engine is asked for anything.
    pub(super) fn write(&self, dir: &Path) -> std::io::Result<()> {
        order::write(dir, FILE, self)
    }

    /// Nothing of it is left.
    pub(super) fn forget(&self, dir: &Path) {
        self.group_away();
        let _ = std::fs::remove_file(dir.join(FILE));
    }

    pub(super) fn engine(&self) -> Engine {
        Engine::at(self.socket.clone())
    }

    /// A group of its own above the group of each step, with so many processes at most; false where the machine has none.
    pub(super) fn group_for(&self, processes: u64) -> bool {
        let Some(group) = &self.group else { return false };
        GROUPS.iter().any(|root| {
            let dir = Path::new(root).join(group);
            // The first form's file is not there in the second one's root, and the other way round.
            std::fs::create_dir(&dir).is_ok()
                && (std::fs::write(dir.join("pids.max"), processes.to_string()).is_ok() || {
                    let _ = std::fs::remove_dir(&dir);
                    false
                })
        })
    }

    fn group_away(&self) {
        let Some(group) = &self.group else { return };
        for root in GROUPS {
            let dir = Path::new(root).join(group);
            for below in ["step", ""] {
                let _ = std::fs::remove_dir(dir.join(below));
            }
        }
    }

    /// Kills what a step runs; how many there were.
    pub(super) fn kill(&self) -> usize {
        use rustix::process::{Pid, Signal, kill_process};
        let Some(group) = &self.group else { return 0 };
        let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
        let mut count = 0;
        for entry in entries.flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
            let Some(pid) = pid.and_then(Pid::from_raw) else { continue };
            let groups = std::fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
            if groups.contains(group.as_str()) {
                let _ = kill_process(pid, Signal::KILL);
                count += 1;
            }
        }
        count
    }

    /// Kills until nobody has been seen for a while.
    async fn end(&self) {
        let mut quiet = 0;
        for _ in 0..TRIES {
            quiet = if self.kill() == 0 { quiet + 1 } else { 0 };
            if quiet > QUIET {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Keeps the image for the next build to begin from; what was kept before leads to nothing now.
    pub(super) async fn keep(&self, id: &str) -> Result<(), EngineError> {
        let path = format!("/images/{id}/tag?repo={}&tag={}", escaped(&NAME.join("/")), self.slot);
        self.engine().post(&path, &json!({})).await.map(drop)
    }

    /// Takes away the slot's layers that lead to no image, until there are none that nobody uses.
    /// `patience`: how many looks may find as many as before, while the engine tidies up.
    pub(super) async fn sweep(&self, mut patience: u32) -> Result<(), EngineError> {
        let engine = self.engine();
        let filters = |value: Value| escaped(&value.to_string());
        let label = format!("{LABEL}={}", self.slot);
        let these = filters(json!({ "dangling": ["true"], "label": [label] }));
        let mut before = usize::MAX;
        for _ in 0..TRIES {
            let said = engine.get(&format!("/images/json?filters={these}")).await?;
            let count = said.as_array().map_or(0, Vec::len);
            // Fewer each time, but for those that a container was made of.
            patience = if count < before { patience } else { patience.saturating_sub(1) };
            if count == 0 || patience == 0 {
                return Ok(());
            }
            before = count;
            engine.post(&format!("/images/prune?filters={these}"), &json!({})).await?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

/// Ends in the engine what a build left there whose process is gone. No error where there is nothing; an engine that is
/// away keeps nothing of a build but layers, which the next build of the slot takes away.
pub(crate) async fn end(dir: &Path) {
    // Whoever looks at builds has others to look at. What is left over is found again by whoever removes the build.
    let _ = tokio::time::timeout(LONGEST, end_all(dir)).await;
}

async fn end_all(dir: &Path) {
    let Ok(Some(traces)) = order::read::<Traces>(dir, FILE) else { return };
    traces.end().await;
    // Whoever builds in the slot by now takes its layers away at the end.
    if let Ok(lock) = File::open(&traces.lock)
        && lock.try_lock().is_ok()
    {
        let _ = traces.sweep(PATIENCE).await;
    }
    traces.forget(dir);
}
