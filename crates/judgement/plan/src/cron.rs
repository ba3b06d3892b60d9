//! What becomes of the firings of a schedule: pure, bounded, and told apart by their time. Each firing is decided once:
//! the time up to which all is decided moves on in the very commit that makes the runs.

use std::collections::VecDeque;
use tow_model::kinds::delivery::Concurrency;
use tow_names::{Duration, Id, Schedule, Timestamp};

/// Firings looked at in one go; the rest in the next.
const MOST: usize = 2_000;
/// Firings that are run or missed one by one in one go.
const MOST_RUNS: usize = 20;
/// Missed firings that are reported one by one in one go; the others are counted.
pub const REPORTED: usize = 10;
/// Firings that wait for their turn; more are missed.
const LONGEST_QUEUE: usize = 100;

/// What is decided from.
#[derive(Debug, Clone, Copy)]
pub struct CronInput<'a> {
    /// When it is due.
    pub schedule: &'a Schedule,
    /// What is done while an earlier run is unfinished.
    pub concurrency: Concurrency,
    /// How late a firing may still be run.
    pub starting_deadline: Duration,
    /// All firings up to here were decided.
    pub decided_until: Timestamp,
    /// Unfinished runs of the workload, the oldest first.
    pub open: &'a [Id],
}

/// A firing that is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// When it was due.
    pub at: Timestamp,
    /// Why, for people.
    pub why: String,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fired {
    /// Firings that are run, in order.
    pub runs: Vec<Timestamp>,
    /// Firings that are not, one by one.
    pub missed: Vec<Missed>,
    /// And so many more that are not, all too late.
    pub more: i64,
    /// Unfinished runs that are cancelled for a later one.
    pub replaced: Vec<Id>,
    /// All firings up to here are decided now.
    pub until: Timestamp,
    /// There may be more up to now: look again at once.
    pub again: bool,
    /// The first firing after now.
    pub next: Option<Timestamp>,
}

/// Decides all firings after `decided_until` and up to `now`, a bounded number at a time.
pub fn fire(input: &CronInput<'_>, now: Timestamp) -> Fired {
    let mut fired = Fired { until: input.decided_until, ..Fired::default() };
    let mut at = input.schedule.after(input.decided_until);
    let mut open: VecDeque<Id> = input.open.iter().cloned().collect();
    // Too late are the oldest: a run of them, of which the last ones are told one by one.
    let mut late: VecDeque<Timestamp> = VecDeque::new();
    let mut seen = 0;
    while let Some(due) = at.filter(|due| *due <= now) {
        if seen == MOST || fired.runs.len() + fired.missed.len() == MOST_RUNS {
            fired.again = true;
            break;
        }
        seen += 1;
        fired.until = due;
        at = input.schedule.after(due);
        if now.since(due) > input.starting_deadline {
            late.push_back(due);
            if late.len() > REPORTED {
                late.pop_front();
                fired.more += 1;
            }
            continue;
        }
        let miss = |why: String| Missed { at: due, why };
        let waiting = open.len() + fired.runs.len();
        match input.concurrency {
            Concurrency::Forbid if waiting > 0 => {
                let why = match open.front() {
                    Some(earlier) => format!("{earlier} was not finished"),
                    None => "an earlier one was not finished".into(),
                };
                fired.missed.push(miss(why));
            }
            Concurrency::Queue if waiting >= LONGEST_QUEUE => {
                fired.missed.push(miss(format!("{waiting} runs wait for their turn already")));
            }
            Concurrency::Replace => {
                fired.replaced.extend(open.drain(..));
                // One that would be replaced before it could begin is not begun.
                for earlier in fired.runs.drain(..) {
                    let why = "a later one took its place before it could begin".into();
                    fired.missed.push(Missed { at: earlier, why });
                }
                fired.runs.push(due);
            }
            Concurrency::Forbid | Concurrency::Queue => fired.runs.push(due),
        }
    }
    let late = late.into_iter().map(|at| Missed { at, why: too_late(input, now, at) });
    fired.missed.extend(late);
    fired.missed.sort_by_key(|missed| missed.at);
    fired.next = if fired.again { None } else { at };
    fired
}

fn too_late(input: &CronInput<'_>, now: Timestamp, at: Timestamp) -> String {
    let late = Duration::from_secs(now.since(at).micros() / 1_000_000);
    format!(
        "nobody was there to begin it: {late} too late, and {} is allowed",
        input.starting_deadline
    )
}
