//! Rollouts that take their time, against a small world that does as it likes: some clients first, a few at a time, watched
//! once they serve. Whatever becomes ready, ends, turns bad, is paused or broken off: nothing that serves is stopped, no
//! switch takes the last ready pod of a workload away, and in the end either all is new or all is as before.

use crate::given::{deployment, environment, observed, operation, place, release, web};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tow_model::kinds::environment::{EnvironmentSpec, Tier};
use tow_names::{Duration, Id, Timestamp};
use tow_plan::{Next, View, next};
use tow_record::{
    Before, Deployment, Desired, Exit, Held, Instance, Observed, ObservedEdge, ObservedInstance,
    Operation, Phase, Placement, Pod, Reason, Release, RouteCounters, RoutePart, Stage, Trying,
    Turn,
};

/// What a started process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Good,
    NeverReady,
    /// Ends at once, again and again.
    CrashLoop,
    /// Is ready no more as soon as it serves.
    Sickens,
    /// Ends as soon as it serves.
    Ends,
    /// Answers with errors as soon as it serves.
    Errs,
}

struct World {
    now: Timestamp,
    placement: Placement,
    rows: Vec<Instance>,
    seen: BTreeMap<Id, ObservedInstance>,
    fates: BTreeMap<Id, Fate>,
    to_come: Vec<Fate>,
    parts: BTreeMap<i64, RoutePart>,
    op: Operation,
    deployments: BTreeMap<i64, (Deployment, Release)>,
    environment: EnvironmentSpec,
    next_id: u32,
    /// Everything that was switched to, for people.
    turns: Vec<Turn>,
    again: bool,
}

impl World {
    /// `old` replicas of release 1 serve; release 2 with `new` replicas is wanted, and taken over by as `said` has it.
    fn new(old: u32, new: u32, said: &serde_json::Value, to_come: Vec<Fate>) -> Self {
        let before = release(1, &[web("web"), web("api")]);
        let mut after = release(2, &[web("web"), web("api")]);
        after.delivery =
            serde_json::from_value(serde_json::json!({"workloads": {"web": said, "api": said}}))
                .unwrap();
        let (one, two) = (deployment(1, &before, old), deployment(2, &after, new));
        let mut environment = environment(Tier::Staging);
        environment.bake =
            serde_json::from_value(serde_json::json!({"for": "10s", "window": "5s"})).unwrap();
        let mut world = Self {
            now: Timestamp(0),
            placement: Placement { deployment: 1, ..Placement::empty(place()) },
            rows: Vec::new(),
            seen: BTreeMap::new(),
            fates: BTreeMap::new(),
            to_come,
            parts: BTreeMap::new(),
            op: operation(&two),
            deployments: BTreeMap::from([(1, (one.clone(), before.clone())), (2, (two, after))]),
            environment,
            next_id: 0,
            turns: Vec::new(),
            again: false,
        };
        for pod in tow_plan::pods(&before, &one) {
            let id = world.row(&pod.workload, pod.replica, &pod.revision, 1);
            world.seen.insert(id.clone(), observed(&id, Phase::Running, true));
            world.fates.insert(id.clone(), Fate::Good);
            world.placement.serving.push(Pod {
                workload: pod.workload,
                replica: pod.replica,
                revision: pod.revision,
                instances: vec![id],
            });
        }
        let answered = RoutePart { requests: 500, errors: 1, took: vec![0, 0, 500] };
        world.parts.insert(1, answered);
        world
    }

