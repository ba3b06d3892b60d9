//! A rollout against a small world that does as it likes: whatever becomes ready, crashes or vanishes, the decisions
//! keep the promises.

use crate::given::{deployment, environment, observed, operation, place, release, web};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tow_model::kinds::environment::Tier;
use tow_names::{Duration, Id, Timestamp};
use tow_plan::{Next, View, next};
use tow_record::{
    Deployment, Desired, Exit, Instance, Observed, ObservedEdge, ObservedInstance, Operation,
    Phase, Placement, Pod, Reason, Release, TargetCounters, Turn,
};

/// What a started process does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Ready,
    NeverReady,
    CrashLoop,
}

struct Small {
    now: Timestamp,
    placement: Placement,
    rows: Vec<Instance>,
    seen: BTreeMap<Id, ObservedInstance>,
    in_flight: BTreeMap<String, u64>,
    op: Operation,
    deployment: Deployment,
    release: Release,
    next_id: u32,
    fates: Vec<Fate>,
}

impl Small {
    /// `old` replicas of release 1 serve; release 2 with `new` replicas of two workloads is wanted.
    fn new(old: u32, new: u32, fates: Vec<Fate>) -> Self {
        let before = release(1, &[web("web"), web("api")]);
        let serving = deployment(1, &before, old);
        let release = release(2, &[web("web"), web("api")]);
        let deployment = deployment(2, &release, new);
        let mut small = Self {
            now: Timestamp(0),
            placement: Placement::empty(place()),
            rows: Vec::new(),
            seen: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            op: operation(&deployment),
            deployment,
            release,
            next_id: 0,
            fates,
        };
        for pod in tow_plan::pods(&before, &serving) {
            let id = small.row(&pod.workload, pod.replica, "main", &pod.revision, 1);
            small.seen.insert(id.clone(), observed(&id, Phase::Running, true));
            let (workload, replica, revision) = (pod.workload, pod.replica, pod.revision);
            small.placement.serving.push(Pod { workload, replica, revision, instances: vec![id] });
        }
        small
    }

    fn row(&mut self, workload: &str, replica: u32, container: &str, revision: &str, n: i64) -> Id {
        self.next_id += 1;
        let id = Id::parse(&format!("i-{}", self.next_id)).unwrap();
        self.rows.push(Instance {
            id: id.clone(),
            place: place(),
            deployment: n,
            release: n,
            workload: workload.into(),
            container: container.into(),
            replica,
            revision: revision.into(),
            node: "n".into(),
            runtime: tow_names::Name::local(),
            run: None,
            ports: BTreeMap::new(),
            desired: Desired::Running,
            created_at: self.now,
        });
        id
    }

    fn decide(&self) -> Next {
        let targets = self
            .in_flight
            .iter()
            .map(|(id, n)| (id.clone(), TargetCounters { in_flight: *n, ..Default::default() }))
            .collect();
        let edge = ObservedEdge { reachable: true, targets, ..ObservedEdge::default() };
        let seen = Observed { instances: self.seen.clone(), builds: BTreeMap::new(), edge };
        let environment = environment(Tier::Development);
        let view = View {
            placement: &self.placement,
            instances: &self.rows,
            observed: &seen,
            deployment: Some(&self.deployment),
            release: Some(&self.release),
            environment: &environment,
            built: true,
        };
        next(&self.op, &[], &view, self.now)
    }

