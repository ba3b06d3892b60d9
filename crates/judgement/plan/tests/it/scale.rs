//! When there are to be more or fewer: load in, counts out, on a clock of our own.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use crate::given::{deployment, environment, facts, place, refused, release, web};
use std::collections::BTreeMap;
use tow_model::kinds::environment::Tier;
use tow_names::{Duration, Id, Name, Timestamp};
use tow_plan::scale::{Step, counted, look, made_live, tries};
use tow_plan::{Placed, routes};
use tow_record::{
    Can, Deployment, Desired, Executes, Instance, Isolation, Observed, ObservedInstance, Phase,
    Placement, Pod, Reason, Release, RouteCounters, Scale, State, TargetCounters, Usage,
};

/// A workload `web` that scales as is said, what is kept of it, and a world to set.
struct Stage {
    release: Release,
    deployment: Deployment,
    placement: Placement,
    rows: Vec<Instance>,
    observed: Observed,
    kept: Option<Scale>,
    now: Timestamp,
}

const ROUTE: &str = "component:default/shop@development/web/http";

impl Stage {
    fn new(scale: &serde_json::Value) -> Self {
        Self::of(scale, &web("web"))
    }

    fn of(scale: &serde_json::Value, score: &serde_json::Value) -> Self {
        let mut release = release(1, std::slice::from_ref(score));
        release.delivery =
            serde_json::from_value(serde_json::json!({"workloads": {"web": {"scale": scale}}}))
                .unwrap();
        let deployment = deployment(1, &release, 1);
        let mut placement = Placement::empty(place());
        placement.deployment = 1;
        let mut observed = Observed::default();
        observed.edge.reachable = true;
        observed.edge.boot = "boot-1".into();
        let now = Timestamp(1_000_000_000);
        let mut stage =
            Self { release, deployment, placement, rows: vec![], observed, kept: None, now };
        let environment = environment(Tier::Development);
        stage.kept = Some(made_live(
            &stage.deployment,
            &stage.deployment,
            &stage.release,
            &environment,
            now,
        ));
        stage.run(stage.count());
        stage
    }

    /// So many run and are ready.
    fn run(&mut self, count: u32) {
        self.placement.serving.clear();
        self.rows.clear();
        self.observed.instances.clear();
        for replica in 0..count {
            let id = Id::parse(&format!("i-{replica}")).unwrap();
            self.rows.push(Instance {
                id: id.clone(),
                place: place(),
                deployment: 1,
                release: 1,
                workload: "web".into(),
                container: "main".into(),
                replica,
                revision: "r".into(),
                node: "n".into(),
                runtime: Name::local(),
                run: None,
                ports: BTreeMap::from([("http".to_string(), 20_000)]),
                desired: Desired::Running,
                created_at: Timestamp(0),
            });
            self.placement.serving.push(Pod {
                workload: "web".into(),
                replica,
                revision: "r".into(),
                instances: vec![id.clone()],
            });
            self.observed.instances.insert(
                id.clone(),
                ObservedInstance {
                    id,
                    phase: Phase::Running,
                    ready: true,
                    ready_since: None,
                    pid: None,
                    restarts: 0,
                    exit: None,
                    probe: None,
                    isolation: Isolation::None,
                    listening: Vec::new(),
                    usage: None,
                    message: String::new(),
                },
            );
        }
    }

    fn route(&mut self) -> &mut RouteCounters {
        self.observed.edge.routes.entry(ROUTE.into()).or_default()
    }

    fn count(&self) -> u32 {
        self.kept.as_ref().unwrap().workloads["web"].count
    }

    /// A look `seconds` later; what it wants is made so.
    fn after(&mut self, seconds: i64) -> Option<Step> {
        self.now = self.now.plus(Duration::from_secs(seconds));
        let environment = environment(Tier::Development);
        let placed = Placed {
            placement: &self.placement,
            release: &self.release,
            environment: &environment,
            instances: &self.rows,
        };
        let looked = look(&placed, &self.deployment, self.kept.as_ref(), &self.observed, self.now);
        let count = self.count();
        self.kept = looked.keep.or(self.kept.take());
        let step = looked.steps.into_iter().next();
        if let Some(step) = &step {
            assert_eq!((step.from, step.to), (count, self.count()));
            self.run(step.to);
        }
        step
    }

    /// So many requests a second for so long; the counts after each two seconds.
    fn under(&mut self, rate: u64, seconds: i64) -> Vec<u32> {
        (0..seconds / 2)
            .map(|_| {
                self.route().requests += rate * 2;
                self.after(2);
                self.count()
            })
            .collect()
    }

    fn busy(&mut self, cpu_millis: u64) {
        for seen in self.observed.instances.values_mut() {
            seen.usage = Some(Usage { cpu_millis, memory: 1 << 20 });
        }
    }
}

