//! Stops all instances without a control plane: `tow down` when nobody else is there.

use crate::folder::Folder;
use crate::frozen::{self, Which};
use crate::link::{ANSWER, Asked, Link};
use crate::state::{self, Kept};
use crate::{launch, proc, wall};
use std::path::Path;
use tow_names::{Duration, Id};
use tow_ports::PortError;

/// How long beyond the grace it may take until nobody is left.
const BEYOND: std::time::Duration = std::time::Duration::from_secs(10);

/// Stops every instance under `dir` (as in [`crate::Config::dir`]) and returns, once all have ended, the ids of those
/// that ran. `tow` is the executable that adopts what lost its shim. [`PortError::Unavailable`] names what did not end;
/// everything else has ended all the same. Not fenced: it is the machine's operator who asks.
pub async fn stop_everything(
    dir: &Path,
    tow: &Path,
    grace: Duration,
) -> Result<Vec<Id>, PortError> {
    let broken = |err: std::io::Error| PortError::Unavailable(format!("{}: {err}", dir.display()));
    let dir = match dir.canonicalize() {
        Ok(dir) => dir,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(broken(err)),
    };
    let boot = proc::boot().map_err(broken)?;
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        // What somebody else put there is no instance, whatever its name.
        if !entry.file_type().map_err(broken)?.is_dir() {
            continue;
        }
        ids.extend(entry.file_name().to_str().and_then(Id::parse));
    }
    ids.sort_unstable();
    let stops = ids.iter().map(|id| stop(Folder::of(&dir, id), tow, grace, &boot));
    let (mut stopped, mut left) = (Vec::new(), Vec::new());
    for (id, ended) in ids.iter().zip(futures::future::join_all(stops).await) {
        match ended {
            Ok(true) => stopped.push(id.clone()),
            Ok(false) => {}
            Err(err) => left.push(format!("{id}: {err}")),
        }
    }
    for id in &ids {
        if let Kept::State(state) = state::read(&Folder::of(&dir, id))
            && let Some(group) = state.group.filter(|_| state.process.is_none())
        {
            group.remove();
        }
    }
    if let Some(platform) = crate::folder::platform(&dir) {
        crate::bounds::remove_all(&platform);
    }
    if left.is_empty() { Ok(stopped) } else { Err(PortError::Unavailable(left.join("; "))) }
}

/// True: it ran.
async fn stop(folder: Folder, tow: &Path, grace: Duration, boot: &str) -> Result<bool, PortError> {
    let over = |folder: &Folder| match state::read(folder) {
        Kept::State(state) => state.ended() || state.boot != boot,
        Kept::Nothing => !folder.spec().exists(),
        Kept::Damaged(_) => false,
    };
    let locked = || {
        folder.is_locked().map_err(|err| {
            PortError::Unavailable(format!("cannot lock {}: {err}", folder.path().display()))
        })
    };
    if !locked()? && over(&folder) {
        return Ok(false);
    }
    let until = tokio::time::Instant::now() + grace.std() + BEYOND;
    let (mut asked, mut silent) = (false, 0);
    let mut stopped = tokio::time::Instant::now();
    while tokio::time::Instant::now() < until {
        if !locked()? {
            if over(&folder) {
                return Ok(true);
            }
            launch::shim(tow, &folder, 0, Some(grace)).await?;
            asked = true;
        } else if asked {
            // A program may stop its shim as its last act.
            if stopped.elapsed() > ANSWER {
                frozen::end(&folder, Which::Stopped);
                stopped = tokio::time::Instant::now();
            }
        } else if let Ok(mut link) = Link::open(&folder).await {
            match link.stop(None, grace).await? {
                Asked::Told => asked = true,
                Asked::Gone => {}
                Asked::Silent => {
                    silent += 1;
                    frozen::end(&folder, if silent < 3 { Which::Stopped } else { Which::All });
                }
            }
        }
        wall::pause(std::time::Duration::from_millis(20)).await;
    }
    Err(PortError::Unavailable("it did not end".into()))
}