    fn row(&mut self, workload: &str, replica: u32, revision: &str, number: i64) -> Id {
        self.next_id += 1;
        let id = Id::parse(&format!("i-{}", self.next_id)).unwrap();
        self.rows.push(Instance {
            id: id.clone(),
            place: place(),
            deployment: number,
            release: self.deployments[&number].0.release,
            workload: workload.into(),
            container: "main".into(),
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
        let counters = RouteCounters { parts: self.parts.clone(), ..RouteCounters::default() };
        let edge = ObservedEdge {
            reachable: true,
            routes: BTreeMap::from([(format!("{}/web/http", place()), counters)]),
            boot: "b".into(),
            ..ObservedEdge::default()
        };
        let observed = Observed { instances: self.seen.clone(), builds: BTreeMap::new(), edge };
        let (deployment, release) = &self.deployments[&self.op.deployment.unwrap()];
        let view = View {
            placement: &self.placement,
            instances: &self.rows,
            observed: &observed,
            deployment: Some(deployment),
            release: Some(release),
            environment: &self.environment,
            built: true,
        };
        next(&self.op, &[], &view, self.now)
    }

    fn is_ready(&self, pod: &Pod) -> bool {
        pod.instances.iter().all(|id| self.seen.get(id).is_some_and(|seen| seen.ready))
    }

    /// The workloads somebody of which serves and is ready.
    fn answering(&self, pods: &[Pod]) -> BTreeSet<String> {
        let ready = pods.iter().filter(|pod| self.is_ready(pod));
        ready.map(|pod| pod.workload.clone()).collect()
    }

    /// Time passes: what serves is asked, and does what it does.
    fn pass(&mut self, until: Timestamp) {
        let serving: BTreeSet<Id> =
            self.placement.serving.iter().flat_map(|pod| pod.instances.clone()).collect();
        let seconds = (until.since(self.now).micros() / 1_000_000).max(1) as u64;
        let mut asked: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| serving.contains(&row.id)) {
            let fate = self.fates[&row.id];
            let of = asked.entry(row.deployment).or_default();
            of.0 += 20 * seconds;
            of.1 += if fate == Fate::Errs { 20 * seconds } else { 0 };
            let seen = self.seen.get_mut(&row.id).unwrap();
            match fate {
                Fate::Sickens => (seen.ready, seen.ready_since) = (false, None),
                Fate::Ends => {
                    seen.ready = false;
                    seen.phase = Phase::Backoff;
                    seen.restarts += 1;
                    seen.exit = Some(Exit::Code { code: 3 });
                }
                _ => {}
            }
        }
        for (number, (requests, errors)) in asked {
            let part = RoutePart { requests, errors, took: vec![0, 0, requests] };
            self.parts.entry(number).or_default().add(&part);
        }
        self.now = until;
    }

    /// Carries a decision out as the controllers do; `false` once it ended.
    fn carry_out(&mut self, next: Next) -> bool {
        match next {
            Next::Start(draft) => {
                let number = self.op.deployment.unwrap();
                let id = self.row(&draft.workload, draft.replica, &draft.revision, number);
                let fate = self.to_come.pop().unwrap_or(Fate::Good);
                let seen = match fate {
                    Fate::NeverReady => observed(&id, Phase::Running, false),
                    Fate::CrashLoop => ObservedInstance {
                        exit: Some(Exit::Code { code: 1 }),
                        ..observed(&id, Phase::CrashLoop, false)
                    },
                    _ => ObservedInstance {
                        ready_since: Some(self.now),
                        ..observed(&id, Phase::Running, true)
                    },
                };
                self.fates.insert(id.clone(), fate);
                self.seen.insert(id, seen);
            }
            Next::Switch(pods, turn) => self.switch(pods, turn),
            Next::Keep(progress) => self.op.progress = *progress,
            Next::Stop(id, _) => {
                let serves = self.placement.serving.iter().any(|pod| pod.instances.contains(&id));
                assert!(!serves, "stops {id}, which serves");
                self.rows
                    .iter_mut()
                    .filter(|row| row.id == id)
                    .for_each(|row| row.desired = Desired::Stopped);
                let seen = self.seen.get_mut(&id).unwrap();
                (seen.phase, seen.ready) = (Phase::Exited, false);
            }
            Next::Remove(id) => {
                let seen = self.seen.remove(&id);
                assert!(!seen.is_some_and(|seen| seen.may_run()), "removed alive");
                self.rows.retain(|row| row.id != id);
            }
            Next::Fail(failure) => self.op.failure = Some(failure),
            Next::Wait(until, why) => {
                let soon = self.now.plus(Duration::from_secs(1));
                assert!(until.is_none_or(|until| until > self.now), "waits for the past: {why}");
                self.pass(until.unwrap_or(soon));
            }
            Next::Finish => return false,
            Next::Again => {
                self.again = true;
                return false;
            }
            Next::Build | Next::Number | Next::Run(_) => panic!("{next:?}"),
        }
        true
    }

    fn switch(&mut self, pods: Vec<Pod>, turn: Turn) {
        let before = self.answering(&self.placement.serving);
        let after = self.answering(&pods);
        assert!(before.is_subset(&after), "{turn:?} leaves nobody of {before:?}: {after:?}");
        self.turns.push(turn);
        let placement = &mut self.placement;
        if self.op.progress.before.is_none() && self.op.reverts.is_none() {
            self.op.progress.before = Some(Before {
                deployment: placement.deployment,
                config: 0,
                scaled: BTreeMap::new(),
                serving: placement.serving.clone(),
                deployments: vec![1],
                scale: None,
                answered: self.parts[&1].clone(),
            });
        }
        placement.serving = pods.clone();
        placement.trying = None;
        self.op.drain_until = Some(self.now.plus(Duration::from_secs(10)));
        match turn {
            Turn::Over => {
                placement.deployment = self.op.deployment.unwrap();
                self.op.switched = true;
                let watched = tow_plan::bakes(&self.op, &pods, &self.environment);
                let stays = watched.is_some() || tow_plan::returns(&self.op);
                let stage = if stays { Stage::Bake } else { Stage::Retire };
                self.op.progress = self.op.progress.at(stage, self.now);
            }
            Turn::Part { weight } => {
                placement.trying = weight.map(|weight| Trying {
                    deployment: 2,
                    weight,
                    header: "x-tow-canary".into(),
                });
                self.op.progress = self.op.progress.at(Stage::Shift, self.now);
                self.op.progress.step += u32::from(weight.is_some());
                self.op.deadline = Some(self.now.plus(Duration::from_secs(70)));
            }
            Turn::Back => {
                let back = self.op.progress.before.as_ref().unwrap().deployment;
                if self.op.switched {
                    placement.deployment = back;
                }
                self.op.switched = false;
                self.op.progress.back_to = Some(back);
            }
        }
    }

    /// Until it ended; `each` may meddle before every decision.
    fn run(&mut self, mut each: impl FnMut(&mut Self, usize)) {
        for step in 0..2_000 {
            each(self, step);
            let next = self.decide();
            // Whoever goes on after a death decides the same.
            assert_eq!(next, self.decide());
            if !self.carry_out(next) {
                return;
            }
        }
        panic!("does not end: {:?} {:?}", self.op.progress, self.decide());
    }

    /// What the platform begins where nothing is left to go back to.
    fn deploy_again(&mut self) {
        let (mut before, release) = self.deployments[&1].clone();
        before.number = 3;
        let mut op = operation(&before);
        op.reason = Reason::Rollback;
        op.reverts = self.op.deployment;
        op.deadline = Some(self.now.plus(Duration::from_secs(60)));
        self.deployments.insert(3, (before, release));
        self.op = op;
        self.to_come.clear();
        self.again = false;
    }

    fn releases(&self) -> BTreeSet<i64> {
        let serving: BTreeSet<&Id> =
            self.placement.serving.iter().flat_map(|pod| &pod.instances).collect();
        self.rows.iter().filter(|row| serving.contains(&row.id)).map(|row| row.release).collect()
    }

    /// What is there is what serves, and no more.
    fn is_clean(&self) -> bool {
        let serving: BTreeSet<&Id> =
            self.placement.serving.iter().flat_map(|pod| &pod.instances).collect();
        let rows: BTreeSet<&Id> = self.rows.iter().map(|row| &row.id).collect();
        rows == serving && self.placement.trying.is_none()
    }
}

fn canary() -> serde_json::Value {
    serde_json::json!({
        "strategy": "canary",
        "canary": {"steps": [{"weight": 10, "pause": "8s"}, {"weight": 50, "pause": "8s"}]},
    })
}

fn rolling(surge: u32, unavailable: u32) -> serde_json::Value {
    serde_json::json!({
        "strategy": "rolling",
        "rolling": {"surge": surge, "unavailable": unavailable},
    })
}

fn said() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(serde_json::json!({"strategy": "blue-green"})),
        Just(canary()),
        Just(rolling(1, 0)),
        Just(rolling(2, 0)),
        Just(rolling(1, 1)),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        9 => Just(Fate::Good),
        1 => Just(Fate::NeverReady),
        1 => Just(Fate::CrashLoop),
        1 => Just(Fate::Sickens),
        1 => Just(Fate::Ends),
        1 => Just(Fate::Errs),
    ]
}

