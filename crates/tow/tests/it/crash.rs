//! The real binary, dead at any moment: aborted at its own crossings, and killed at random. In the end everything is as
//! in the run in which nobody died, nothing is left over, and what served never stopped serving.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use crate::ferry::{Ferry, TOW, served, status};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tow_testkit::binary::{Binary, Done, until};
use tow_testkit::load::Load;

/// How many crossings are tried, spread over all of them; `TOW_CRASH_ALL=1`: every one.
const SAMPLES: u64 = 25;
/// How many times the control plane is killed at random.
const KILLS: usize = 200;
/// So that every run kills at the same moments of its own clock.
const SEED: u64 = 0x70_77_61_74_68;

/// What is done, one deployment each.
fn script(ferry: &mut Ferry, step: usize) -> Option<Vec<String>> {
    let words = |text: &str| text.split(' ').map(String::from).collect();
    let deploy = |ferry: &Ferry| vec!["deploy".to_string(), ferry.text()];
    Some(match step {
        0 => deploy(ferry),
        1 => words("scale ferry=2 -c ferry"),
        2 => words("config set TIDE=high -c ferry"),
        3 => {
            ferry.source("two");
            deploy(ferry)
        }
        4 => words("rollback -c ferry"),
        5 => words("stop -c ferry"),
        6 => words("start -c ferry"),
        _ => return None,
    })
}

/// Runs a verb while the control plane is started again whenever it ends.
fn supervised(up: &mut Binary, args: &[String]) -> Done {
    let mut child =
        up.command(args.iter().map(String::as_str).chain(["-o", "json"])).spawn().unwrap();
    until("the verb ended", || {
        if up.has_ended().is_some() {
            up.start();
        }
        child.try_wait().unwrap().is_some()
    });
    done(child)
}

fn done(child: Child) -> Done {
    let done = child.wait_with_output().unwrap();
    Done {
        status: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// Asks, again where the control plane died over it.
fn ask(up: &mut Binary, args: &[&str]) -> Option<Value> {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let done = supervised(up, &args);
    (done.status == 0).then(|| done.json())
}

/// Plays the script to its end; somebody who gets no answer looks whether it was done, and asks again if not.
fn play(up: &mut Binary, ferry: &mut Ferry) {
    let mut step = 0;
    while let Some(args) = script(ferry, step) {
        let mut last = None;
        until(&format!("{args:?}"), || {
            let done = supervised(up, &args);
            if done.status == 0 {
                return true;
            }
            let mut over = false;
            let code = done.problem()["code"].as_str().unwrap_or_default().to_string();
            let passing = code.starts_with("client/") || code == "operation/under-way";
            assert!(passing, "{args:?}: {done}");
            last = Some(done);
            // Under way is not over: its deployment may not even have a number yet.
            if let Some(all) = ask(up, &["deployments", "ferry"]) {
                let all = all.as_array().unwrap();
                let top = all.first().map_or(Value::Null, |top| top["state"].clone());
                over = all.len() == step + 1 && (top == "live" || top == "stopped");
            }
            over
        });
        step += 1;
    }
}

/// What is kept and what runs, without what no two runs have in common.
fn canonical(up: &mut Binary) -> Value {
    let drop = ["instance", "pid", "ports", "created_at", "url", "port_url"];
    let mut all = serde_json::Map::new();
    for verb in ["status", "ps", "releases", "deployments"] {
        let mut answer = None;
        until(verb, || {
            answer = ask(up, &[verb, "ferry"]);
            answer.is_some()
        });
        let mut answer = answer.unwrap();
        for line in answer.as_array_mut().unwrap() {
            line.as_object_mut().unwrap().retain(|key, _| !drop.contains(&key.as_str()));
        }
        all.insert(verb.into(), answer);
    }
    Value::Object(all)
}

/// Every process belongs to a row, and every row has its process.
#[track_caller]
fn no_orphans(up: &Binary) {
    let rows: BTreeSet<u64> = up
        .json(&["ps"])
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["pid"].as_u64().unwrap_or_else(|| panic!("{row}")))
        .collect();
    let of_tow = |process: &tow_testkit::binary::Process| {
        ["shim", "gateway", "up", "builder", "static"].iter().any(|role| process.is(role))
    };
    let all = up.processes();
    let programs: BTreeSet<u64> =
        all.iter().filter(|process| !of_tow(process)).map(|process| process.pid.into()).collect();
    assert_eq!(programs, rows, "{all:?}");
    let count = |role: &str| all.iter().filter(|process| process.is(role)).count();
    assert_eq!((count("gateway"), count("builder")), (1, 0), "{all:?}");
    assert_eq!(count("shim"), rows.len() + 1, "{all:?}");
}

#[track_caller]
fn at_rest(up: &Binary) {
    until("nothing is under way", || {
        let all = up.json(&["ps"]);
        let shims = up.role("shim").len();
        let rolling = up
            .json(&["deployments"])
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d["state"] == "rolling" || d["state"] == "waiting");
        !rolling && shims == all.as_array().unwrap().len() + 1
    });
}

/// One whole run. How it ended, and whether the control plane died meanwhile.
fn run(env: &[(&str, &str)]) -> (Value, bool) {
    let mut up = Binary::new(TOW);
    let mut ferry = Ferry::patient("ferry");
    if let Err(done) = up.try_start(&[], env) {
        assert_eq!(done.status, -1, "{env:?}: it aborted: {done}");
        up.start();
    }
    play(&mut up, &mut ferry);
    let end = canonical(&mut up);
    let url = status(&up, "ferry")["url"].as_str().unwrap().to_string();
    assert!(served(&url).contains("one release 1"), "{env:?}");
    at_rest(&up);
    no_orphans(&up);
    (end, up.starts() > 1)
}

