//! The next step of a run: `(run, its instance, what is seen of it, now)` in, one decision out; how a run is made; and
//! what is kept of runs that ended.

use crate::{delivered, run_container};
use std::collections::BTreeMap;
use tow_model::kinds::{delivery::Concurrency, environment::EnvironmentSpec};
use tow_names::{Duration, Id, Place, Timestamp};
use tow_record::{
    Deployment, Desired, Exit, Instance, ObservedInstance, OnUnknown, Phase, Release, Run, RunKind,
    RunState,
};

/// Between two attempts, doubled with each, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A run that is wanted: of what, and why.
#[derive(Debug, Clone)]
pub struct RunOrder<'a> {
    /// Its id: the key of its cause.
    pub id: Id,
    /// The deployment whose configuration and runtime it has.
    pub deployment: &'a Deployment,
    /// That deployment's release.
    pub release: &'a Release,
    /// The environment.
    pub environment: &'a EnvironmentSpec,
    /// `metadata.name` of the Score file.
    pub workload: &'a str,
    /// What it is for.
    pub kind: RunKind,
    /// Program and arguments instead of the container's own.
    pub command: Option<Vec<String>>,
    /// Why it is there, for people.
    pub cause: String,
    /// Who wants it.
    pub by: &'a str,
    /// From which request; empty where nobody asked.
    pub request: &'a str,
    /// When it was due.
    pub due: Option<Timestamp>,
    /// Now.
    pub at: Timestamp,
}

/// The run, waiting. `None`: the release has no such workload.
pub fn ordered(order: RunOrder<'_>) -> Option<Run> {
    let RunOrder { deployment, release, environment, kind, .. } = order;
    let file = release.workloads.get(order.workload)?;
    let name = &deployment.place.environment;
    let said = delivered(&release.delivery, &file.score, name, environment);
    // Doing a release's own command, or somebody's, twice may do harm, and only a run that may be tried again anyway
    // is tried again where nobody saw how it ended.
    let repeats = matches!(kind, RunKind::Job | RunKind::Cron);
    let retries = if kind == RunKind::Once { 0 } else { said.retries };
    Some(Run {
        id: order.id,
        place: deployment.place.clone(),
        workload: order.workload.to_string(),
        container: run_container(&file.score)?,
        deployment: deployment.number,
        release: release.number,
        kind,
        cause: order.cause,
        command: order.command,
        attempt: 0,
        retries,
        timeout: said.run_timeout,
        grace: said.grace,
        on_unknown: if repeats && retries > 0 { OnUnknown::Rerun } else { OnUnknown::Hold },
        in_turn: kind == RunKind::Cron && said.concurrency != Concurrency::Forbid,
        scheduled_at: order.due,
        not_before: None,
        desired: Desired::Running,
        state: RunState::Waiting,
        exit: None,
        note: String::new(),
        begun: false,
        instance: None,
        created_by: order.by.to_string(),
        request: order.request.to_string(),
        created_at: order.at,
        started_at: None,
        ended_at: None,
    })
}

/// What a decision looks at besides the run.
#[derive(Debug, Clone, Copy)]
pub struct RunSight<'a> {
    /// The row of the attempt under way.
    pub row: Option<&'a Instance>,
    /// What is seen of it.
    pub seen: Option<&'a ObservedInstance>,
    /// An unfinished run of the same workload whose turn comes before.
    pub before: Option<&'a Run>,
    /// Why it can't go on: its component was deleted, or what it was due for is stopped.
    pub unwanted: Option<&'a str>,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunNext {
    /// Write down that this attempt begins, and the row of its instance.
    Begin(u32),
    /// Start the instance of the attempt that began.
    Start,
    /// Stop it.
    Stop,
    /// The attempt ended; another one begins at this time.
    Again {
        /// Not before.
        at: Timestamp,
        /// How it ended.
        exit: Option<Exit>,
        /// The same for people.
        note: String,
    },
    /// It ended for good.
    End {
        /// How.
        state: RunState,
        /// How the last attempt ended.
        exit: Option<Exit>,
        /// Why, for people.
        note: String,
    },
    /// Nothing, until this time at the latest, and why.
    Wait(Option<Timestamp>, String),
}

