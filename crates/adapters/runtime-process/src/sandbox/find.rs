//! Whether sandboxes can be made on this machine, and what would help where they can't.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// By this program.
    At(PathBuf),
    /// Not, for this reason, with what would help.
    Not(String),
}

/// Where it is looked for beside the platform's PATH.
pub(super) const PLACES: [&str; 3] = ["/usr/bin", "/usr/local/bin", "/run/current-system/sw/bin"];
/// What could be made once can be made again; what could not is tried again each time.
static WORKS: OnceLock<PathBuf> = OnceLock::new();

/// Looks, and tries once whether it works. Blocks for some milliseconds the first time.
pub(crate) fn find(path: &OsStr) -> Found {
    if let Some(bwrap) = WORKS.get().filter(|bwrap| bwrap.is_file()) {
        return Found::At(bwrap.clone());
    }
    let places = std::env::split_paths(path).chain(PLACES.map(PathBuf::from));
    let Some(bwrap) = places.map(|place| place.join("bwrap")).find(|path| path.is_file()) else {
        return Found::Not(
            "bubblewrap, which makes sandboxes, is not installed: install the package bubblewrap"
                .into(),
        );
    };
    match tried(&bwrap) {
        Ok(()) => {
            let _ = WORKS.set(bwrap.clone());
            Found::At(bwrap)
        }
        Err(why) => Found::Not(why),
    }
}

/// Makes an empty sandbox.
fn tried(bwrap: &Path) -> Result<(), String> {
    let mut command = Command::new(bwrap);
    let user = super::Confined::new(bwrap.into(), Vec::new()).user;
    command.args(super::view::namespaces(user, false));
    command.args(["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "/bin/true"]);
    let output = command
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|err| format!("{} does not run: {err}", bwrap.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.trim();
    let help = if words.contains("namespace") || words.contains("uid map") {
        ": let users make namespaces (sysctl user.max_user_namespaces, \
         kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or run \
         the platform as root"
    } else {
        ""
    };
    Err(format!("bubblewrap can't make a sandbox here: {words}{help}"))
}