proptest! {
    #[test]
    fn in_the_end_all_is_new_or_all_is_as_before(
        old in 1u32..4,
        new in 1u32..4,
        said in said(),
        fates in proptest::collection::vec(fate(), 0..6),
        aborted in proptest::option::of(0usize..40),
        paused in proptest::option::of(0usize..20),
    ) {
        // One pod that may be away leaves nobody where there is but one.
        prop_assume!(new > 1 && old > 1 || said["rolling"]["unavailable"] != 1);
        let bad = fates.iter().rev().take(2 * new as usize).any(|fate| *fate != Fate::Good);
        let mut world = World::new(old, new, &said, fates);
        let before = world.placement.serving.clone();
        world.run(|world, step| {
            if aborted == Some(step) {
                world.op.progress.aborted_by = Some("user:default/ann".into());
            }
            if paused == Some(step) {
                world.op.progress.paused = Some(Held { by: "ann".into(), at: world.now });
            }
            if paused.is_some_and(|at| step == at + 30) {
                world.op.progress.paused = None;
            }
        });
        if world.again {
            world.deploy_again();
            world.run(|_, _| {});
            prop_assert!(world.op.failure.is_none() && !world.again);
            prop_assert_eq!(world.releases(), BTreeSet::from([1]));
            prop_assert!(world.placement.serving.iter().all(|pod| world.is_ready(pod)));
        } else if world.op.failure.is_some() {
            prop_assert_eq!(&world.placement.serving, &before, "{:?}", world.turns);
            prop_assert_eq!(world.placement.deployment, 1);
            prop_assert!(!world.op.switched);
        } else {
            prop_assert!(!bad, "{:?}", world.turns);
            prop_assert_eq!(world.releases(), BTreeSet::from([2]));
            prop_assert_eq!(world.placement.deployment, 2);
            prop_assert!(world.op.progress.samples.is_empty() || world.op.progress.stage == Stage::Bake);
        }
        prop_assert!(world.is_clean(), "{:#?}", world.rows);
    }
}