/// Decides. An attempt whose row is there, of which nothing is seen and whose start nobody has heard of yet was not
/// started: its start may be asked for again, because a runtime starts an id once.
pub fn next(run: &Run, sight: &RunSight<'_>, now: Timestamp) -> RunNext {
    let unwanted = run.desired == Desired::Stopped || sight.unwanted.is_some();
    let cancelled = |exit| RunNext::End {
        state: RunState::Cancelled,
        exit,
        note: match (sight.unwanted, run.note.as_str()) {
            (Some(why), "") => why.to_string(),
            (_, note) => note.to_string(),
        },
    };
    match (run.state, sight.row, sight.seen) {
        (RunState::Waiting, ..) if unwanted => cancelled(run.exit),
        (RunState::Waiting, ..) => match (run.not_before.filter(|at| *at > now), sight.before) {
            (Some(at), _) => RunNext::Wait(Some(at), "the next attempt".into()),
            (None, Some(before)) => RunNext::Wait(None, format!("{} to end", before.id)),
            (None, None) => RunNext::Begin(run.attempt + 1),
        },
        (RunState::Running, Some(_), None) if run.begun => {
            ended(run, None, "its instance is gone", now)
        }
        (RunState::Running, Some(_), None) if unwanted => cancelled(None),
        (RunState::Running, Some(_), None) => RunNext::Start,
        // Its row is gone: nobody can tell any more.
        (RunState::Running, None, _) => ended(run, None, "its instance is gone", now),
        (RunState::Running, Some(_), Some(seen)) if seen.may_run() => match seen.phase {
            Phase::Stopping => RunNext::Wait(None, "it to stop".into()),
            _ if unwanted => RunNext::Stop,
            _ => RunNext::Wait(None, "it to end".into()),
        },
        (RunState::Running, Some(_), Some(seen)) if unwanted => cancelled(seen.exit),
        (RunState::Running, Some(_), Some(seen)) => {
            let exit = match seen.phase {
                Phase::Lost => Some(Exit::Unknown),
                _ => seen.exit,
            };
            ended(run, exit, &seen.message, now)
        }
        _ => RunNext::Wait(None, "nothing: it ended".into()),
    }
}

/// An attempt ended by itself: what becomes of the run.
fn ended(run: &Run, exit: Option<Exit>, message: &str, now: Timestamp) -> RunNext {
    let words = match exit {
        Some(Exit::Code { code: 0 }) => {
            return RunNext::End { state: RunState::Succeeded, exit, note: String::new() };
        }
        Some(Exit::Code { code }) => format!("exit code {code}"),
        Some(Exit::Signal { signal }) => format!("ended by signal {signal}"),
        Some(Exit::Timeout) => format!("it took longer than {}", run.timeout),
        Some(Exit::NotStarted) => "it could not be started".into(),
        Some(Exit::Unknown) | None => "nobody saw how it ended".into(),
    };
    // The runtime's own words are said where they say more.
    let note = match exit {
        _ if message.is_empty() => words,
        Some(Exit::Code { .. } | Exit::Timeout) => words,
        // Such as what it used too much of.
        Some(Exit::Signal { .. }) => message.to_string(),
        _ => format!("{words}: {message}"),
    };
    let unseen = matches!(exit, Some(Exit::Unknown) | None);
    let (state, more) = match exit {
        _ if unseen && run.on_unknown == OnUnknown::Hold => (RunState::Unknown, 0),
        _ if unseen => (RunState::Unknown, run.retries.max(1)),
        // What could not be started once can't be started again.
        Some(Exit::NotStarted) => (RunState::Failed, 0),
        Some(Exit::Timeout) => (RunState::TimedOut, run.retries),
        _ => (RunState::Failed, run.retries),
    };
    if run.attempt <= more {
        return RunNext::Again { at: now.plus(pause(run.attempt)), exit, note };
    }
    RunNext::End { state, exit, note }
}

/// How long after this attempt the next one begins.
fn pause(attempt: u32) -> Duration {
    let doubled = PAUSE.micros() << attempt.saturating_sub(1).min(20);
    Duration::from_micros(doubled.min(LONGEST_PAUSE.micros()))
}

/// How a run ended, in a line for people.
pub(crate) fn ending(run: &Run) -> String {
    let what = match &run.command {
        Some(command) => command.join(" "),
        None => format!("{} {}", run.kind.as_str(), run.workload),
    };
    match (run.state, run.note.as_str()) {
        (state, "") => format!("{what}: {state}"),
        (_, note) => format!("{what}: {note}"),
    }
}

/// Of ended runs, those that are kept no longer: of each workload and kind the newest `history(place, workload)` stay.
pub fn surplus(ended: &[Run], history: impl Fn(&Place, &str) -> u32) -> impl Iterator<Item = &Run> {
    let mut groups: BTreeMap<_, Vec<&Run>> = BTreeMap::new();
    for run in ended.iter().filter(|run| run.state.is_terminal()) {
        groups.entry((&run.place, run.workload.as_str(), run.kind)).or_default().push(run);
    }
    groups.into_iter().flat_map(move |((place, workload, _), mut runs)| {
        runs.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        runs.into_iter().skip(history(place, workload) as usize)
    })
}
