//! A copy of `tow` for the roles that outlive the control plane, so that a rebuild never mixes versions.

use crate::error::HostError;
use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};
use tow_platform::Layout;

/// The copy of the running executable, made once for each build of it.
pub(crate) fn copy(layout: &Layout) -> Result<PathBuf, HostError> {
    let own = std::env::current_exe().map_err(|e| failed("where this program is", e))?;
    copy_of(layout, &own)
}

/// The copy of another program, in the same way; itself where it is one.
pub(crate) fn copy_of(layout: &Layout, own: &Path) -> Result<PathBuf, HostError> {
    if is_copy(layout, own) {
        return Ok(layout.bin().join(build(own)));
    }
    let meta = own.metadata().map_err(|e| failed("this program", e))?;
    let target = layout.bin().join(named(&meta));
    if target.metadata().is_ok_and(|there| there.len() == meta.len()) {
        return Ok(target);
    }
    let temporary = target.with_extension("new");
    std::fs::copy(own, &temporary).map_err(|e| failed("copying this program", e))?;
    std::fs::rename(&temporary, &target).map_err(|e| failed("copying this program", e))?;
    Ok(target)
}

fn failed(what: &str, e: std::io::Error) -> HostError {
    HostError::new("host/executable", format!("{what}: {e}")).untouched("everything")
}

/// Is it one of this data directory's, by whatever path? A program's own path has no links in it, a data directory's may.
fn is_copy(layout: &Layout, program: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().ok();
    program.parent().and_then(whole).is_some_and(|dir| whole(&layout.bin()) == Some(dir))
}

/// Which build a copy is of.
pub(crate) fn build(copy: &Path) -> String {
    copy.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Is it how a build is named?
pub(crate) fn is_build(name: &str) -> bool {
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts = name.split('-');
    parts.next() == Some("tow") && parts.clone().count() == 3 && parts.all(is_hex)
}

/// This program's version and build, as `tow --version` says them.
pub(crate) fn version() -> String {
    let own = std::env::current_exe().ok();
    let build = own.and_then(|own| {
        let name = build(&own);
        // A copy's name says which build it is of; its own times say when it was copied.
        if is_build(&name) { Some(name) } else { own.metadata().ok().map(|meta| named(&meta)) }
    });
    match build {
        Some(build) => format!("{} ({build})", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").into(),
    }
}

/// The name that this program's copy has, or would have.
pub(crate) fn name(layout: &Layout) -> Option<String> {
    let own = std::env::current_exe().ok()?;
    // A control plane that was upgraded runs a copy itself.
    if is_copy(layout, &own) {
        return Some(build(&own));
    }
    own.metadata().ok().map(|meta| named(&meta))
}

fn named(meta: &Metadata) -> String {
    format!("tow-{:x}-{:x}-{:x}", meta.len(), meta.mtime(), meta.mtime_nsec())
}
