//! From a folder to a live URL, as scripts see it: the shapes of `-o json`, the exit statuses, what a failure says, and
//! that it changes nothing.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, example, get, keys, served, status};
use serde_json::Value;
use tow_testkit::binary::{Binary, not_run};

/// The members that the contract with scripts names are all there.
#[track_caller]
fn has(value: &Value, wanted: &[&str]) {
    let keys = keys(value);
    for key in wanted {
        assert!(keys.contains(key), "{key} is missing in {value}");
    }
}

#[track_caller]
fn only(list: &Value) -> &Value {
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    &list[0]
}

#[test]
fn scripts_get_what_they_were_promised() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::new("ferry");
    let done = up.deploy(ferry.path());
    let wanted = [
        "component",
        "deployment",
        "duration_ms",
        "environment",
        "plan",
        "release",
        "state",
        "url",
    ];
    assert_eq!(keys(&done), wanted);
    assert_eq!(
        (&done["component"], &done["environment"], &done["state"]),
        (&"ferry".into(), &"development".into(), &"live".into())
    );
    assert_eq!((done["release"].as_i64(), done["deployment"].as_i64()), (Some(1), Some(1)));
    assert!(done["plan"].as_str().unwrap().starts_with("plan-"));
    assert!(done["duration_ms"].is_u64());
    assert!(served(done["url"].as_str().unwrap()).contains("one release 1"));

    ferry.set("GREETING", "two");
    let plan = up.json(&["plan", &ferry.text()]);
    has(&plan, &["id", "targets", "steps", "changes"]);
    has(only(&plan["targets"]), &["component", "environment"]);
    assert!(plan["changes"].as_i64().unwrap() > 0);
    for step in plan["steps"].as_array().unwrap() {
        assert_eq!(keys(step), ["action", "reason", "subject"]);
        let actions = ["create", "update-in-place", "replace", "destroy", "watch", "none"];
        assert!(actions.contains(&step["action"].as_str().unwrap()), "{step}");
        assert!(!step["reason"].as_str().unwrap().is_empty(), "every step says why: {step}");
    }

    // Nothing watches it in development, which nobody should have to find out.
    let steps = plan["steps"].as_array().unwrap();
    let watched = steps.iter().find(|step| step["subject"] == "not watched").unwrap();
    assert_eq!(watched["action"], "none");
    assert!(watched["reason"].as_str().unwrap().ends_with("(bake.for)"), "{watched}");

    let releases = up.json(&["releases", "ferry"]);
    has(only(&releases), &["number", "artifact", "created_at", "created_by"]);
    assert!(releases[0]["artifact"].as_str().unwrap().starts_with("sha256:"));
    let deployments = up.json(&["deployments", "ferry"]);
    let wanted =
        ["number", "release", "environment", "state", "reason", "created_at", "created_by"];
    has(only(&deployments), &wanted);
    assert_eq!(deployments[0]["reason"], "deploy");
    assert_eq!(deployments[0]["created_by"], "user:default/admin");

    let all = up.json(&["status"]);
    let line = only(&all);
    let wanted = ["component", "workload", "environment", "release", "state", "url", "instances"];
    has(line, &wanted);
    assert_eq!(line["instances"], serde_json::json!({"ready": 1, "wanted": 1}));
    assert_eq!(line["url"], done["url"]);

    let instances = up.json(&["ps"]);
    let wanted = [
        "instance",
        "component",
        "workload",
        "container",
        "environment",
        "release",
        "pid",
        "state",
        "restarts",
    ];
    has(only(&instances), &wanted);
    let pid = instances[0]["pid"].as_u64().unwrap();
    let args = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(args.contains("app"), "the pid is the program's own: {args:?}");

    for kind in ["components", "environments", "runtimes", "deliveries"] {
        for object in up.json(&["get", kind]).as_array().unwrap() {
            has(object, &["apiVersion", "kind", "metadata", "spec", "status"]);
        }
    }
    let one = up.json(&["get", "environment", "development"]);
    has(&one, &["apiVersion", "kind", "metadata", "spec", "status"]);
}

