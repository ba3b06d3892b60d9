//! Commands that are to end, through the real binary: jobs, one-off commands, the commands of a release. Whoever dies
//! meanwhile, each attempt is begun once.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, served};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use tow_testkit::binary::{Binary, Done, until};

/// A component of workloads that are shell commands: name, command, and its lines of `tow.yaml`.
pub(crate) fn folder(component: &str, workloads: &[(&str, &str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("barge-").tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let mut tow = format!(
        "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: {component}\nspec:\n  component: {component}\n  \
         build: {{command: \"true\"}}\n  workloads:\n"
    );
    for (name, command, delivery) in workloads {
        write(
            &format!("{name}.score.yaml"),
            &format!(
                "apiVersion: score.dev/v1b1\nmetadata:\n  name: {name}\ncontainers:\n  main:\n    image: .\n    \
                 command: [sh, -c, {}]\n",
                Value::from(*command)
            ),
        );
        tow.push_str(&format!("    {name}: {delivery}\n"));
    }
    write("tow.yaml", &tow);
    folder
}

fn run_of(done: &Done) -> String {
    let text = done.out.split_whitespace().find(|word| word.starts_with("run-"));
    text.unwrap_or_else(|| panic!("no run: {done}")).to_string()
}

fn show(up: &Binary, run: &str) -> Value {
    up.json(&["job", "show", run])
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn a_job_runs_when_it_is_asked_for_and_its_end_is_the_verbs() {
    let up = Binary::up(TOW);
    let barge = folder(
        "barge",
        &[
            ("sum", "echo one; echo two >&2; exit ${CODE:-0}", "{kind: job}"),
            ("shaky", "echo try $TOW_ATTEMPT; test $TOW_ATTEMPT = 3", "{kind: job, retries: 2}"),
            ("slow", "echo slow; sleep 60", "{kind: job}"),
        ],
    );
    let plan = up.tow(["plan", &barge.path().display().to_string()]).exits(0);
    assert!(plan.out.contains("runs when somebody asks"), "{plan}");
    let done = up.deploy(barge.path());
    assert_eq!(done["state"], "live", "{done}");
    assert!(up.json(&["ps", "barge"]).as_array().unwrap().is_empty(), "nothing runs by itself");
    assert!(up.json(&["job", "list", "-c", "barge"]).as_array().unwrap().is_empty());

    let ran = up.tow(["job", "run", "sum", "-c", "barge"]).exits(0);
    assert_eq!(ran.out, "one\n", "{ran}");
    assert!(ran.err.contains("two"), "{ran}");
    up.tow(["config", "set", "CODE=3", "-c", "barge"]).exits(0);
    let failed = up.tow(["job", "run", "sum", "-c", "barge"]).exits(3);
    assert_eq!(failed.out, "one\n", "{failed}");

    // However the workload is named; and none is begun that has no time.
    up.tow(["config", "unset", "barge", "CODE"]).exits(0);
    up.tow(["job", "run", "barge", "sum"]).exits(0);
    up.tow(["job", "run", "barge", "-w", "sum"]).exits(0);
    let none = up.tow(["job", "run", "barge", "sum", "--timeout", "0s", "-o", "json"]).problem();
    assert_eq!(none["code"], "input/invalid", "{none}");
    assert!(none["detail"].as_str().unwrap().contains("leaves no time to run"), "{none}");
    assert_eq!(up.json(&["job", "list", "barge"]).as_array().unwrap().len(), 4);

    let ran = up.tow(["job", "run", "shaky", "-c", "barge"]).exits(0);
    assert_eq!(ran.out, "try 1\ntry 2\ntry 3\n", "{ran}");
    let late = up.tow(["job", "run", "slow", "-c", "barge", "--timeout", "500ms"]).exits(124);
    assert!(late.err.contains("longer than 500ms"), "{late}");

    let all = up.json(&["job", "list", "-c", "barge"]);
    let all: Vec<(&str, &str, u64)> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|run| {
            let text = |key: &str| run[key].as_str().unwrap();
            (text("workload"), text("state"), run["attempt"].as_u64().unwrap())
        })
        .collect();
    let expected = [
        ("slow", "timed-out", 1),
        ("shaky", "succeeded", 3),
        ("sum", "succeeded", 1),
        ("sum", "succeeded", 1),
        ("sum", "failed", 1),
        ("sum", "succeeded", 1),
    ];
    assert_eq!(all, expected, "the newest first");
    let shaky = up.json(&["job", "list", "-c", "barge", "-w", "shaky"])[0]["id"].clone();
    let log = up.tow(["logs", "--run", shaky.as_str().unwrap()]).exits(0);
    assert!(log.out.contains("try 1") && log.out.contains("try 3"), "{log}");
    let wrong = up.tow(["job", "run", "nobody", "-c", "barge"]).exits(4);
    assert!(wrong.err.contains("shaky"), "it says which there are: {wrong}");
    let scaled = up.tow(["scale", "sum=2", "-c", "barge"]).exits(2);
    assert!(scaled.err.contains("is a job"), "{scaled}");
    assert!(up.json(&["ps", "barge"]).as_array().unwrap().is_empty());
}

#[test]
fn a_command_has_everything_that_its_workload_has() {
    let up = Binary::up(TOW);
    let ferry = Ferry::new("ferry");
    up.deploy(ferry.path());
    up.tow(["config", "set", "TIDE=high", "-c", "ferry"]).exits(0);
    let command = "echo $GREETING $TIDE $TOW_RELEASE; test -x ./app && exit 7";
    let ran = up.tow(["run", "ferry", "--", "sh", "-c", command]).exits(7);
    assert_eq!(ran.out, "one high 1\n", "{ran}");
    let gone = up.tow(["run", "ferry", "--", "./nothing"]).exits(127);
    assert!(gone.err.contains("nothing"), "it says what could not be started: {gone}");
    assert_eq!(up.json(&["ps", "ferry"]).as_array().unwrap().len(), 1, "it is nobody's pod");
    let begun = up.tow(["run", "ferry", "--detach", "--", "sleep", "600"]).exits(0);
    let run = run_of(&begun);
    until("it runs", || show(&up, &run)["state"] == "running");
    up.tow(["job", "cancel", &run]).exits(0);
    until("it was stopped", || show(&up, &run)["state"] == "cancelled");
    assert!(show(&up, &run)["note"].as_str().unwrap().contains("cancelled by"));
}

#[test]
fn a_job_is_carried_through_whoever_is_killed() {
    let mut up = Binary::up(TOW);
    let (began, go) = (up.home().join("began"), up.home().join("go"));
    let wait = format!(
        "echo begun >> {}; while [ ! -e {} ]; do sleep 0.05; done; echo done",
        began.display(),
        go.display()
    );
    let barge = folder("barge", &[("sum", &wait, "{kind: job}")]);
    up.deploy(barge.path());
    let run = run_of(&up.tow(["job", "run", "-c", "barge", "--detach"]).exits(0));
    until("it began", || lines(&began) == 1);
    // While it runs, and once more in the moment in which it ends.
    up.end(Signal::KILL);
    up.start();
    until("it is known again", || show(&up, &run)["state"] == "running");
    up.end(Signal::KILL);
    std::fs::write(&go, "").unwrap();
    up.start();
    until("its end is known", || show(&up, &run)["finished"] == true);
    let seen = show(&up, &run);
    assert_eq!((&seen["state"], &seen["attempt"]), (&"succeeded".into(), &1.into()), "{seen}");
    assert_eq!(lines(&began), 1, "an attempt is begun once");
    let log = up.tow(["logs", "--run", &run]).exits(0);
    assert!(log.out.contains("done"), "{log}");
}

#[test]
fn a_release_command_gates_the_switch_and_is_run_once() {
    let mut up = Binary::up(TOW);
    let mut ferry = Ferry::patient("ferry");
    let counted = up.home().join("migrations");
    let patient = crate::ferry::PATIENT;
    let migrate = |then: &str| {
        let command = format!("echo migrating; echo x >> {}; {then}", counted.display());
        format!(
            "{patient}\nrelease: [sh, -c, {}]\npostDeploy: [sh, -c, \"echo warm\"]",
            Value::from(command)
        )
    };
    ferry.delivery = migrate("true");
    ferry.write();
    let plan = up.tow(["plan", &ferry.text()]).exits(0);
    assert!(plan.out.contains("release command of ferry"), "{plan}");
    let done = up.deploy(ferry.path());
    let url = done["url"].as_str().unwrap().to_string();
    assert!(served(&url).contains("release 1"));
    assert_eq!(lines(&counted), 1);
    let runs = up.json(&["job", "list", "-c", "ferry"]);
    let kinds: Vec<&str> =
        runs.as_array().unwrap().iter().filter_map(|run| run["kind"].as_str()).collect();
    assert_eq!(kinds, ["post-deploy", "release"]);

    ferry.delivery = migrate("echo no such column >&2; exit 4");
    ferry.set("GREETING", "two");
    let failed = up.tow(["deploy", &ferry.text()]).exits(1);
    assert!(failed.err.contains("no such column"), "its last words: {failed}");
    assert!(failed.err.contains("rollout/release"), "{failed}");
    assert!(served(&url).contains("one release 1"), "what served goes on serving");
    assert_eq!(lines(&counted), 2);

    // After the switch there is no way back: it is live, and what did not go well is said.
    ferry.delivery = format!("{patient}\npostDeploy: [sh, -c, \"echo cold cache >&2; exit 5\"]");
    ferry.set("GREETING", "late");
    let late = up.tow(["deploy", &ferry.text()]).exits(0);
    assert!(late.err.contains("post-deploy failed") && late.err.contains("exit code 5"), "{late}");
    assert!(late.err.contains("cold cache"), "its last words: {late}");
    let all = up.json(&["deployments", "-c", "ferry"]);
    let told = all[0]["message"].as_str().unwrap_or_default();
    assert!(all[0]["state"] == "live" && told.contains("exit code 5"), "{all}");

    // Killed while the command runs: it is not run twice.
    let go = up.home().join("go");
    ferry.delivery = migrate(&format!("while [ ! -e {} ]; do sleep 0.05; done", go.display()));
    ferry.set("GREETING", "three");
    let mut deploy = up.command(["deploy", &ferry.text()]).spawn().unwrap();
    until("it migrates", || lines(&counted) == 3);
    up.end(Signal::KILL);
    std::fs::write(&go, "").unwrap();
    up.start();
    until("it is live", || served(&url).contains("three"));
    assert_eq!(deploy.wait().unwrap().code(), Some(0));
    assert_eq!(lines(&counted), 3, "once per deployment");
}

/// `tow` beside the test, and what it says to people as it comes.
struct Stayed {
    child: std::process::Child,
    said: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Stayed {
    fn begin(up: &Binary, args: &[&str]) -> Self {
        let mut child = up.command(args).spawn().unwrap();
        let said = std::sync::Arc::<std::sync::Mutex<String>>::default();
        for mut from in [
            Box::new(child.stderr.take().unwrap()) as Box<dyn std::io::Read + Send>,
            Box::new(child.stdout.take().unwrap()),
        ] {
            let said = said.clone();
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = from.read(&mut bytes) {
                    said.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
                }
            });
        }
        Self { child, said }
    }

    #[track_caller]
    fn says(&self, text: &str) {
        let began = std::time::Instant::now();
        while !self.said.lock().unwrap().contains(text) {
            let said = self.said.lock().unwrap().clone();
            assert!(began.elapsed() < tow_testkit::binary::PATIENCE, "no {text:?} in {said:?}");
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
    }

    fn presses_ctrl_c(&self) {
        tow_testkit::binary::send(self.child.id(), Signal::INT);
    }

    #[track_caller]
    fn ends(&mut self) -> Option<i32> {
        let mut status = None;
        until("it ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

/// The first asks for the end, the second leaves at once: by signals, as a terminal sends them.
#[test]
fn whoever_stays_with_a_run_can_leave_it() {
    let up = Binary::up(TOW);
    let stubborn = "trap '' TERM INT HUP; echo begun; while :; do sleep 0.1; done";
    let barge = folder("barge", &[("slow", stubborn, "{kind: job, stop: {grace: 1m}}")]);
    up.deploy(barge.path());
    let mut stayed = Stayed::begin(&up, &["job", "run", "slow", "-c", "barge"]);
    stayed.says("begun");
    stayed.presses_ctrl_c();
    stayed.says("asked to cancel");
    let run = up.json(&["job", "list", "-c", "barge"])[0]["id"].as_str().unwrap().to_string();
    stayed.presses_ctrl_c();
    assert_eq!(stayed.ends(), Some(130));
    assert_eq!(show(&up, &run)["finished"], false, "nobody waited for its end");

    let willing = folder("willing", &[("slow", "echo begun; exec sleep 600", "{kind: job}")]);
    up.deploy(willing.path());
    let mut stayed = Stayed::begin(&up, &["job", "run", "slow", "-c", "willing"]);
    stayed.says("begun");
    stayed.presses_ctrl_c();
    assert_eq!(stayed.ends(), Some(130), "it was cancelled");
    let run = up.json(&["job", "list", "-c", "willing"])[0]["id"].as_str().unwrap().to_string();
    assert_eq!(show(&up, &run)["state"], "cancelled");
}

#[test]
fn whoever_stays_with_a_build_or_a_deployment_can_leave_it() {
    let up = Binary::up(TOW);
    let barge = folder("barge", &[("slow", "true", "{kind: job}")]);
    let tow = barge.path().join("tow.yaml");
    let text = std::fs::read_to_string(&tow).unwrap();
    let slow = "trap '' TERM INT HUP; echo making it; while :; do sleep 0.1; done";
    std::fs::write(&tow, text.replace("\"true\"", &Value::from(slow).to_string())).unwrap();
    let path = barge.path().display().to_string();
    for verb in ["build", "deploy"] {
        let mut stayed = Stayed::begin(&up, &[verb, &path]);
        stayed.says("unpacking source");
        stayed.presses_ctrl_c();
        stayed.says("asked to cancel");
        stayed.presses_ctrl_c();
        assert_eq!(stayed.ends(), Some(130), "{verb}");
    }
    // A key is answered, however little somebody wants to hear.
    let skiff = folder("skiff", &[("slow", "true", "{kind: job}")]);
    let tow = skiff.path().join("tow.yaml");
    let text = std::fs::read_to_string(&tow).unwrap();
    std::fs::write(&tow, text.replace("\"true\"", &Value::from(slow).to_string())).unwrap();
    let path = skiff.path().display().to_string();
    let mut stayed = Stayed::begin(&up, &["deploy", &path, "-q"]);
    until("it listens for keys", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", stayed.child.id()));
        let status = status.unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        caught.is_some_and(|mask| mask & 2 != 0)
    });
    stayed.presses_ctrl_c();
    stayed.says("Ctrl-C once more leaves it");
    stayed.presses_ctrl_c();
    assert_eq!(stayed.ends(), Some(130));
}

#[test]
fn whoever_stays_with_a_run_stays_while_the_platform_is_started_again() {
    let mut up = Binary::up(TOW);
    let go = up.home().join("go");
    let wait =
        format!("echo begun; while [ ! -e {} ]; do sleep 0.05; done; echo done", go.display());
    let barge = folder("barge", &[("sum", &wait, "{kind: job}")]);
    up.deploy(barge.path());
    let mut stayed = Stayed::begin(&up, &["job", "run", "sum", "-c", "barge"]);
    stayed.says("begun");
    up.end(Signal::KILL);
    stayed.says("does not answer");
    up.start();
    std::fs::write(&go, "").unwrap();
    assert_eq!(stayed.ends(), Some(0), "{}", stayed.said.lock().unwrap());
    stayed.says("done");
}
