//! Runs, decided: at most one start an attempt, an end for every beginning, and what is kept.

use crate::given::{deployment, environment, release, web};
use std::collections::BTreeMap;
use tow_model::kinds::environment::Tier;
use tow_names::{Duration, Timestamp};
use tow_plan::run::{RunNext, RunOrder, RunSight, next, ordered, surplus};
use tow_record::{
    Desired, Exit, Instance, Isolation, ObservedInstance, OnUnknown, Phase, Run, RunKind, RunState,
};

const NOW: Timestamp = Timestamp(1_000_000_000);

fn run() -> Run {
    let release = release(1, &[web("sum")]);
    let deployment = deployment(1, &release, 0);
    ordered(RunOrder {
        id: Run::asked(),
        deployment: &deployment,
        release: &release,
        environment: &environment(Tier::Development),
        workload: "sum",
        kind: RunKind::Job,
        command: None,
        cause: String::new(),
        by: "user:default/ann",
        request: "",
        due: None,
        at: NOW,
    })
    .unwrap()
}

fn row(run: &Run) -> Instance {
    Instance {
        id: run.instance_id(run.attempt),
        place: run.place.clone(),
        deployment: 1,
        release: 1,
        workload: run.workload.clone(),
        container: run.container.clone(),
        replica: 0,
        revision: String::new(),
        node: "n".into(),
        runtime: tow_names::Name::local(),
        run: Some(run.id.clone()),
        ports: BTreeMap::new(),
        desired: Desired::Running,
        created_at: NOW,
    }
}

fn seen(row: &Instance, phase: Phase, exit: Option<Exit>) -> ObservedInstance {
    ObservedInstance {
        id: row.id.clone(),
        phase,
        ready: false,
        ready_since: None,
        pid: None,
        restarts: 0,
        exit,
        probe: None,
        isolation: Isolation::None,
        listening: Vec::new(),
        usage: None,
        message: String::new(),
    }
}

/// What follows where an attempt is under way and this is seen of it.
fn after(run: &Run, phase: Phase, exit: Option<Exit>) -> RunNext {
    let row = row(run);
    let seen = seen(&row, phase, exit);
    let sight = RunSight { row: Some(&row), seen: Some(&seen), before: None, unwanted: None };
    next(run, &sight, NOW)
}

fn nothing() -> RunSight<'static> {
    RunSight { row: None, seen: None, before: None, unwanted: None }
}

fn running(attempt: u32) -> Run {
    Run { state: RunState::Running, attempt, ..run() }
}

fn state(next: &RunNext) -> Option<RunState> {
    match next {
        RunNext::End { state, .. } => Some(*state),
        _ => None,
    }
}

#[test]
fn an_attempt_is_written_down_then_started_and_started_again_only_where_it_was_not() {
    assert_eq!(next(&run(), &nothing(), NOW), RunNext::Begin(1));
    let began = running(1);
    let row = row(&began);
    let unseen = RunSight { row: Some(&row), ..nothing() };
    assert_eq!(next(&began, &unseen, NOW), RunNext::Start);
    let gone = Run { begun: true, ..began.clone() };
    assert_eq!(state(&next(&gone, &unseen, NOW)), Some(RunState::Unknown), "never twice");
    for phase in [Phase::Starting, Phase::Running, Phase::Unknown] {
        assert!(matches!(after(&began, phase, None), RunNext::Wait(..)), "{phase:?}");
    }
    assert_ne!(began.instance_id(1), began.instance_id(2), "another attempt, another instance");
    assert_eq!(began.instance_id(1), Run { state: RunState::Failed, ..began }.instance_id(1));
}

#[test]
fn an_end_is_told_from_every_other() {
    let code = |code| Some(Exit::Code { code });
    let began = running(1);
    assert_eq!(state(&after(&began, Phase::Exited, code(0))), Some(RunState::Succeeded));
    assert_eq!(state(&after(&began, Phase::Exited, code(3))), Some(RunState::Failed));
    let late = after(&began, Phase::Exited, Some(Exit::Timeout));
    assert_eq!(state(&late), Some(RunState::TimedOut));
    let lost = after(&began, Phase::Lost, None);
    assert_eq!(state(&lost), Some(RunState::Unknown), "it is not said that it failed");
    let gone = next(&began, &nothing(), NOW);
    assert_eq!(state(&gone), Some(RunState::Unknown));
}