#[test]
fn exit_statuses_are_the_truth() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::new("ferry");
    // 0: done.
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    // 1: failed.
    ferry.set("HEALTH", "exit");
    up.tow(["deploy", &ferry.text()]).exits(1);
    ferry.set("HEALTH", "");
    // 2: usage or invalid input.
    up.tow(["deploy", "--no-such-option"]).exits(2);
    let invalid = up.home().join("invalid");
    std::fs::create_dir_all(&invalid).unwrap();
    std::fs::write(invalid.join("score.yaml"), "apiVersion: score.dev/v1b1\nmetadata: 7\n")
        .unwrap();
    let done = up.tow(["deploy", &invalid.display().to_string()]).exits(2);
    assert!(done.err.contains("score.yaml:2:11"), "{done}");
    // 3: refused by a rule: a resource type without a recipe, by its line.
    let score = std::fs::read_to_string(ferry.path().join("score.yaml")).unwrap();
    std::fs::write(
        ferry.path().join("score.yaml"),
        format!("{score}resources:\n  db:\n    type: postgres\n"),
    )
    .unwrap();
    let done = up.tow(["deploy", &ferry.text()]).exits(3);
    let line = score.lines().count() + 3;
    assert!(done.err.contains(&format!("score.yaml:{line}:")), "{done}");
    assert!(done.err.contains("postgres") && done.err.contains("hint:"), "{done}");
    let nobody = up
        .command(["status"])
        .env("TOW_URL", &up.ready.clone().unwrap().url)
        .env("TOW_TOKEN", "nobody")
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(3));
    // 4: not found.
    for args in [
        &["get", "component", "barge"][..],
        &["deploy", "--plan", "plan-0"],
        &["restart", "-c", "barge"],
        &["rollback", "77", "-c", "ferry"],
        &["deploy", "--release", "77", "-c", "ferry"],
    ] {
        let done = up.tow(args.iter().chain(&["-o", "json"]));
        assert_eq!(done.status, 4, "{args:?}: {done}");
        assert_eq!(done.problem()["status"], 404, "{args:?}");
    }
    // 5 is a plan gone stale, below, and two deploys at once.
    assert!(served(&url).contains("one release 1"), "what served still serves");
}

#[test]
fn a_deploy_that_fails_says_why_and_leaves_the_old_one_serving() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::new("ferry");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    let cases = [
        ("fail", "GET /healthz → 500", "listening on"),
        ("exit", "exit", "there is no water in the canal"),
        ("mute", "/healthz", "started"),
    ];
    for (number, (health, gate, line)) in cases.into_iter().enumerate() {
        ferry.set("HEALTH", health);
        let done = up.tow(["deploy", &ferry.text()]).exits(1);
        let (log, error) = done.err.split_once("\nerror: ").unwrap_or_else(|| panic!("{done}"));
        assert!(log.contains(line), "{health}: its last lines: {done}");
        assert!(error.contains(gate), "{health}: names what did not hold: {done}");
        assert!(error.contains("[rollout/") && error.contains("hint:"), "{health}: {done}");
        assert!(error.contains("what ran before was left as it was"), "{health}: {done}");
        assert_eq!(done.out, "", "{health}: nothing came of it");
        assert!(served(&url).contains("one release 1"), "{health}");
        let now = status(&up, "ferry");
        assert_eq!((&now["state"], &now["release"]), (&"live".into(), &1.into()), "{health}");
        let deployments = up.json(&["deployments", "ferry"]);
        assert_eq!(deployments[0]["state"], "failed", "{health}");
        assert_eq!(deployments[0]["number"], number + 2, "{health}");
        assert_eq!(up.json(&["ps", "ferry"]).as_array().unwrap().len(), 1, "nothing is left of it");
    }
    let json = up.tow(["deploy", &ferry.text(), "-o", "json"]).exits(1);
    assert_eq!(json.json()["state"], "failed");
    assert!(json.problem()["code"].as_str().unwrap().starts_with("rollout/"), "{json}");
    // And it is no dead end.
    ferry.set("HEALTH", "").set("GREETING", "three");
    up.deploy(ferry.path());
    assert!(served(&url).contains("three"));
}

#[test]
fn a_stale_plan_is_refused_and_names_what_moved() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::new("ferry");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    ferry.set("GREETING", "two");
    let plan = up.json(&["plan", &ferry.text()]);
    let id = plan["id"].as_str().unwrap();
    up.json(&["config", "set", "TIDE=high", "-c", "ferry"]);
    let done = up.tow(["deploy", "--plan", id, "-o", "json"]).exits(5);
    let problem = done.problem();
    assert_eq!((&problem["code"], &problem["status"]), (&"plan/stale".into(), &409.into()));
    assert!(problem["detail"].as_str().unwrap().contains("ferry"), "it names what moved: {done}");
    assert!(problem["hint"].is_string(), "{done}");
    assert!(served(&url).contains("one release 1"));
    // The plan made now holds, once: it is exactly what is applied.
    let plan = up.json(&["plan", &ferry.text()]);
    let id = plan["id"].as_str().unwrap();
    ferry.set("GREETING", "three");
    let done = up.json(&["deploy", "--plan", id]);
    assert_eq!(done["plan"], plan["id"]);
    assert!(served(&url).contains("two release 2"), "not what the folder says now");
}

