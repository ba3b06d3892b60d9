//! Who may look into the data directory, and whose it is. The keys are for their user alone.

use super::finding::{Finding, Mend};
use super::scene::Scene;
use rustix::fs::{AtFlags, CWD, statat};
use std::path::{Path, PathBuf};

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    if !scene.begun {
        return vec![Finding::ok(
            "data.begun",
            format!("{} is not there yet: tow up makes it", scene.layout.root().display()),
        )];
    }
    let layout = &scene.layout;
    // Those that hold secrets or lead to them: the directory itself, the keys, the store, the token.
    let store = layout.store();
    let beside = |tail: &str| {
        let mut name = store.as_os_str().to_owned();
        name.push(tail);
        PathBuf::from(name)
    };
    let private = [
        layout.root().to_path_buf(),
        layout.keys(),
        layout.keys().join("keys"),
        store.clone(),
        beside("-wal"),
        beside("-shm"),
        layout.run(),
        layout.token_file(),
    ];
    let mut found: Vec<Finding> = private.iter().filter_map(|path| judge(path)).collect();
    if found.is_empty() {
        found.push(Finding::ok("data.permissions", "only their user may read directory and keys"));
    }
    if let Err(error) = rustix::fs::access(layout.root(), rustix::fs::Access::WRITE_OK) {
        found.push(
            Finding::fail("data.writable", format!("{}: {error}", layout.root().display()))
                .cause("nothing can be kept")
                .fix("run as the user it belongs to, or make it writable"),
        );
    }
    found
}

fn judge(path: &Path) -> Option<Finding> {
    let found = statat(CWD, path, AtFlags::empty()).ok()?;
    let own = rustix::process::geteuid().as_raw();
    if found.st_uid != own {
        return Some(
            Finding::fail(
                "data.owner",
                format!("{} belongs to user {}, not to {own}", path.display(), found.st_uid),
            )
            .cause("tow refuses to use what somebody else can change")
            .fix(format!("run as that user, or: sudo chown -R {own} {}", path.display())),
        );
    }
    let mode = found.st_mode & 0o777;
    if mode & 0o077 == 0 {
        return None;
    }
    let seen = format!("{} has mode {mode:03o}", path.display());
    let is_keys = path.file_name().is_some_and(|name| name == "keys");
    let finding = if is_keys {
        Finding::fail("data.permissions", seen).cause(
            "others may read the keys that open every secret; tow up refuses to use them like that",
        )
    } else {
        Finding::warn("data.permissions", seen).cause("others of this machine may look inside")
    };
    let mode = if path.is_dir() { "700" } else { "600" };
    Some(
        finding
            .fix(format!("chmod {mode} {}, or tow doctor --fix", path.display()))
            .mend(Mend::Private(path.to_path_buf())),
    )
}