#[test]
fn what_did_not_end_well_is_tried_again_with_longer_pauses() {
    let pause = |attempt: u32| match after(
        &Run { retries: 20, ..running(attempt) },
        Phase::Exited,
        Some(Exit::Code { code: 1 }),
    ) {
        RunNext::Again { at, .. } => at.since(NOW),
        other => panic!("{other:?}"),
    };
    let pauses: Vec<i64> = (1..=12).map(|n| pause(n).millis() / 1_000).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    let twice = |attempt| Run { retries: 1, ..running(attempt) };
    let failed = Some(Exit::Code { code: 1 });
    assert!(matches!(after(&twice(1), Phase::Exited, failed), RunNext::Again { .. }));
    assert_eq!(state(&after(&twice(2), Phase::Exited, failed)), Some(RunState::Failed));
    // What can't be started can't be started again.
    let never = after(&twice(1), Phase::Exited, Some(Exit::NotStarted));
    assert_eq!(state(&never), Some(RunState::Failed));
    let waits = Run { not_before: Some(NOW.plus(Duration::from_secs(5))), attempt: 1, ..run() };
    assert!(matches!(next(&waits, &nothing(), NOW), RunNext::Wait(Some(_), _)));
    let later = NOW.plus(Duration::from_secs(5));
    assert_eq!(next(&waits, &nothing(), later), RunNext::Begin(2));
}

#[test]
fn where_nobody_saw_the_end_only_what_may_be_repeated_is() {
    let hold = Run { retries: 5, on_unknown: OnUnknown::Hold, ..running(1) };
    assert_eq!(state(&after(&hold, Phase::Lost, None)), Some(RunState::Unknown));
    let rerun = Run { on_unknown: OnUnknown::Rerun, ..running(1) };
    assert!(matches!(after(&rerun, Phase::Lost, None), RunNext::Again { .. }));
    let exited = after(&hold, Phase::Exited, Some(Exit::Unknown));
    assert_eq!(state(&exited), Some(RunState::Unknown));
}

#[test]
fn who_cancels_is_heeded_at_every_point() {
    let cancelled = |run: Run| Run { desired: Desired::Stopped, ..run };
    assert_eq!(state(&next(&cancelled(run()), &nothing(), NOW)), Some(RunState::Cancelled));
    let began = cancelled(running(1));
    let row = row(&began);
    let unseen = RunSight { row: Some(&row), ..nothing() };
    assert_eq!(state(&next(&began, &unseen, NOW)), Some(RunState::Cancelled), "never started");
    assert_eq!(after(&began, Phase::Running, None), RunNext::Stop);
    assert!(matches!(after(&began, Phase::Stopping, None), RunNext::Wait(..)));
    let ended = after(&began, Phase::Exited, Some(Exit::Signal { signal: 15 }));
    assert_eq!(state(&ended), Some(RunState::Cancelled));
    let unwanted = RunSight { unwanted: Some("its component was deleted"), ..nothing() };
    match next(&run(), &unwanted, NOW) {
        RunNext::End { state, note, .. } => {
            assert_eq!((state, note.as_str()), (RunState::Cancelled, "its component was deleted"));
        }
        other => panic!("{other:?}"),
    }
    for state in [RunState::Succeeded, RunState::Failed, RunState::Missed, RunState::Unknown] {
        let ended = Run { state, ..cancelled(running(1)) };
        assert!(matches!(next(&ended, &nothing(), NOW), RunNext::Wait(..)), "{state} is the end");
    }
}

#[test]
fn those_who_queue_go_in_the_order_of_their_time() {
    let due = |n: i64| Run { scheduled_at: Some(Timestamp(n)), in_turn: true, ..run() };
    let (first, second) = (due(1), due(2));
    assert!(first.comes_before(&second) && !second.comes_before(&first));
    let blocked = RunSight { before: Some(&first), ..nothing() };
    assert!(matches!(next(&second, &blocked, NOW), RunNext::Wait(None, _)));
    let ended = Run { state: RunState::Succeeded, ..first };
    assert!(!ended.comes_before(&second));
    let other = Run { workload: "other".into(), ..due(0) };
    assert!(!other.comes_before(&second), "only of the same workload");
}

#[test]
fn of_each_workload_and_kind_the_newest_are_kept() {
    let ended =
        |n: i64, kind| Run { created_at: Timestamp(n), kind, state: RunState::Succeeded, ..run() };
    let mut all: Vec<Run> = (0..5).map(|n| ended(n, RunKind::Job)).collect();
    all.push(ended(0, RunKind::Release));
    all.push(running(1));
    let gone: Vec<i64> = surplus(&all, |_, _| 2).map(|run| run.created_at.0).collect();
    assert_eq!(gone, [2, 1, 0]);
    assert_eq!(surplus(&all, |_, _| 0).count(), 6, "what is under way is never taken away");
}
