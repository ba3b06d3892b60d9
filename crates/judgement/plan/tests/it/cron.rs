//! Firings, decided: each once, in order, however the time since the last look was cut into pieces.

use proptest::prelude::*;
use std::collections::BTreeSet;
use tow_model::kinds::delivery::Concurrency;
use tow_names::{Duration, Id, Schedule, Timestamp};
use tow_plan::cron::{CronInput, Fired, REPORTED, fire};

/// 2026-03-28T00:00:00Z, a day before clocks in Berlin go forward.
const BEGAN: Timestamp = Timestamp(1_774_656_000_000_000);
const MINUTE: i64 = 60_000_000;

fn hourly() -> Schedule {
    Schedule::parse("0 * * * *", "UTC").unwrap()
}

fn input<'a>(schedule: &'a Schedule, concurrency: Concurrency, open: &'a [Id]) -> CronInput<'a> {
    CronInput {
        schedule,
        concurrency,
        starting_deadline: Duration::from_secs(3600),
        decided_until: BEGAN,
        open,
    }
}

fn minutes(n: i64) -> Timestamp {
    Timestamp(BEGAN.0 + n * MINUTE)
}

#[test]
fn what_is_due_is_run_and_what_is_not_is_waited_for() {
    let schedule = hourly();
    let early = fire(&input(&schedule, Concurrency::Forbid, &[]), minutes(59));
    assert_eq!((early.until, early.next), (BEGAN, Some(minutes(60))));
    assert!(early.runs.is_empty() && early.missed.is_empty());
    let due = fire(&input(&schedule, Concurrency::Forbid, &[]), minutes(60));
    assert_eq!(
        (due.runs, due.until, due.next),
        (vec![minutes(60)], minutes(60), Some(minutes(120)))
    );
}

#[test]
fn a_clock_that_was_set_back_fires_nothing_twice() {
    let schedule = hourly();
    let ahead =
        CronInput { decided_until: minutes(300), ..input(&schedule, Concurrency::Queue, &[]) };
    let fired = fire(&ahead, minutes(100));
    assert_eq!(fired.until, minutes(300));
    assert!(fired.runs.is_empty() && fired.missed.is_empty() && fired.more == 0);
}

#[test]
fn the_policy_says_what_becomes_of_those_that_meet_an_unfinished_one() {
    let schedule = hourly();
    let open = [Id::parse("run-1").unwrap()];
    let at = |concurrency| fire(&input(&schedule, concurrency, &open), minutes(60));
    let forbid = at(Concurrency::Forbid);
    assert!(forbid.runs.is_empty());
    assert!(forbid.missed[0].why.contains("run-1"), "{:?}", forbid.missed);
    assert_eq!(at(Concurrency::Queue).runs, [minutes(60)]);
    let replace = at(Concurrency::Replace);
    assert_eq!((replace.runs, replace.replaced), (vec![minutes(60)], open.to_vec()));
    // Two at once: the first would be replaced before it began.
    let late = CronInput {
        starting_deadline: Duration::from_secs(7200),
        ..input(&schedule, Concurrency::Replace, &[])
    };
    let both = fire(&late, minutes(125));
    assert_eq!((both.runs, both.missed.len()), (vec![minutes(120)], 1));
}

#[test]
fn what_is_too_late_is_missed_the_last_ones_by_name() {
    let schedule = Schedule::parse("* * * * *", "UTC").unwrap();
    let fired = fire(&input(&schedule, Concurrency::Queue, &[]), minutes(24 * 60));
    let named = fired.missed.iter().filter(|missed| missed.why.contains("too late")).count();
    assert!(named <= REPORTED, "{named}");
    assert!(fired.more > 0 && !fired.missed.is_empty() && fired.missed.len() < 40);
    assert!(fired.again, "a year of minutes is not looked through at once");
}

/// All of it, piece by piece: how often each firing was decided.
fn all(schedule: &Schedule, concurrency: Concurrency, looks: &[i64]) -> (BTreeSet<Timestamp>, i64) {
    let (mut decided, mut counted) = (BTreeSet::new(), 0);
    let mut until = BEGAN;
    let mut now = BEGAN;
    for step in looks {
        now = Timestamp(now.0 + step * MINUTE);
        loop {
            let input = CronInput { decided_until: until, ..input(schedule, concurrency, &[]) };
            let Fired { runs, missed, more, until: to, again, .. } = fire(&input, now);
            assert!(to >= until && to <= now.max(until));
            for at in runs.into_iter().chain(missed.into_iter().map(|missed| missed.at)) {
                assert!(at > until && at <= to, "within what is decided now");
                assert!(decided.insert(at), "{at} was decided twice");
            }
            counted += more;
            until = to;
            if !again {
                break;
            }
        }
    }
    (decided, counted)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn each_is_decided_once_however_it_is_looked_at(
        looks in proptest::collection::vec(1i64..4_000, 1..12),
        pattern in prop_oneof!["\\*/7 \\* \\* \\* \\*", "30 2 \\* \\* \\*", "0 \\*/3 \\* \\* 1-5"],
        zone in prop_oneof!["UTC", "Europe/Berlin", "Australia/Lord_Howe"],
        policy in prop_oneof![
            Just(Concurrency::Forbid), Just(Concurrency::Queue), Just(Concurrency::Replace)
        ],
    ) {
        let schedule = Schedule::parse(&pattern, &zone).unwrap();
        let (decided, counted) = all(&schedule, policy, &looks);
        let end = Timestamp(BEGAN.0 + looks.iter().sum::<i64>() * MINUTE);
        let mut expected = 0;
        let mut at = schedule.after(BEGAN);
        while let Some(due) = at.filter(|due| *due <= end) {
            expected += 1;
            at = schedule.after(due);
        }
        prop_assert_eq!(decided.len() as i64 + counted, expected);
        for at in decided {
            prop_assert_eq!(schedule.after(Timestamp(at.0 - 1)), Some(at));
        }
    }
}