#[test]
fn deploying_the_same_again_does_nothing() {
    let up = Binary::up(TOW);
    let ferry = Ferry::new("ferry");
    let first = up.deploy(ferry.path());
    let before = up.json(&["ps", "ferry"]);
    let again = up.deploy(ferry.path());
    for key in ["release", "deployment", "state", "url"] {
        assert_eq!(again[key], first[key], "{key}");
    }
    assert_eq!(up.json(&["ps", "ferry"]), before);
    assert_eq!(up.json(&["deployments", "ferry"]).as_array().unwrap().len(), 1);
    let text = up.tow(["deploy", &ferry.text()]).exits(0);
    assert!(text.out.contains("nothing to do"), "{text}");
}

#[test]
fn every_change_is_a_deployment_and_can_be_taken_back() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::new("ferry");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    ferry.set("GREETING", "two");
    up.deploy(ferry.path());
    assert!(served(&url).contains("two release 2"));
    let back = up.json(&["rollback", "-c", "ferry"]);
    assert_eq!((&back["release"], &back["deployment"]), (&1.into(), &3.into()));
    assert!(served(&url).contains("one release 1"));
    up.json(&["scale", "ferry=3", "-c", "ferry"]);
    assert_eq!(status(&up, "ferry")["instances"], serde_json::json!({"ready": 3, "wanted": 3}));
    let old = crate::ferry::pids(&up, "ferry");
    up.json(&["restart", "-c", "ferry"]);
    let new = crate::ferry::pids(&up, "ferry");
    assert_eq!((old.len(), new.len()), (3, 3));
    assert!(new.iter().all(|pid| !old.contains(pid)), "{old:?} {new:?}");
    up.json(&["stop", "-c", "ferry"]);
    assert_eq!(up.json(&["ps", "ferry"]), serde_json::json!([]));
    assert_eq!(status(&up, "ferry")["state"], "stopped");
    let (code, page) = get(&url, "/");
    assert!(code == 503 || code == 404, "{code}: {page}");
    assert!(page.contains("ferry"), "the error page names the component: {page}");
    up.json(&["start", "-c", "ferry"]);
    assert!(served(&url).contains("one release 1"));
    assert_eq!(status(&up, "ferry")["instances"]["ready"], 3);
    let deployments = up.json(&["deployments", "ferry"]);
    let reasons: Vec<&str> =
        deployments.as_array().unwrap().iter().map(|d| d["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons[reasons.len() - 3..], ["rollback", "deploy", "deploy"], "{reasons:?}");
}

#[test]
fn configuration_reaches_the_program_and_is_no_plain_text_at_rest() {
    let up = Binary::up(TOW);
    let mut ferry = Ferry::new("ferry");
    ferry.set("GREETING", "");
    let url = up.deploy(ferry.path())["url"].as_str().unwrap().to_string();
    up.json(&["config", "set", "GREETING=lock-and-weir", "-c", "ferry"]);
    assert!(served(&url).contains("lock-and-weir release 1"));
    let listed = up.json(&["config", "list", "-c", "ferry"]);
    assert_eq!(listed[0]["name"], "GREETING");
    assert_eq!(listed[0]["value"], "lock-and-weir");
    let events = up.tow(["events", "-o", "json"]).exits(0);
    assert!(!events.out.contains("lock-and-weir"), "events hold digests");
    for file in ["tow.db", "tow.db-wal"] {
        let bytes = std::fs::read(up.data().join(file)).unwrap_or_default();
        let found = bytes.windows(13).any(|window| window == b"lock-and-weir");
        assert!(!found, "{file} holds the value as it is");
    }
    up.json(&["config", "unset", "GREETING", "-c", "ferry"]);
    assert!(!served(&url).contains("lock-and-weir"));
    assert_eq!(up.json(&["config", "list", "-c", "ferry"]), serde_json::json!([]));
}

#[test]
fn the_examples_deploy() {
    let up = Binary::up(TOW);
    for (name, path, tool, says) in [
        ("hello-static", "/", None, "The barge has arrived"),
        ("hello-rust", "/", Some("cargo"), "Hello from Rust"),
        ("hello-python", "/", Some("python3"), "Hello from Python"),
    ] {
        if let Some(tool) = tool
            && std::process::Command::new(tool).arg("--version").output().is_err()
        {
            not_run(&format!("{tool} is not here, so {name} was not deployed"));
            continue;
        }
        let folder = example(name);
        let done = up.deploy(folder.path());
        assert_eq!(done["state"], "live", "{name}");
        let (code, body) = get(done["url"].as_str().unwrap(), path);
        assert_eq!(code, 200, "{name}: {body}");
        assert!(body.contains(says), "{name}: {body}");
    }
}