#[test]
fn a_canary_goes_step_by_step_and_then_takes_over() {
    let mut world = World::new(2, 2, &canary(), Vec::new());
    world.run(|_, _| {});
    let part = |weight| Turn::Part { weight: Some(weight) };
    assert_eq!(world.turns, [part(10), part(50), Turn::Over]);
    assert!(world.now >= Timestamp(26_000_000), "two steps and a bake: {:?}", world.now);
}

#[test]
fn a_step_without_an_end_waits_for_somebody() {
    let said = serde_json::json!({"strategy": "canary", "canary": {"steps": [{"weight": 5}]}});
    let mut world = World::new(1, 1, &said, Vec::new());
    let mut since = None;
    world.run(|world, _| {
        if world.op.progress.stage == Stage::Shift {
            let since = *since.get_or_insert(world.now);
            if world.now.since(since) > Duration::from_secs(300) {
                world.op.progress.passed = Some(1);
            }
        }
    });
    assert_eq!(world.turns, [Turn::Part { weight: Some(5) }, Turn::Over]);
    assert!(world.now > Timestamp(300_000_000));
}

#[test]
fn a_canary_that_errs_is_taken_away_and_says_by_which_numbers() {
    let mut world = World::new(2, 2, &canary(), vec![Fate::Errs; 4]);
    world.run(|_, _| {});
    assert_eq!(world.turns, [Turn::Part { weight: Some(10) }, Turn::Back]);
    let failure = world.op.failure.unwrap();
    assert_eq!(failure.gate, "canary");
    assert!(failure.message.contains("100% of "), "{}", failure.message);
    assert!(failure.message.contains("(before: 0% of "), "{}", failure.message);
}

