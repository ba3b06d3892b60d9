//! Schedules: through the real binary on the real clock, once; and 10,000 firings of a simulated year in twelve time
//! zones, on ours, with whoever carries them through killed again and again.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]
#![allow(clippy::print_stdout, reason = "the number of firings is a result")]

use crate::ferry::TOW;
use crate::given::{DEVELOPMENT, ann};
use crate::run::folder;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tow_names::{Duration, Schedule, Timestamp};
use tow_ports::Clock as _;
use tow_record::{CronState, RunState};
use tow_store::Find;
use tow_testkit::binary::{Binary, until};
use tow_testkit::{Fault, TestPlatform, Watch};

#[test]
fn a_schedule_fires_pauses_and_is_run_by_hand() {
    let mut up = Binary::up(TOW);
    let counted = up.home().join("ticks");
    let command = format!("echo $TOW_SCHEDULED_AT >> {}; echo tick", counted.display());
    let barge = folder("barge", &[("tick", &command, "{kind: cron, schedule: \"* * * * *\"}")]);
    up.deploy(barge.path());
    let list = |up: &Binary| up.json(&["cron", "list", "-c", "barge"])[0].clone();
    let first = list(&up);
    assert_eq!((&first["workload"], &first["timezone"]), (&"tick".into(), &"UTC".into()));
    assert!(first["next"].is_string(), "{first}");
    let by_hand = up.tow(["cron", "trigger", "-c", "barge"]).exits(0);
    assert_eq!(by_hand.out, "tick\n");
    // It is due within a minute, and the control plane dies before.
    up.end(Signal::KILL);
    up.start();
    let due = || std::fs::read_to_string(&counted).unwrap_or_default();
    until("it was due", || due().lines().any(|line| !line.is_empty()));
    up.end(Signal::KILL);
    up.start();
    up.tow(["cron", "pause", "-c", "barge", "--why", "the lock is being repaired"]).exits(0);
    let paused = list(&up);
    assert_eq!(paused["next"], Value::Null, "{paused}");
    assert_eq!(paused["paused"]["why"], "the lock is being repaired");
    up.tow(["cron", "resume", "-c", "barge"]).exits(0);
    assert!(list(&up)["next"].is_string());
    let due = due();
    let times: Vec<&str> = due.lines().filter(|line| !line.is_empty()).collect();
    let each: BTreeSet<&str> = times.iter().copied().collect();
    assert_eq!(times.len(), each.len(), "each firing once: {times:?}");
}

#[test]
fn what_is_no_schedule_is_refused_by_its_line() {
    let up = Binary::up(TOW);
    for (delivery, code, line) in [
        ("{kind: cron, schedule: 0 0 30 2 *}", "delivery/schedule", "never comes"),
        ("{kind: cron, schedule: 61 * * * *}", "delivery/schedule", "61 * * * *"),
        (
            "{kind: cron, schedule: 0 3 * * *, timezone: Europe/Atlantis}",
            "delivery/timezone",
            "Europe/Atlantis",
        ),
        ("{kind: cron}", "delivery/schedule", "no schedule"),
        ("{kind: job, schedule: 0 3 * * *}", "delivery/schedule", "a job has no schedule"),
    ] {
        let barge = folder("barge", &[("tick", "true", delivery)]);
        let refused = up.tow(["deploy", &barge.path().display().to_string()]).exits(2);
        assert!(refused.err.contains(code) && refused.err.contains(line), "{delivery}: {refused}");
        assert!(refused.err.contains("tow.yaml:"), "with its line: {refused}");
    }
}

const ZONES: [&str; 12] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
];
/// Twice a day, once of them in the hour that clocks skip or repeat in many zones.
const SCHEDULE: &str = "30 2,13 * * *";
/// Four times on some nights.
const QUARTERS: &str = "*/15 2 1,15,29 * *";

/// A workload of each zone, and how late it may be.
fn documents() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut tow = String::from(
        "apiVersion: towpath.dev/v1\nkind: Delivery\nmetadata:\n  name: clock\nspec:\n  component: clock\n  workloads:\n",
    );
    for (n, zone) in ZONES.iter().enumerate() {
        for (what, schedule) in [("day", SCHEDULE), ("quarter", QUARTERS)] {
            let policy = ["forbid", "queue", "replace"][n % 3];
            tow.push_str(&format!(
                "    {what}-{n}: {{kind: cron, schedule: \"{schedule}\", timezone: {zone}, concurrency: {policy}, \
                 startingDeadline: 12h, history: 1}}\n"
            ));
            let score = format!(
                "apiVersion: score.dev/v1b1\nmetadata:\n  name: {what}-{n}\ncontainers:\n  main:\n    image: .\n    \
                 variables:\n      TOW_FAKE: exits-after=1s code=0\n"
            );
            all.push((format!("{what}-{n}.yaml"), score));
        }
    }
    all.push(("tow.yaml".into(), tow));
    all
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}