#[test]
fn more_come_when_two_looks_say_so_and_at_most_twice_as_many() {
    let mut stage =
        Stage::new(&serde_json::json!({"max": 9, "requestsPerSecond": 10, "idle": "60s"}));
    assert_eq!(stage.under(1, 6), [1, 1, 1]);
    // The first look at 75 a second alone could be a hiccup; then 1, 2, 4, 8.
    assert_eq!(stage.under(75, 8), [1, 2, 4, 8]);
    assert_eq!(stage.under(79, 4), [8, 8], "a tenth more is no reason");
    assert_eq!(stage.under(500, 6), [8, 9, 9], "no more than max");
}

#[test]
fn one_loud_look_starts_nobody() {
    let mut stage = Stage::new(&serde_json::json!({"max": 9, "requestsPerSecond": 10}));
    assert_eq!(stage.under(1, 4), [1, 1]);
    assert_eq!(stage.under(90, 2), [1]);
    assert_eq!(stage.under(1, 20), [1; 10]);
}

#[test]
fn fewer_are_enough_only_after_all_of_idle() {
    let mut stage =
        Stage::new(&serde_json::json!({"max": 4, "requestsPerSecond": 10, "idle": "30s"}));
    stage.under(40, 20);
    assert_eq!(stage.count(), 4);
    // Two would do for 28 seconds, then there is a peak again.
    assert_eq!(stage.under(20, 28), [4; 14]);
    stage.under(38, 2);
    assert_eq!(stage.under(20, 28), [4; 14]);
    // Two were enough for thirty seconds: two there are, and not one, for which it is not thirty seconds yet.
    assert_eq!(stage.under(20, 4).last(), Some(&2));
    let mut steps: Vec<(i64, String)> = Vec::new();
    let quiet = stage.now;
    for _ in 0..30 {
        if let Some(step) = stage.after(2) {
            steps.push((stage.now.since(quiet).micros() / 1_000_000, step.why));
        }
    }
    assert_eq!(steps, [(30, "fewer were enough for 30s".to_string())]);
    assert_eq!(stage.count(), 1, "min is 1 where nothing is said");
}

#[test]
fn what_nobody_asks_for_sleeps_until_somebody_waits() {
    let mut stage = Stage::new(&serde_json::json!({"min": 0, "idle": "10s"}));
    assert_eq!(stage.under(1, 20), [1; 10]);
    // A request under way keeps it awake, however long it takes.
    stage
        .observed
        .edge
        .targets
        .insert("i-0".into(), TargetCounters { in_flight: 1, ..TargetCounters::default() });
    assert!((0..20).all(|_| stage.after(2).is_none()));
    stage.observed.edge.targets.clear();
    let asleep = (0..10).find_map(|_| stage.after(2)).unwrap();
    assert_eq!((asleep.from, asleep.to), (1, 0));
    assert_eq!(asleep.why, "nobody asked for anything in 10s");
    // Asleep, nothing is to be looked at, however long it is.
    let kept = stage.kept.clone();
    assert!(stage.after(3_600).is_none());
    assert_eq!(stage.kept, kept);
    stage.route().waiting = 3;
    let awake = stage.after(1).unwrap();
    assert_eq!((awake.from, awake.to, awake.why.as_str()), (0, 1, "3 requests wait"));
    stage.route().waiting = 0;
    // It was woken just now: not at once asleep again.
    assert!((0..4).all(|_| stage.after(2).is_none()));
    assert_eq!((0..4).find_map(|_| stage.after(2)).unwrap().to, 0);
}

#[test]
fn a_stopped_one_and_one_of_which_nothing_can_be_told_stay_as_they_are() {
    let mut stage = Stage::new(&serde_json::json!({"min": 0, "idle": "10s"}));
    stage.observed.edge.reachable = false;
    assert!((0..20).all(|_| stage.after(2).is_none()));
    stage.observed.edge.reachable = true;
    stage.observed.edge.boot = "boot-2".into();
    // The gateway began anew and counts from zero: so does the time that counts as idle.
    assert!((0..5).all(|_| stage.after(2).is_none()));
    assert_eq!((0..3).find_map(|_| stage.after(2)).unwrap().to, 0);
    stage.placement.stopped = true;
    stage.route().waiting = 1;
    assert!(stage.after(2).is_none());
    assert_eq!(stage.count(), 0);
}

#[test]
fn processors_count_against_what_each_may_have() {
    let mut stage = Stage::new(&serde_json::json!({"max": 8, "cpu": 50}));
    assert!(stage.after(2).is_none());
    assert!(stage.after(2).is_none(), "what is not known says nothing");
    stage.busy(980);
    assert!(stage.after(2).is_none(), "once");
    let step = stage.after(2).unwrap();
    assert_eq!((step.to, step.load.cpu_millis), (2, Some(980)));
    assert_eq!(step.why, "cpu 98 %, where each is to have 50 %");
    stage.busy(500);
    assert!((0..4).all(|_| stage.after(2).is_none()));
    // Half a processor is all that it may have: 50 % of that is a quarter.
    let mut score = web("web");
    score["containers"]["main"]["resources"] = serde_json::json!({"limits": {"cpu": "500m"}});
    let mut limited = Stage::of(&serde_json::json!({"max": 8, "cpu": 50}), &score);
    limited.busy(500);
    assert_eq!((0..3).find_map(|_| limited.after(2)).unwrap().to, 2);
}