#[test]
fn what_errs_in_the_bake_goes_back_at_once_to_what_is_warm() {
    let mut world = World::new(2, 2, &serde_json::json!({}), vec![Fate::Errs; 4]);
    world.run(|_, _| {});
    assert_eq!(world.turns, [Turn::Over, Turn::Back]);
    assert_eq!(world.op.failure.unwrap().gate, "bake");
    assert_eq!(world.op.progress.back_to, Some(1));
    assert!(world.now < Timestamp(6_000_000), "{:?}", world.now);
}

#[test]
fn what_errs_once_nothing_is_warm_is_deployed_away_once() {
    let mut world = World::new(2, 2, &rolling(1, 0), vec![Fate::Errs; 4]);
    world.run(|_, _| {});
    assert_eq!(world.turns.last(), Some(&Turn::Over));
    assert!(world.again, "{:?}", world.op.failure);
    world.deploy_again();
    world.run(|_, _| {});
    assert_eq!(world.releases(), BTreeSet::from([1]));
}

#[test]
fn rolling_never_has_more_or_fewer_than_allowed() {
    for (surge, unavailable) in [(1, 0), (2, 0), (0, 1), (1, 1)] {
        let mut world = World::new(4, 4, &rolling(surge, unavailable), Vec::new());
        world.run(|world, _| {
            let of = |pods: usize| pods / 2;
            let running = world.seen.values().filter(|seen| seen.may_run()).count();
            assert!(of(running) <= 4 + surge as usize, "{running} run");
            let serving = world.placement.serving.iter().filter(|pod| world.is_ready(pod));
            let serving = serving.count();
            assert!(of(serving + 1) >= 4 - unavailable as usize, "{serving} serve");
        });
        assert!(world.turns.len() >= 2, "{:?}", world.turns);
        assert_eq!(world.releases(), BTreeSet::from([2]));
    }
}

#[test]
fn old_workers_are_parked_while_it_is_watched() {
    let mut world = World::new(1, 1, &serde_json::json!({}), Vec::new());
    let (_, after) = world.deployments.get_mut(&2).unwrap();
    after.delivery =
        serde_json::from_value(serde_json::json!({"workloads": {"api": {"kind": "worker"}}}))
            .unwrap();
    let old: BTreeMap<String, Id> =
        world.rows.iter().map(|row| (row.workload.clone(), row.id.clone())).collect();
    let mut watched = false;
    world.run(|world, _| {
        if world.op.progress.stage == Stage::Bake && !world.op.progress.samples.is_empty() {
            watched = true;
            assert!(!world.seen[&old["api"]].may_run(), "it takes work from the new one");
            assert!(world.seen[&old["web"]].may_run(), "it is warm");
        }
    });
    assert!(watched);
}

#[test]
fn what_is_broken_off_with_its_last_switch_begun_takes_over_and_goes_back() {
    let mut world = World::new(2, 2, &serde_json::json!({}), Vec::new());
    world.environment.bake = serde_json::from_value(serde_json::json!({"off": true})).unwrap();
    let before = world.placement.serving.clone();
    let pods = loop {
        match world.decide() {
            Next::Switch(pods, Turn::Over) => break pods,
            next => assert!(world.carry_out(next)),
        }
    };
    world.op.progress.aborted_by = Some("user:default/ann".into());
    world.switch(pods, Turn::Over);
    world.run(|_, _| {});
    assert_eq!(world.turns, [Turn::Over, Turn::Back]);
    assert_eq!(world.op.failure.as_ref().unwrap().gate, "aborted");
    assert_eq!(world.placement.serving, before);
    assert!(world.is_clean());
}

#[test]
fn nobody_looks_again_at_once_where_a_canary_is_judged_no_more() {
    let mut world = World::new(1, 1, &canary(), Vec::new());
    let mut looks = 0;
    world.run(|world, _| {
        // Somebody turns it off in the middle: what was looked at is kept, and is older each time.
        if world.op.progress.samples.len() == 3 {
            let off = serde_json::json!({"off": true});
            world.environment.bake = serde_json::from_value(off).unwrap();
        }
        // A wait for the past is what the world takes no.
        looks += usize::from(matches!(world.decide(), Next::Wait(..)));
    });
    assert_eq!(world.turns.last(), Some(&Turn::Over));
    assert!(looks < 100, "{looks}");
}
