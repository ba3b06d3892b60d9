//! Commands that are to end, in containers and in sandboxes: a job, a firing, a release command and a command of
//! somebody's, with their exit codes, logs, time limits and cancels, over the death of the control plane. And what the
//! programs of a workload may do where its delivery says so.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::container::{declare, engine};
use crate::ferry::TOW;
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use tow_testkit::binary::{Binary, not_run, until};

/// A component of workloads that are shell commands: name, command, and its lines of `tow.yaml`.
fn folder(image: &str, workloads: &[(&str, &str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("inside-").tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let build = if image == "." { "  build: {command: \"true\"}\n" } else { "" };
    let mut tow = format!(
        "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata: {{name: barge}}\nspec:\n  component: barge\n{build}  \
         workloads:\n"
    );
    for (name, command, delivery) in workloads {
        let score = format!(
            "apiVersion: score.dev/v1b1\nmetadata: {{name: {name}}}\ncontainers:\n  main:\n    image: {image}\n    \
             command: [sh, -c, {}]\n",
            Value::from(*command)
        );
        write(&format!("{name}.score.yaml"), &score);
        tow.push_str(&format!("    {name}: {delivery}\n"));
    }
    write("tow.yaml", &tow);
    folder
}

/// What ends: one, one that takes its time, one by a schedule, and what comes before a release.
fn barge(image: &str) -> tempfile::TempDir {
    let release = "{kind: worker, stop: {grace: 1s, drain: 1s}, release: [sh, -c, \"echo migrated; exit ${BROKEN:-0}\"]}";
    folder(
        image,
        &[
            ("sum", "echo one; echo two >&2; exit ${CODE:-0}", "{kind: job}"),
            (
                "slow",
                "echo begun; sleep ${LONG:-6}; echo over; exit 5",
                "{kind: job, stop: {grace: 1s}}",
            ),
            ("night", "echo by night; exit 0", "{kind: cron, schedule: \"0 3 1 1 *\"}"),
            ("works", "exec sleep 1000", release),
        ],
    )
}

/// All that is to hold, wherever `environment` runs things.
fn ends(up: &mut Binary, environment: &str, image: &str) {
    let barge = barge(image);
    let path = barge.path().display().to_string();
    let at = ["-c", "barge", "-e", environment];
    let with = |args: &[&str]| -> Vec<String> {
        args.iter().chain(&at).map(ToString::to_string).collect()
    };
    let deployed = up.tow(["deploy", &path, "-e", environment]).exits(0);
    assert!(deployed.err.contains("migrated"), "the release command ran: {deployed}");

    let ran = up.tow(with(&["job", "run", "sum"])).exits(0);
    assert_eq!(ran.out, "one\n", "{ran}");
    assert!(ran.err.contains("two"), "{ran}");
    up.tow(with(&["config", "set", "CODE=3"])).exits(0);
    assert_eq!(up.tow(with(&["job", "run", "sum"])).exits(3).out, "one\n");
    let triggered = up.tow(with(&["cron", "trigger", "night"]));
    assert!(triggered.status == 0, "{triggered}");
    until("the firing is over", || {
        let all = up.json(
            &with(&["job", "list", "-w", "night"]).iter().map(String::as_str).collect::<Vec<_>>(),
        );
        all[0]["state"] == "succeeded"
    });
    let ran = up.tow([
        "run",
        "barge",
        "-e",
        environment,
        "-w",
        "works",
        "--",
        "sh",
        "-c",
        "echo beside $TOW_RELEASE; exit 7",
    ]);
    assert_eq!((ran.status, ran.out.as_str()), (7, "beside 1\n"), "{ran}");
    let late = up.tow(with(&["job", "run", "slow", "--timeout", "1s"])).exits(124);
    assert!(late.err.contains("longer than 1s"), "{late}");

    // Cancelled, and over the control plane's death.
    let begin = |up: &Binary| {
        let begun = up.tow(with(&["job", "run", "slow", "--detach"])).exits(0);
        let run = begun.out.split_whitespace().find(|word| word.starts_with("run-"));
        let run = run.unwrap_or_else(|| panic!("no run: {begun}")).to_string();
        until("it says that it began", || {
            up.tow(["logs", "--run", &run]).exits(0).out.contains("begun")
        });
        run
    };
    let state = |up: &Binary, run: &str| up.json(&["job", "show", run]);
    let run = begin(up);
    up.tow(["job", "cancel", &run]).exits(0);
    until("it is cancelled", || state(up, &run)["state"] == "cancelled");
    let run = begin(up);
    up.end(Signal::KILL);
    up.start();
    until("it is over", || state(up, &run)["finished"] == true);
    let shown = state(up, &run);
    assert_eq!(shown["state"], "failed", "{shown}");
    assert!(shown.to_string().contains('5'), "its exit code is kept: {shown}");
    let log = up.tow(["logs", "--run", &run]).exits(0).out;
    assert_eq!((log.matches("begun").count(), log.matches("over").count()), (1, 1), "{log}");

    // A release command that fails keeps the release from being deployed.
    let refused = up.tow(with(&["config", "set", "BROKEN=9"]));
    assert!(refused.status != 0 && refused.err.contains("release command"), "{refused}");
}

#[test]
fn what_is_to_end_ends_in_containers() {
    let Some(podman) = engine() else { return };
    let mut up = Binary::up(TOW);
    declare(
        &up,
        &format!("type: container, engine: \"{}\", pull: never", podman.address()),
        "boxes",
    );
    ends(&mut up, "boxes", "busybox");
    let all = podman.containers("dev.towpath.instance");
    assert!(all.len() <= 2, "what has ended is taken away: {all:?}");
}

#[test]
fn what_is_to_end_ends_in_sandboxes() {
    let mut up = Binary::up(TOW);
    let seen = up.tow(["doctor", "-o", "json"]).json();
    let one = seen
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["check"] == "machine.sandbox")
        .unwrap()
        .clone();
    if one["state"] != "ok" {
        not_run(&format!("sandboxes: {}", one["seen"]));
        return;
    }
    declare(&up, "type: process, isolation: sandbox", "yard");
    ends(&mut up, "yard", ".");
}

#[test]
fn a_workload_is_confined_as_its_delivery_says() {
    let Some(podman) = engine() else { return };
    let up = Binary::up(TOW);
    declare(
        &up,
        &format!("type: container, engine: \"{}\", pull: never", podman.address()),
        "boxes",
    );
    let confine = "{confine: {user: \"1234:2345\", readOnly: true}, stop: {grace: 1s}}";
    let barge = folder("busybox", &[("works", "exec sleep 1000", confine)]);
    let score = barge.path().join("works.score.yaml");
    let text = std::fs::read_to_string(&score).unwrap();
    let volume = "    volumes: {/kept: {source: \"${resources.data}\"}}\nresources: {data: {type: volume}}\n";
    std::fs::write(&score, format!("{text}{volume}")).unwrap();
    let path = barge.path().display().to_string();
    up.tow(["deploy", &path, "-e", "boxes"]).exits(0);
    let inside = |command: &str| {
        let exec = ["exec", "-c", "barge", "-e", "boxes", "-T", "--", "sh", "-c", command];
        let done = up.tow(exec);
        (done.status, format!("{}{}", done.out, done.err))
    };
    assert_eq!(inside("echo $(id -u):$(id -g)"), (0, "1234:2345\n".into()));
    for (place, may) in [("/tmp", true), ("/run", true), ("/etc", false), ("/", false)] {
        let (status, said) = inside(&format!("touch {place}/mark"));
        assert_eq!(status == 0, may, "{place}: {said}");
    }
    let (status, mounts) = inside("grep -E ' (/|/kept) ' /proc/mounts");
    assert_eq!(status, 0, "{mounts}");
    for line in mounts.lines() {
        let wanted = if line.contains(" /kept ") { "rw" } else { "ro" };
        let options = line.split(' ').nth(3).unwrap_or_default();
        assert_eq!(options.split(',').next(), Some(wanted), "{line}");
    }
    refused(&up, barge.path());
}

/// Where programs are processes, they are the platform's user's, and nothing is kept from them.
fn refused(up: &Binary, folder: &Path) {
    for file in std::fs::read_dir(folder).unwrap().flatten() {
        if file.file_name().to_string_lossy().ends_with(".score.yaml") {
            let text = std::fs::read_to_string(file.path()).unwrap();
            std::fs::write(file.path(), text.replace("image: busybox", "image: .")).unwrap();
        }
    }
    let done = up.tow(["plan", &folder.display().to_string()]);
    assert_ne!(done.status, 0, "{done}");
    for said in ["confine.user", "confine.readOnly", "plan/confine"] {
        assert!(done.err.contains(said), "{said}: {done}");
    }
}