/// What became of each firing, by workload and time, as the log of events tells it.
async fn decided(platform: &TestPlatform) -> BTreeMap<(String, Timestamp), RunState> {
    let mut decided = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = platform.store().events(Some(after), 1_000, None).await.unwrap();
        let Some(last) = page.last() else { return decided };
        after = last.seq;
        for event in
            page.iter().filter(|event| matches!(event.kind.as_str(), "run.ended" | "run.missed"))
        {
            let said = &event.body.as_ref().unwrap().after;
            let Ok(at) = serde_json::from_value::<Timestamp>(said["scheduled_at"].clone()) else {
                continue;
            };
            let state: RunState = serde_json::from_value(said["state"].clone()).unwrap();
            let workload = said["workload"].as_str().unwrap().to_string();
            let before = decided.insert((workload.clone(), at), state);
            assert_eq!(before, None, "{workload} at {at} came to an end twice");
        }
    }
}

#[test]
fn each_firing_of_a_year_in_twelve_zones_is_run_once_or_reported_missed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Box::pin(year()));
}

async fn year() {
    let mut dice = Dice(20_261_122);
    let mut platform = TestPlatform::start().await;
    let documents = documents();
    let documents: Vec<(&str, &str)> =
        documents.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    ann(&platform).deploy(DEVELOPMENT, &documents, "a clock").await.unwrap();
    platform.settle().await;
    let began = platform.clock().now();
    let end = Timestamp(began.0 + 365 * 86_400_000_000);
    let (mut kills, mut outages) = (0, 0);
    while platform.clock().now() < end {
        // Usually it is there when something is due; now and then it is away for hours, or dies at a crossing.
        let kind = dice.below(40);
        if kind == 0 {
            outages += 1;
            let hours = 1 + i64::try_from(dice.below(36)).unwrap();
            platform = platform.died(Watch::new(Fault::None));
            platform.clock().advance(Duration::from_secs(hours * 3600));
            platform.compose().await.unwrap();
        } else if kind < 5 {
            kills += 1;
            let at = 1 + usize::try_from(dice.below(12)).unwrap();
            let watch = Watch::new(Fault::DieAt(at));
            platform = platform.died(watch.clone());
            let alive = {
                let life = async {
                    platform.compose().await.unwrap();
                    pass(&platform, 0).await;
                };
                tokio::select! {
                    biased;
                    () = watch.died() => false,
                    () = life => true,
                }
            };
            if !alive {
                platform = platform.died(Watch::new(Fault::None));
                platform.compose().await.unwrap();
            }
        }
        let late = if dice.below(4) == 0 { dice.below(30) } else { dice.below(600) };
        pass(&platform, late).await;
    }
    platform.settle().await;
    let mut decided = decided(&platform).await;
    let (mut ran, mut missed, mut expected) = (0, 0, 0);
    let states = platform.store().list::<CronState>(Find::default()).await.unwrap();
    assert_eq!(states.len(), 2 * ZONES.len());
    let starts = platform.world().all_starts();
    for (id, count) in &starts {
        assert!(*count <= 1, "{id} was started {count} times");
    }
    for row in states {
        let state = row.value;
        let (what, n) = state.workload.split_once('-').unwrap();
        let schedule = if what == "day" { SCHEDULE } else { QUARTERS };
        let schedule = Schedule::parse(schedule, ZONES[n.parse::<usize>().unwrap()]).unwrap();
        let mut at = schedule.after(began);
        let mut reported = 0;
        while let Some(due) = at.filter(|due| *due <= state.decided_until) {
            expected += 1;
            match decided.remove(&(state.workload.clone(), due)) {
                Some(RunState::Succeeded | RunState::Cancelled) => ran += 1,
                Some(RunState::Missed) => reported += 1,
                other => panic!("{} at {due}: {other:?}", state.workload),
            }
            at = schedule.after(due);
        }
        assert!(at.is_none_or(|due| due > platform.clock().now()), "all of it was decided");
        assert_eq!(
            state.missed, reported,
            "{}: what is counted is what is reported",
            state.workload
        );
        missed += reported;
    }
    assert!(decided.is_empty(), "fired without being due: {decided:?}");
    assert!(expected >= 10_000, "{expected}");
    println!(
        "measured: {expected} firings in {} zones over a year, {kills} kills, {outages} outages: {ran} run once, \
         {missed} reported missed",
        ZONES.len()
    );
    platform.finish().await;
}

/// To the next time at which anything is due, and so many minutes later, as if everybody had been busy; and until what it
/// began has ended.
async fn pass(platform: &TestPlatform, late: u64) {
    let now = platform.clock().now();
    let dues = (0..ZONES.len()).flat_map(|n| {
        [SCHEDULE, QUARTERS].map(|text| Schedule::parse(text, ZONES[n]).unwrap().after(now))
    });
    let next = dues.flatten().min().unwrap();
    let late = Duration::from_secs(60 * i64::try_from(late).unwrap());
    platform.clock().advance_to(next.plus(late));
    platform.settle().await;
}
