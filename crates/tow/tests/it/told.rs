//! What verbs tell people: ids that other verbs take, hints that work as they stand, what was meant and what there is.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::TOW;
use crate::run::folder;
use std::process::Stdio;
use tow_testkit::binary::{Binary, until};

/// A folder whose build is this command.
fn built_by(component: &str, command: &str) -> tempfile::TempDir {
    let dir = folder(component, &[(component, "sleep 1000", "{kind: worker}")]);
    let tow = dir.path().join("tow.yaml");
    let text = std::fs::read_to_string(&tow).unwrap();
    std::fs::write(&tow, text.replace(r#"command: "true""#, &format!("command: {command:?}")))
        .unwrap();
    dir
}

fn path(folder: &tempfile::TempDir) -> String {
    folder.path().display().to_string()
}

/// The commands that stand in a text between backquotes.
fn quoted(text: &str) -> Vec<Vec<String>> {
    let quoted = text.split('`').skip(1).step_by(2).filter(|part| part.starts_with("tow "));
    quoted.map(|line| line.split(' ').skip(1).map(ToString::to_string).collect()).collect()
}

#[test]
fn a_deployments_build_has_an_id_that_other_verbs_take() {
    let up = Binary::up(TOW);
    let slow = built_by("slow", "echo begun; sleep 1000");
    let mut child = up.command(["deploy", &path(&slow)]).stdin(Stdio::null()).spawn().unwrap();
    let builds = || up.json(&["build", "list", "slow"]);
    until("it is known", || up.tow(["build", "list", "slow"]).status == 0);
    until("it is built", || builds().as_array().is_some_and(|all| all.len() == 1));
    let build = builds()[0].clone();
    let id = build["id"].as_str().unwrap().to_string();
    assert!(build["finished"] == false && build["component"] == "slow", "{build}");
    until("its log is read by its id", || up.tow(["logs", "--build", &id]).out.contains("begun"));
    let status = up.tow(["status"]).exits(0).out;
    assert!(status.contains(&id), "{status}");
    let deployments = up.tow(["deployments", "slow"]).exits(0);
    assert!(deployments.err.contains(&id), "{deployments}");
    assert!(up.tow(["build", "list"]).exits(0).out.contains("building"));

    up.tow(["build", "cancel", &id]).exits(0);
    until("it has ended", || child.try_wait().unwrap().is_some());
    let done = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{err}");
    assert!(err.contains(&format!("tow build cancel {id}")), "{err}");
    let begun = err.lines().filter(|line| line.trim_end().ends_with("begun")).count();
    assert_eq!(begun, 1, "what was shown is not shown again: {err}");
    let build = builds()[0].clone();
    assert!(build["finished"] == true && build["failure"].is_string(), "{build}");
    let nope = up.tow(["build", "cancel", "nope"]).exits(4);
    assert!(nope.err.contains("tow build list"), "{nope}");
}

#[test]
fn the_hint_of_a_failed_deployment_works_as_it_stands() {
    let up = Binary::up(TOW);
    let file = up.home().join("yard.yaml");
    let name = "yard";
    let text = "apiVersion: towpath.dev/v1\nkind: Environment\nmetadata: {name: yard}\n\
                spec: {tier: development, runtime: local, owner: \"group:default/platform\"}\n";
    std::fs::write(&file, text).unwrap();
    up.tow(["apply", "-f", &file.display().to_string()]).exits(0);

    let bad = built_by("bad", "echo this is why; exit 3");
    let failed = up.tow(["deploy", &path(&bad), "-e", name]).exits(1);
    let hints = quoted(&failed.err);
    assert_eq!(hints.len(), 1, "{failed}");
    let told = up.tow(&hints[0]).exits(0);
    assert!(told.out.contains("this is why"), "{told}");

    let patient = "{kind: worker, health: {minHealthyTime: 30s}}";
    let ends = folder("ends", &[("ends", "echo last words; exit 4", patient)]);
    let failed = up.tow(["deploy", &path(&ends), "-e", name]).exits(1);
    let hints = quoted(&failed.err);
    assert_eq!(hints.len(), 1, "{failed}");
    assert!(hints[0].ends_with(&["-e".to_string(), name.to_string()]), "{hints:?}");
    let told = up.tow(&hints[0]).exits(0);
    assert!(told.out.contains("last words") && told.out.contains("failed"), "{told}");
    assert!(failed.err.contains("nothing ran before"), "{failed}");
}

#[test]
fn a_run_says_that_it_has_no_input_and_how_it_failed() {
    let up = Binary::up(TOW);
    let work = folder(
        "work",
        &[
            ("work", "sleep 1000", "{kind: worker}"),
            ("shaky", "exit 5", "{kind: job, retries: 1}"),
            ("tick", "true", "{kind: cron, schedule: \"0 0 1 1 *\"}"),
        ],
    );
    up.deploy(work.path());
    let mut child = up.command(["run", "work", "--", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdin.take());
    let piped = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&piped.stderr).into_owned();
    assert!(err.contains("a run has no input"), "{err}");
    let plain = up.tow(["run", "work", "--", "true"]).exits(0);
    assert!(!plain.err.contains("input"), "{plain}");

    let nope = up.tow(["run", "work", "--", "no-such-program"]).exits(127);
    assert!(nope.err.contains("cannot run no-such-program: not found on the PATH"), "{nope}");
    assert!(!nope.err.contains("work of work"), "{nope}");
    let shaky = up.tow(["job", "run", "shaky", "-c", "work"]).exits(5);
    assert!(shaky.err.contains("attempt 2 of at most 2"), "{shaky}");
    let runs = up.json(&["job", "list", "work"]);
    let id = runs[0]["id"].as_str().unwrap();
    assert!(up.tow(["job", "cancel", id]).exits(0).err.contains("had ended already"));

    up.tow(["cron", "pause", "tick", "-c", "work", "--why", "the yard is closed"]).exits(0);
    assert!(up.tow(["cron", "list", "work"]).exits(0).out.contains("the yard is closed"));
    let ps = up.tow(["ps"]).exits(0).out;
    assert!(ps.contains("ISOLATION") && ps.contains(" none "), "{ps}");
    up.tow(["logs", "work"]).exits(0);
    up.tow(["open", "work"]).exits(4);
    let missing = up.tow(["dev", "-e", "nope", &path(&work)]).exits(4);
    assert!(missing.err.contains("environment nope is not there"), "{missing}");

    let which =
        |args: &[&str]| up.tow([&["exec", "work"], args, &["--", "true"]].concat()).exits(4).err;
    let said = which(&["--replica", "7"]);
    assert!(said.contains("no replica 7") && said.contains("work/0 main"), "{said}");
    up.json(&["stop", "work"]);
    let said = which(&[]);
    assert!(
        said.contains("nothing of work runs in development") && said.contains("tow start"),
        "{said}"
    );
}

#[test]
fn help_is_a_word_too() {
    let up = Binary::new(TOW);
    let all = up.tow(["help"]).exits(0);
    assert_eq!(all.out, up.tow(["--help"]).exits(0).out);
    let one = up.tow(["help", "cron", "pause"]).exits(0);
    assert_eq!(one.out, up.tow(["cron", "pause", "--help"]).exits(0).out);
    let run = up.tow(["help", "run"]).exits(0);
    assert!(run.out.contains("It has no input"), "{run}");
}