    /// Carries one decision out; `false` once it ended.
    fn carry_out(&mut self, next: Next) -> bool {
        match next {
            Next::Start(draft) => {
                let n = self.deployment.number;
                let id =
                    self.row(&draft.workload, draft.replica, &draft.container, &draft.revision, n);
                let fate = self.fates.pop().unwrap_or(Fate::Ready);
                let seen = match fate {
                    Fate::Ready => observed(&id, Phase::Running, true),
                    Fate::NeverReady => observed(&id, Phase::Running, false),
                    Fate::CrashLoop => ObservedInstance {
                        exit: Some(Exit::Code { code: 1 }),
                        ..observed(&id, Phase::CrashLoop, false)
                    },
                };
                self.seen.insert(id, seen);
            }
            Next::Switch(pods, turn) => {
                assert_eq!(turn, Turn::Over, "all at once");
                self.placement.serving = pods;
                self.op.switched = true;
                self.op.drain_until = Some(self.now.plus(Duration::from_secs(10)));
            }
            Next::Stop(id, _) => {
                self.rows
                    .iter_mut()
                    .filter(|r| r.id == id)
                    .for_each(|r| r.desired = Desired::Stopped);
                self.seen.get_mut(&id).unwrap().phase = Phase::Exited;
            }
            Next::Remove(id) => {
                assert!(
                    !self.seen.get(&id).is_some_and(ObservedInstance::may_run),
                    "removed alive"
                );
                self.seen.remove(&id);
                self.rows.retain(|r| r.id != id);
            }
            Next::Fail(failure) => self.op.failure = Some(failure),
            Next::Wait(until, why) => {
                let until = until.unwrap_or_else(|| panic!("waits for ever for {why}"));
                assert!(until > self.now, "waits for the past: {why}");
                self.now = until;
            }
            Next::Finish => return false,
            Next::Keep(_) | Next::Again => panic!("nothing takes its time here"),
            Next::Build | Next::Number => panic!("everything is built and numbered"),
            Next::Run(run) => panic!("no release has a command here: {run:?}"),
        }
        true
    }

