//! What is there and belongs to nobody, and what belongs to somebody and is not there: instances, builds, blobs.

use super::finding::{Finding, Mend};
use super::scene::{Scene, bytes};
use crate::error::count;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is younger may be somebody's who has not said so yet.
const YOUNG: Duration = Duration::from_secs(60);
/// A blob is put before anything refers to it.
const BLOB_YOUNG: Duration = Duration::from_secs(24 * 3600);
/// So much that nobody refers to is worth a word.
const WEIGHT: u64 = 1 << 30;
/// More are not looked at: a doctor answers at once.
const MOST: usize = 200_000;

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    if !scene.begun {
        return Vec::new();
    }
    let Some(seen) = scene.examined().filter(|seen| seen.schema.found == seen.schema.known) else {
        return vec![Finding::ok(
            "orphans",
            "not looked at: the store can't be asked what is ours",
        )];
    };
    let mut found = instances(scene, &seen.instances);
    found.extend(builds(scene, &seen.builds));
    found.extend(blobs(scene, &seen.blobs));
    found
}

/// The folder's entries with their names, those that are older than `age`.
fn older(dir: &Path, age: Duration) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let name = |entry: std::fs::DirEntry| {
        let modified = entry.metadata().ok()?.modified().ok()?;
        let old = modified.elapsed().is_ok_and(|past| past >= age);
        old.then(|| Some((entry.file_name().to_str()?.to_string(), entry.path())))?
    };
    entries.flatten().take(MOST).filter_map(name).collect()
}

fn instances(scene: &Scene, rows: &BTreeSet<String>) -> Vec<Finding> {
    let dir = scene.layout.instances();
    let mut found = Vec::new();
    let mut running = BTreeSet::new();
    for (process, role, folder) in scene.roles() {
        let Some(id) = folder.file_name().and_then(|name| name.to_str()) else { continue };
        running.insert(id.to_string());
        if role == "shim" && id.starts_with("i-") && !rows.contains(id) {
            let seen = format!("process {} keeps {id} running, which nobody knows", process.pid);
            // A running platform ends it by itself; it may be about to.
            found.push(if scene.up() {
                Finding::ok("orphans.process", format!("{seen}: the platform ends it"))
            } else {
                Finding::warn("orphans.process", seen)
                    .cause("its row is gone; it takes memory and a port for nothing")
                    .fix("tow up ends what it does not know; tow down ends everything")
            });
        }
    }
    for (id, path) in older(&dir, YOUNG) {
        let known = rows.contains(&id) || running.contains(&id) || !id.starts_with("i-");
        if known || scene.up() {
            continue;
        }
        found.push(
            Finding::warn("orphans.instance", format!("{} belongs to no instance", path.display()))
                .cause("its row is gone and nothing of it runs; it takes space")
                .fix("tow doctor --fix takes it away, as tow up would")
                .mend(Mend::Folder(path)),
        );
    }
    let gone: Vec<&str> =
        rows.iter().filter(|id| !dir.join(id).exists()).map(String::as_str).collect();
    if !gone.is_empty() {
        let seen = format!("{} without a folder: {}", count(gone.len(), "instance"), few(&gone));
        found.push(if scene.up() {
            Finding::warn("orphans.row", seen)
                .cause("their processes are gone with their folders")
                .fix("the platform puts others in their place; see tow status")
        } else {
            Finding::ok("orphans.row", format!("{seen}; tow up puts others in their place"))
        });
    }
    if found.is_empty() {
        found.push(Finding::ok(
            "orphans.instance",
            format!("{}, each known", count(rows.len(), "instance")),
        ));
    }
    found
}

fn builds(scene: &Scene, known: &BTreeSet<String>) -> Vec<Finding> {
    let strange: Vec<(String, PathBuf)> = older(&scene.layout.builds(), YOUNG)
        .into_iter()
        .filter(|(id, _)| id.starts_with("build-") && !known.contains(id))
        .collect();
    if strange.is_empty() || scene.up() {
        return vec![Finding::ok("orphans.build", format!("{} are looked after", known.len()))];
    }
    let busy = |id: &str| {
        scene.roles().any(|(_, _, folder)| folder.file_name().is_some_and(|name| name == id))
    };
    strange
        .into_iter()
        .filter(|(id, _)| !busy(id))
        .map(|(_, path)| {
            Finding::warn("orphans.build", format!("{} belongs to no build", path.display()))
                .cause("no operation knows it; it takes space")
                .fix("tow doctor --fix takes it away, as tow up would")
                .mend(Mend::Folder(path))
        })
        .collect()
}

fn blobs(scene: &Scene, wanted: &BTreeSet<String>) -> Vec<Finding> {
    let root = scene.layout.blobs();
    let (mut there, mut loose, mut weight) = (BTreeSet::new(), 0_u64, 0_u64);
    let mut whole = true;
    let folders = std::fs::read_dir(&root).into_iter().flatten().flatten();
    'all: for folder in folders.filter(|folder| folder.file_name().len() == 2) {
        for blob in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let Ok(hex) = blob.file_name().into_string() else { continue };
            if !wanted.contains(&hex)
                && let Ok(meta) = blob.metadata()
                && meta.modified().ok().and_then(|at| at.elapsed().ok()) > Some(BLOB_YOUNG)
            {
                loose += 1;
                weight += meta.len();
            }
            there.insert(hex);
            if there.len() >= MOST {
                whole = false;
                break 'all;
            }
        }
    }
    let mut found = Vec::new();
    let missing: Vec<&str> =
        wanted.iter().filter(|hex| !there.contains(*hex)).map(|hex| &hex[..12]).collect();
    if whole && !missing.is_empty() {
        found.push(
            Finding::fail(
                "orphans.blob",
                format!("{} gone: {}", count(missing.len(), "blob"), few(&missing)),
            )
            .cause("releases refer to them: they can't be deployed or rolled back to")
            .fix("tow restore a backup elsewhere and copy its blobs, or build and deploy anew"),
        );
    }
    let text = format!("{} of {} that nothing refers to", count(loose, "blob"), bytes(weight));
    found.push(if weight > WEIGHT {
        Finding::warn("orphans.blob", text)
            .cause("they take space")
            .fix("they are no danger; a restored backup does not hold them")
    } else {
        Finding::ok("orphans.blob", text)
    });
    found
}

fn few(names: &[&str]) -> String {
    let shown = names[..names.len().min(3)].join(", ");
    if names.len() > 3 { format!("{shown}, …") } else { shown }
}