#[test]
fn aborted_at_any_crossing_it_ends_as_if_nothing_had_happened() {
    let counted = tempfile::NamedTempFile::new().unwrap();
    let (wanted, _) = run(&[("TOW_COUNT_CROSSINGS", &counted.path().display().to_string())]);
    let crossings = std::fs::read_to_string(counted.path()).unwrap().lines().count() as u64;
    assert!(crossings > 100, "{crossings} crossings are too few to be all");
    #[expect(clippy::disallowed_methods, reason = "how the whole range is asked for")]
    let all = std::env::var_os("TOW_CRASH_ALL").is_some();
    let samples = if all { crossings } else { SAMPLES.min(crossings) };
    let at: Vec<u64> = (0..samples).map(|n| 1 + n * crossings / samples).collect();
    let next = std::sync::Mutex::new(at.iter());
    let died = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(k) = next.lock().unwrap().next() else { break };
                    let (end, dead) = run(&[("TOW_CRASH_AT", &k.to_string())]);
                    died.fetch_add(dead.into(), Ordering::Relaxed);
                    assert_eq!(end, wanted, "aborted at crossing {k} of {crossings}");
                }
            });
        }
    });
    let died = died.into_inner();
    println!(
        "measured: the real binary has {crossings} crossings here; it aborted at {died} of {samples} tried"
    );
    // Two runs never cross quite as often: what waits may look once more or less.
    assert!(died * 10 >= samples * 9, "it aborted at {died} of {samples}");
}

/// xorshift: the same numbers every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

#[test]
fn killed_at_random_under_deploys_it_loses_nothing() {
    let mut up = Binary::up(TOW);
    let mut ferry = Ferry::patient("ferry");
    up.deploy(ferry.path());
    let port_url = status(&up, "ferry")["port_url"].as_str().unwrap().to_string();
    let origin = port_url.trim_end_matches('/').to_string();
    let load = Load { origin, paths: vec!["/".into()], rate: 40 }.begin();
    let mut dice = Dice(SEED);
    let mut verb: Option<(String, Child)> = None;
    let (mut changes, mut done_changes) = (0_u64, 0_u64);
    for kill in 0..KILLS {
        let starting = dice.below(4) == 0;
        let span = Duration::from_millis(20 + dice.below(if starting { 230 } else { 580 }));
        if up.has_plane() {
            up.end(Signal::KILL);
        }
        if starting {
            up.launch();
        } else {
            up.start();
        }
        let began = Instant::now();
        while began.elapsed() < span {
            if let Some((args, child)) = &mut verb
                && child.try_wait().unwrap().is_some()
            {
                let (args, child) = (args.clone(), verb.take().map(|(_, child)| child).unwrap());
                let ended = done(child);
                // Killed over it, or another change was still under way.
                assert!([0, 1, 5].contains(&ended.status), "kill {kill}, {args}: {ended}");
                let code =
                    if ended.status == 0 { Value::Null } else { ended.problem()["code"].clone() };
                let text = code.as_str().unwrap_or_default();
                assert!(!text.starts_with("platform/"), "kill {kill}, {args}: {ended}");
                assert!(!text.starts_with("rollout/"), "kill {kill}, {args}: {ended}");
                done_changes += u64::from(ended.status == 0);
            }
            if verb.is_none() && !starting {
                changes += 1;
                let args = match changes % 4 {
                    0 => vec!["restart".into(), "-c".into(), "ferry".into()],
                    1 => {
                        let tide = format!("TIDE={changes}");
                        vec!["config".into(), "set".into(), tide, "-c".into(), "ferry".into()]
                    }
                    2 => {
                        ferry.source(&format!("{changes}"));
                        vec!["deploy".to_string(), ferry.text()]
                    }
                    _ => vec!["rollback".into(), "-c".into(), "ferry".into()],
                };
                let mut command = up.command(&args);
                command.args(["-o", "json"]);
                verb = Some((args.join(" "), command.spawn().unwrap()));
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
    if up.has_plane() {
        up.end(Signal::KILL);
    }
    up.start();
    if let Some((args, mut child)) = verb.take() {
        until(&format!("{args} ended"), || child.try_wait().unwrap().is_some());
        done(child);
    }
    at_rest(&up);
    let report = load.end();
    println!("measured: {KILLS} kills, {changes} changes begun, {done_changes} answered; {report}");
    assert!(report.failed.is_empty(), "{report}");
    assert!(done_changes > 0, "not one change of {changes} got through");
    // It still does what it is for, and the numbers tell one story.
    ferry.set("GREETING", "after").source("after");
    let last = up.deploy(ferry.path());
    assert!(served(&port_url).contains("after release"));
    at_rest(&up);
    no_orphans(&up);
    assert_eq!(status(&up, "ferry")["instances"], json!({"ready": 1, "wanted": 1}));
    assert_eq!(status(&up, "ferry")["release"], last["release"]);
    let deployments = up.json(&["deployments", "ferry", "--limit", "1000"]);
    let deployments = deployments.as_array().unwrap();
    let numbers: Vec<i64> = deployments.iter().map(|d| d["number"].as_i64().unwrap()).collect();
    let many = i64::try_from(numbers.len()).unwrap();
    assert_eq!(numbers, (1..=many).rev().collect::<Vec<_>>(), "no number twice, none left out");
    let live = deployments.iter().filter(|d| d["state"] == "live").count();
    assert_eq!(live, 1, "{deployments:?}");
}