    fn serving_are_alive(&self) {
        for pod in &self.placement.serving {
            for id in &pod.instances {
                let seen = &self.seen[id];
                assert!(seen.ready && seen.phase == Phase::Running, "{id} serves and is {seen:?}");
            }
        }
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![4 => Just(Fate::Ready), 1 => Just(Fate::NeverReady), 1 => Just(Fate::CrashLoop)]
}

proptest! {
    #[test]
    fn whatever_starts_serving_never_stops_before_the_switch_and_nothing_is_left_over(
        old in 0u32..3,
        new in 0u32..4,
        fates in proptest::collection::vec(fate(), 0..8),
        in_flight in 0u64..3,
    ) {
        let all_good = fates.iter().rev().take(2 * new as usize).all(|f| *f == Fate::Ready);
        let mut small = Small::new(old, new, fates);
        let before: BTreeSet<Id> = small.rows.iter().map(|r| r.id.clone()).collect();
        for id in &before {
            small.in_flight.insert(id.to_string(), in_flight);
        }
        let mut steps = 0;
        loop {
            steps += 1;
            prop_assert!(steps < 200, "does not end");
            let next = small.decide();
            if let Next::Stop(id, _) = &next {
                let serves = small.placement.serving.iter().any(|p| p.instances.contains(id));
                prop_assert!(!serves, "stops {id}, which serves");
                if before.contains(id) && in_flight > 0 {
                    prop_assert!(Some(small.now) >= small.op.drain_until, "stops before drained");
                }
            }
            if !small.carry_out(next) {
                break;
            }
            small.serving_are_alive();
        }
        let rows: BTreeSet<Id> = small.rows.iter().map(|r| r.id.clone()).collect();
        let served: BTreeSet<Id> =
            small.placement.serving.iter().flat_map(|p| p.instances.clone()).collect();
        prop_assert_eq!(&rows, &served, "rows are exactly what serves");
        if all_good {
            prop_assert!(small.op.switched && small.op.failure.is_none());
            prop_assert_eq!(rows.len(), 2 * new as usize);
        } else {
            prop_assert!(small.op.failure.is_some() && !small.op.switched);
            prop_assert_eq!(rows, before);
        }
    }
}

#[test]
fn a_container_waits_for_those_before_it() {
    let mut json = web("web");
    json["containers"] = serde_json::json!({
        "app": {"image": ".", "command": ["./app"]},
        "migrate": {"image": ".", "command": ["./migrate"], "before": {"app": {"ready": "complete"}}}
    });
    let release = release(2, &[json]);
    let mut small = Small::new(0, 0, Vec::new());
    small.deployment = deployment(2, &release, 1);
    small.release = release;
    small.fates = vec![Fate::Ready, Fate::NeverReady];
    let Next::Start(draft) = small.decide() else { panic!("{:?}", small.decide()) };
    assert_eq!(draft.container, "migrate");
    small.carry_out(Next::Start(draft));
    assert!(matches!(small.decide(), Next::Wait(..)), "{:?}", small.decide());
    let seen = small.seen.values_mut().next().unwrap();
    seen.phase = Phase::Exited;
    seen.exit = Some(Exit::Code { code: 0 });
    let Next::Start(draft) = small.decide() else { panic!("{:?}", small.decide()) };
    assert_eq!(draft.container, "app");
    small.carry_out(Next::Start(draft));
    assert!(matches!(small.decide(), Next::Switch(..)), "{:?}", small.decide());
}

#[test]
fn what_was_to_complete_and_failed_fails_the_rollout() {
    let mut json = web("web");
    json["containers"] = serde_json::json!({
        "app": {"image": ".", "command": ["./app"]},
        "migrate": {"image": ".", "command": ["./migrate"], "before": {"app": {"ready": "complete"}}}
    });
    let release = release(2, &[json]);
    let mut small = Small::new(0, 0, Vec::new());
    small.deployment = deployment(2, &release, 1);
    small.release = release;
    small.fates = vec![Fate::NeverReady];
    let next = small.decide();
    small.carry_out(next);
    let seen = small.seen.values_mut().next().unwrap();
    seen.phase = Phase::Exited;
    seen.exit = Some(Exit::Code { code: 4 });
    let Next::Fail(failure) = small.decide() else { panic!("{:?}", small.decide()) };
    assert_eq!(failure.gate, "start");
    assert!(failure.message.contains("exit code 4"), "{}", failure.message);
}

#[test]
fn what_could_not_be_started_once_fails_the_rollout_at_once() {
    let release = release(2, &[web("web")]);
    let mut small = Small::new(0, 0, Vec::new());
    small.deployment = deployment(2, &release, 1);
    small.release = release;
    small.fates = vec![Fate::NeverReady];
    let next = small.decide();
    small.carry_out(next);
    let seen = small.seen.values_mut().next().unwrap();
    seen.phase = Phase::Backoff;
    seen.exit = Some(Exit::Code { code: 4 });
    assert!(matches!(small.decide(), Next::Wait(..)), "one that ended may do better");
    let seen = small.seen.values_mut().next().unwrap();
    seen.exit = Some(Exit::NotStarted);
    seen.message = "cannot run ./run: no such file; started again in 100ms".into();
    let Next::Fail(failure) = small.decide() else { panic!("{:?}", small.decide()) };
    assert!(failure.message.ends_with("could not be started: cannot run ./run: no such file"));
}

/// A release like the first one of [`Small`], and what `tow.yaml` says of its workloads.
fn said(release: &mut Release, workloads: &serde_json::Value) {
    release.delivery =
        serde_json::from_value(serde_json::json!({ "workloads": workloads })).unwrap();
}

#[test]
fn old_workers_are_stopped_first_whatever_others_drain() {
    let mut small = Small::new(1, 1, Vec::new());
    said(&mut small.release, &serde_json::json!({"web": {"kind": "worker"}}));
    let old: BTreeMap<String, Id> =
        small.rows.iter().map(|row| (row.workload.clone(), row.id.clone())).collect();
    small.in_flight = old.values().map(|id| (id.to_string(), 3)).collect();
    while !small.op.switched {
        let next = small.decide();
        small.carry_out(next);
    }
    match small.decide() {
        Next::Stop(id, _) => assert_eq!(id, old["web"], "it takes work from the new one"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_writes_to_a_volume_is_stopped_before_its_successor_starts_and_last_of_all() {
    let mut small = Small::new(1, 1, Vec::new());
    let mut json = web("web");
    json["containers"]["main"]["volumes"] =
        serde_json::json!({"/data": {"source": "${resources.data}"}});
    json["resources"] = serde_json::json!({"data": {"type": "volume"}});
    small.release = release(2, &[json, web("api")]);
    let old = small.rows.iter().find(|row| row.workload == "web").unwrap().id.clone();
    let mut order = Vec::new();
    loop {
        let next = small.decide();
        match &next {
            Next::Start(draft) => order.push(format!("start {}", draft.workload)),
            Next::Stop(id, _) if *id == old => order.push("stop the old web".into()),
            Next::Switch(..) => order.push("switch".into()),
            _ => {}
        }
        if !small.carry_out(next) {
            break;
        }
    }
    assert_eq!(order, ["start api", "stop the old web", "start web", "switch"]);
}

#[test]
fn commands_of_a_release_come_before_all_else_and_after_the_switch() {
    let mut small = Small::new(1, 1, Vec::new());
    let commands = serde_json::json!({"web": {"release": ["./migrate"], "postDeploy": ["./warm"]}});
    said(&mut small.release, &commands);
    let run = match small.decide() {
        Next::Run(run) => run,
        other => panic!("{other:?}"),
    };
    assert_eq!(run.command, Some(vec!["./migrate".to_string()]));
    let again = match small.decide() {
        Next::Run(run) => run,
        other => panic!("{other:?}"),
    };
    assert_eq!(run.id, again.id, "the same run, however often it is decided on");
    small.op.heal = true;
    assert!(matches!(small.decide(), Next::Start(_)), "what heals migrates nothing");
    small.op.heal = false;
    small.op.reason = Reason::Scale;
    assert!(matches!(small.decide(), Next::Start(_)), "and so does what scales");
}

#[test]
fn a_switch_is_done_by_its_own_table_or_a_newer_one_whatever_an_old_epoch_s_revision() {
    use tow_record::{Effect, Mark, Step};
    let switch = |mark| Step {
        n: 1,
        effect: Effect::Switch { pods: Vec::new(), mark, turn: Turn::Over },
        title: String::new(),
    };
    let own = Mark { epoch: 3, revision: 12 };
    let settled = |mark, stored, serves: Mark, reachable| {
        let Mark { epoch, revision } = serves;
        let edge = ObservedEdge { reachable, epoch, revision, ..ObservedEdge::default() };
        let seen = Observed { edge, ..Observed::default() };
        tow_plan::settled(&switch(mark), None, stored, &BTreeMap::new(), &seen)
    };
    for (serves, expected) in [
        (Mark { epoch: 3, revision: 11 }, tow_plan::Settled::NotDone),
        (Mark { epoch: 3, revision: 12 }, tow_plan::Settled::Done),
        (Mark { epoch: 3, revision: 13 }, tow_plan::Settled::Done),
        (Mark { epoch: 4, revision: 1 }, tow_plan::Settled::Done),
        // A table of before, written by who was replaced.
        (Mark { epoch: 2, revision: 99 }, tow_plan::Settled::NotDone),
    ] {
        // What is stored by now is a later table, and none of its business.
        let stored = Mark { epoch: 3, revision: 40 };
        assert_eq!(settled(Some(own), stored, serves, true), expected, "{serves:?}");
    }
    let none = Mark::default();
    assert_eq!(settled(Some(own), none, own, false), tow_plan::Settled::Unknowable);
    // One that an earlier build began says nothing of its table.
    assert_eq!(settled(None, own, own, true), tow_plan::Settled::Done);
}
