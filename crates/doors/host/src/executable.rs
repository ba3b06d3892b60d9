//! A copy of `tow` for the roles that outlive the control plane, so that a rebuild never mixes versions.

use crate::error::HostError;
use std::{fs::Metadata, os::unix::fs::MetadataExt as _, path::PathBuf};
use tow_platform::Layout;

/// The copy of the running executable, made once for each build of it.
pub(crate) fn copy(layout: &Layout) -> Result<PathBuf, HostError> {
    let failed = |what: &str, e: std::io::Error| {
        HostError::new("host/executable", format!("{what}: {e}")).untouched("everything")
    };
    let own = std::env::current_exe().map_err(|e| failed("where this program is", e))?;
    let meta = own.metadata().map_err(|e| failed("this program", e))?;
    let target = layout.bin().join(named(&meta));
    if target.metadata().is_ok_and(|there| there.len() == meta.len()) {
        return Ok(target);
    }
    let temporary = target.with_extension("new");
    std::fs::copy(&own, &temporary).map_err(|e| failed("copying this program", e))?;
    std::fs::rename(&temporary, &target).map_err(|e| failed("copying this program", e))?;
    Ok(target)
}

/// The name that this program's copy has, or would have.
pub(crate) fn name() -> Option<String> {
    std::env::current_exe().and_then(|own| own.metadata()).ok().map(|meta| named(&meta))
}

fn named(meta: &Metadata) -> String {
    format!("tow-{:x}-{:x}-{:x}", meta.len(), meta.mtime(), meta.mtime_nsec())
}
