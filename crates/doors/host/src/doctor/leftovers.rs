//! Files of somebody who died over them: the port file, halves of files, restores that were broken off; and programs of
//! other versions.

use super::finding::{Finding, Mend};
use super::scene::Scene;
use crate::data::holder;
use crate::executable;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What is younger is being written.
const YOUNG: Duration = Duration::from_secs(60);

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    let mut found = port_file(scene);
    if scene.begun {
        found.extend(halves(scene));
        found.extend(versions(scene));
    }
    found.extend(restores(scene.layout.root()));
    found.push(Finding::ok(
        "certificates",
        "no TLS files are configured: portal and API speak plain HTTP, on loopback unless told otherwise",
    ));
    found
}

fn port_file(scene: &Scene) -> Vec<Finding> {
    let path = scene.layout.platform_file();
    let check = "platform.file";
    let finding = match (scene.holder, path.exists()) {
        (Some(pid), true) => match &scene.file {
            Some(file) if file.pid == pid => {
                Finding::ok(check, format!("the platform is up: {}, process {pid}", file.url))
            }
            Some(file) => Finding::warn(
                check,
                format!("the lock is held by process {pid}, the file speaks of {}", file.pid),
            )
            .cause("another tow than the one that wrote the file holds the data directory")
            .fix("if tow up is starting just now, look again; else end that process"),
            None => Finding::warn(check, format!("{} can't be read", path.display()))
                .cause("no verb finds the platform")
                .fix("start the platform again: it writes the file anew"),
        },
        (Some(pid), false) => Finding::ok(
            check,
            format!("process {pid} holds the data directory and is not ready yet"),
        ),
        (None, true) => Finding::warn(check, format!("{} is stale", path.display()))
            .cause("its platform died: verbs try to reach it in vain")
            .fix("tow up writes it anew; tow doctor --fix takes it away")
            .mend(Mend::File(path)),
        (None, false) => Finding::ok(check, "no platform is up"),
    };
    vec![finding]
}

fn halves(scene: &Scene) -> Vec<Finding> {
    let layout = &scene.layout;
    let mut found = Vec::new();
    for dir in [
        layout.root().to_path_buf(),
        layout.run(),
        layout.keys(),
        layout.bin(),
        layout.blobs().join("tmp"),
    ] {
        let in_tmp = dir.ends_with("tmp");
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let half = in_tmp
                || name.starts_with(".doctor-")
                || ["new", "part", "tmp"].iter().any(|end| name.ends_with(&format!(".{end}")));
            let Ok(meta) = entry.metadata() else { continue };
            let old = meta.modified().is_ok_and(|at| at.elapsed().is_ok_and(|past| past > YOUNG));
            if half && old && meta.is_file() && holder(&path).is_none() {
                found.push(
                    Finding::warn("leftovers", format!("{} is half a file", path.display()))
                        .cause("whoever wrote it died over it; it means nothing")
                        .fix("tow doctor --fix takes it away")
                        .mend(Mend::File(path)),
                );
            }
        }
    }
    if found.is_empty() {
        found.push(Finding::ok("leftovers", "no halves of files"));
    }
    found
}

/// A restore works beside its target until it is whole.
fn restores(root: &Path) -> Vec<Finding> {
    let mut name = root.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let beside = root.with_file_name(name);
    if !beside.exists() || holder(&beside.join("lock")).is_some() {
        return Vec::new();
    }
    vec![
        Finding::warn("leftovers", format!("{} is half a restore", beside.display()))
            .cause("it was broken off; it means nothing and takes space")
            .fix(format!("the next tow restore clears it; or rm -r {}", beside.display())),
    ]
}

/// Programs that outlive the control plane run from a copy of the tow that started them.
fn versions(scene: &Scene) -> Vec<Finding> {
    let own = executable::name(&scene.layout);
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    for (process, ..) in scene.roles() {
        let program = process.program();
        if Some(&program) != own.as_ref() {
            *others.entry(program).or_default() += 1;
        }
    }
    let mut found = Vec::new();
    for (program, count) in others {
        found.push(
            Finding::warn("versions", format!("{count} processes run as {program}, another build"))
                .cause("they were started by another tow; this one still understands them")
                .fix("tow restart of their components brings the build that the platform runs; tow upgrade that of the gateway"),
        );
    }
    if let Some(pid) = scene.holder {
        // By their names: the same build may run from a copy.
        let running = scene.file.as_ref().filter(|file| file.pid == pid);
        if let (Some(running), Some(this)) = (running.and_then(|file| file.build.as_ref()), &own)
            && running != this
        {
            let path = std::env::current_exe().unwrap_or_default();
            found.push(
                Finding::warn(
                    "versions",
                    format!("the platform runs {running}, this is {this}, {}", path.display()),
                )
                .cause("the program was replaced since the platform was started, or there are two")
                .fix("tow upgrade puts this one in its place, without a request lost"),
            );
        }
    }
    if found.is_empty() {
        found.push(Finding::ok("versions", "everything runs from this build"));
    }
    found
}