#[test]
fn what_it_does_by_itself_keeps_nobody_awake() {
    let mut stage = Stage::new(&serde_json::json!({"min": 0, "max": 3, "cpu": 50, "idle": "10s"}));
    stage.busy(100);
    let step = (0..10).find_map(|_| stage.after(2)).unwrap();
    assert_eq!(step.to, 0);
}

#[test]
fn counts_are_the_places_own_and_a_release_is_tried_by_at_least_one() {
    let environment = environment(Tier::Development);
    let mut stage = Stage::new(&serde_json::json!({"min": 0, "max": 6, "requestsPerSecond": 10}));
    let count = |count: u32, tries: bool, stage: &mut Stage| {
        stage.kept.as_mut().unwrap().workloads.get_mut("web").unwrap().count = count;
        let kept = stage.kept.as_ref();
        counted(&stage.deployment, &stage.release, &environment, kept, tries).replicas["web"]
    };
    assert_eq!(count(4, true, &mut stage), 4, "a rollout keeps the count");
    assert_eq!(count(0, false, &mut stage), 0);
    assert_eq!(count(0, true, &mut stage), 1);
    assert_eq!(count(40, false, &mut stage), 6, "other bounds hold at once");
    let now = Timestamp(5);
    let none = counted(&stage.deployment, &stage.release, &environment, None, false);
    assert_eq!(none.replicas["web"], 1);
    let live = made_live(&stage.deployment, &none, &stage.release, &environment, now);
    assert_eq!(live.workloads["web"].count, 1);
    stage.deployment.replicas.insert("web".into(), 0);
    assert_eq!(count(4, true, &mut stage), 0, "what is stopped is stopped");
    let stopped = made_live(&stage.deployment, &none, &stage.release, &environment, now);
    assert!(stopped.workloads.is_empty());
    assert!(tries(Reason::Deploy, false, false) && tries(Reason::Rollback, false, false));
    assert!(!tries(Reason::Restart, true, false) && !tries(Reason::Scale, false, false));
}

#[test]
fn a_route_wakes_unless_it_is_stopped_or_nobody_gets_up() {
    let environment = environment(Tier::Development);
    let table = |stage: &Stage| {
        let (placement, release) = (&stage.placement, &stage.release);
        let placed =
            Placed { placement, release, environment: &environment, instances: &stage.rows };
        routes(&[placed], &stage.observed).remove(0)
    };
    let mut stage = Stage::new(&serde_json::json!({"min": 0}));
    assert!(!table(&stage).wakes, "somebody answers");
    stage.observed.instances.values_mut().for_each(|seen| seen.ready = false);
    assert!(table(&stage).wakes && table(&stage).state == State::Degraded);
    stage.observed.instances.values_mut().for_each(|seen| seen.phase = Phase::CrashLoop);
    assert!(!table(&stage).wakes, "nobody gets up");
    stage.run(0);
    assert!(table(&stage).wakes && table(&stage).state == State::Asleep);
    stage.placement.stopped = true;
    assert!(!table(&stage).wakes && table(&stage).state == State::Stopped);
    let mut other = Stage::new(&serde_json::json!({"max": 3, "cpu": 50}));
    other.run(0);
    assert!(!table(&other).wakes);
}

#[test]
fn what_can_not_be_scaled_so_is_refused() {
    let why = |scale: serde_json::Value, score: serde_json::Value, isolation: Isolation| {
        let stage = Stage::of(&scale, &score);
        let facts = facts(isolation, &[Can::Artifacts, Can::Volumes]);
        let found = refused(&stage.release, &Executes::default(), &facts, None, None);
        let found = found.into_iter().find(|refusal| refusal.invalid.code == "plan/scale");
        found.map(|refusal| refusal.invalid.message).unwrap_or_default()
    };
    let mut silent = web("web");
    silent.as_object_mut().unwrap().remove("service");
    let zero = serde_json::json!({"min": 0});
    let by_cpu = serde_json::json!({"max": 2, "cpu": 50});
    assert!(why(zero.clone(), silent.clone(), Isolation::None).contains("nothing would wake web"));
    assert_eq!(why(zero, web("web"), Isolation::None), "");
    assert_eq!(why(by_cpu.clone(), silent, Isolation::None), "");
    assert!(why(by_cpu.clone(), web("web"), Isolation::Container).contains("nobody measures"));
    let mut writer = web("web");
    writer["containers"]["main"]["volumes"] =
        serde_json::json!({"/data": {"source": "${resources.disk}"}});
    writer["resources"] = serde_json::json!({"disk": {"type": "volume"}});
    assert!(why(by_cpu, writer, Isolation::None).contains("one writer"));
}
