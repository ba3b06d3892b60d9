//! Is what serves worse than what served before? Judged from what the gateway counted at some moments, one a second.

use tow_model::kinds::bake::Watched;
use tow_names::Duration;
use tow_record::{RoutePart, Tally};

/// Between two looks.
pub const LOOK: Duration = Duration::from_secs(1);
/// Answers that take less than so much longer are no slower, in milliseconds.
const NOTHING: u64 = 100;
/// Longer than all bounds of what is counted, in milliseconds.
const ENDLESS: u64 = 20_000;

/// Times are judged by so many windows that follow each other: a machine that is busy elsewhere for a moment makes one
/// window slow, and no worse release of what it runs.
const WINDOWS: usize = 2;
/// Times are judged by so many times as many answers as errors are, in each of these windows: of 20 the two slowest say
/// what 95 of a hundred take.
const MORE: u64 = 5;

/// So few requests say something all the same where every one of them failed.
const FEW: u64 = 4;

/// What the window says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No worse than before.
    Well,
    /// Worse, and by which numbers.
    Bad(String),
    /// Too little came to say anything.
    NotYet,
}

/// So many looks after its beginning a window ends.
fn looks(window: Duration) -> usize {
    usize::try_from(window.micros() / LOOK.micros()).unwrap_or(1).max(1)
}

/// Where the last window begins and ends, as far as it was looked at.
pub fn last(samples: &[Tally], window: Duration) -> Option<(&Tally, &Tally)> {
    let end = samples.len().checked_sub(1)?;
    Some((&samples[end.saturating_sub(looks(window))], &samples[end]))
}

/// Counts another look in, and forgets what the windows do not need. With another start of the gateway all begins anew:
/// it counts from zero.
pub fn counted(samples: &[Tally], look: Tally, window: Duration) -> Vec<Tally> {
    let most = WINDOWS * looks(window) + 1;
    let mut kept: Vec<Tally> =
        samples.iter().filter(|sample| sample.boot == look.boot).cloned().collect();
    kept.push(look);
    let from = kept.len().saturating_sub(most);
    kept.split_off(from)
}

/// Judges the last window, and of times the one before it, too. `before`: all that the old ones had answered when the new
/// ones began; `beside`: the old ones serve at the same time, which is what counts then.
pub fn judge(numbers: &Watched, samples: &[Tally], before: &RoutePart, beside: bool) -> Verdict {
    let Some(window) = last(samples, numbers.window) else { return Verdict::NotYet };
    let old = |(first, last): (&Tally, &Tally)| {
        let now = last.old.since(&first.old);
        if beside && now.requests >= numbers.requests { now } else { before.clone() }
    };
    let (new, old_now) = (window.1.new.since(&window.0.new), old(window));
    if new.requests < numbers.requests {
        let all = samples.first().map(|first| window.1.new.since(&first.new)).unwrap_or_default();
        return useless(numbers, &all, &old_now).map_or(Verdict::NotYet, Verdict::Bad);
    }
    if let Some(bad) = failing(numbers, &new, &old_now) {
        return Verdict::Bad(bad);
    }
    // A start is slow, and so is a busy moment: times are judged by whole windows, all of which say the same.
    let (each, have) = (looks(numbers.window), samples.len());
    let windows = (0..WINDOWS).filter_map(|back| {
        let end = have.checked_sub(1 + back * each)?;
        Some((&samples[end.checked_sub(each)?], &samples[end]))
    });
    let mut slow: Vec<String> = windows
        .map_while(|window| slower(numbers, &window.1.new.since(&window.0.new), &old(window)))
        .collect();
    match slow.len() {
        WINDOWS => Verdict::Bad(slow.swap_remove(0)),
        _ => Verdict::Well,
    }
}

/// Too little came to judge a share by, over all that is kept: but none of it was answered, and that was not so before.
fn useless(numbers: &Watched, new: &RoutePart, old: &RoutePart) -> Option<String> {
    let none = new.requests >= FEW && new.errors == new.requests && numbers.errors < 100;
    let was_well = old.errors * 100 <= numbers.errors.saturating_mul(old.requests);
    (none && was_well).then(|| {
        let then = match old.requests {
            0 => "nothing to compare with".into(),
            asked => format!("{} of {asked}", share(old.errors, asked)),
        };
        format!("all of {} requests failed (before: {then})", new.requests)
    })
}

/// More of the new fails than is allowed.
fn failing(numbers: &Watched, new: &RoutePart, old: &RoutePart) -> Option<String> {
    // Of too few requests nothing is known, neither that they failed nor that they were quick.
    let known = old.requests >= numbers.requests;
    let said = numbers.errors.saturating_mul(new.requests);
    let twice = if known { 200 * old.errors * new.requests / old.requests.max(1) } else { 0 };
    if new.errors * 100 <= said.max(twice) {
        return None;
    }
    let then = match known {
        true => format!("{} of {}", share(old.errors, old.requests), old.requests),
        false => "nothing to compare with".into(),
    };
    let bad = share(new.errors, new.requests);
    Some(format!("{bad} of {} requests failed (before: {then})", new.requests))
}

/// The new takes longer than is allowed, and there are answers enough to say so.
fn slower(numbers: &Watched, new: &RoutePart, old: &RoutePart) -> Option<String> {
    let enough = numbers.requests.saturating_mul(MORE);
    if new.requests < enough || old.requests < numbers.requests {
        return None;
    }
    let (now, then) = (within(new)?, within(old)?);
    if now <= numbers.latency.saturating_mul(then) || now < then + NOTHING {
        return None;
    }
    Some(format!(
        "95 of 100 answers came within {}, of {} (before: within {}, of {})",
        millis(now),
        new.requests,
        millis(then),
        old.requests
    ))
}

/// The time within which 95 of a hundred answers came, in milliseconds, as finely as it is counted.
fn within(part: &RoutePart) -> Option<u64> {
    let all: u64 = part.took.iter().sum();
    let enough = (all * 95).div_ceil(100);
    let mut so_far = 0;
    for (n, count) in part.took.iter().enumerate() {
        so_far += count;
        if all > 0 && so_far >= enough {
            return Some(RoutePart::BOUNDS.get(n).copied().unwrap_or(ENDLESS));
        }
    }
    None
}

fn millis(time: u64) -> String {
    if time >= ENDLESS { "more than 10 s".into() } else { format!("{time} ms") }
}

/// `31%`, `0.2%`
fn share(part: u64, of: u64) -> String {
    let tenths = part * 1_000 / of.max(1);
    match (tenths, part) {
        (0, 0) => "0%".into(),
        (0, _) => "less than 0.1%".into(),
        (tenths, _) if tenths >= 100 || tenths % 10 == 0 => format!("{}%", tenths / 10),
        (tenths, _) => format!("{}.{}%", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_names::Timestamp;

    /// So many requests, so many failed, all answered within the n-th bound.
    fn part(requests: u64, errors: u64, bound: usize) -> RoutePart {
        let mut took = vec![0; bound + 1];
        took[bound] = requests;
        RoutePart { requests, errors, took }
    }

    fn look(second: i64, new: RoutePart, old: RoutePart) -> Tally {
        let at = Timestamp(second * 1_000_000);
        Tally { at, boot: "b".into(), new, old, restarts: 0 }
    }

    fn numbers() -> Watched {
        Watched::numbers(&tow_model::kinds::bake::Baking::default())
    }

    /// Looks at windows, the first of which begins at zero, in each of which this came.
    fn windows(each: &[&RoutePart], beside: &RoutePart) -> Vec<Tally> {
        let (mut new, mut old) = (RoutePart::default(), RoutePart::default());
        let mut samples = vec![look(0, new.clone(), old.clone())];
        for part in each {
            // All of it in the middle of the window.
            for n in 1..=5 {
                if n == 3 {
                    new.add(part);
                    old.add(beside);
                }
                let second = i64::try_from(samples.len()).unwrap_or(0);
                samples =
                    counted(&samples, look(second, new.clone(), old.clone()), numbers().window);
            }
        }
        samples
    }

    /// Judges two windows, in each of which this came.
    fn judged(new: RoutePart, before: RoutePart, beside: RoutePart) -> Verdict {
        let samples = windows(&[&new, &new], &beside);
        judge(&numbers(), &samples, &before, beside.requests > 0)
    }

    #[test]
    fn what_counts_as_worse() {
        let none = RoutePart::default;
        for (new, before, beside, bad) in [
            // Too few, as long as one of them is answered; where none is, a few are enough, but for what failed before.
            (part(19, 18, 3), part(300, 0, 3), none(), None),
            (part(1, 1, 3), part(300, 0, 3), none(), None),
            (
                part(2, 2, 3),
                part(300, 1, 3),
                none(),
                Some("all of 4 requests failed (before: 0.3% of 300)"),
            ),
            (
                part(3, 3, 3),
                part(0, 0, 3),
                none(),
                Some("all of 6 requests failed (before: nothing to compare with)"),
            ),
            (part(3, 3, 3), part(3, 3, 3), none(), None),
            // Five of a hundred are let pass, six are not.
            (part(100, 5, 3), part(300, 0, 3), none(), Some("")),
            (
                part(100, 6, 3),
                part(300, 0, 3),
                none(),
                Some("6% of 100 requests failed (before: 0% of 300)"),
            ),
            (
                part(64, 20, 3),
                part(310, 1, 3),
                none(),
                Some("31% of 64 requests failed (before: 0.3% of 310)"),
            ),
            // Twice as many as before are let pass.
            (part(100, 20, 3), part(300, 30, 3), none(), Some("")),
            (
                part(100, 21, 3),
                part(300, 30, 3),
                none(),
                Some("21% of 100 requests failed (before: 10% of 300)"),
            ),
            // Before there were too few to say anything by.
            (
                part(100, 6, 3),
                part(3, 3, 3),
                none(),
                Some("6% of 100 requests failed (before: nothing to compare with)"),
            ),
            // At the same time it fails elsewhere, too.
            (part(100, 20, 3), part(300, 0, 3), part(100, 15, 3), Some("")),
            // Times: 10 ms before; 75 is seven times that and less than a tenth more; 200 is both.
            (part(100, 0, 6), part(300, 0, 3), none(), Some("")),
            (
                part(100, 0, 9),
                part(300, 0, 3),
                none(),
                Some("95 of 100 answers came within 200 ms, of 100 (before: within 10 ms, of 300)"),
            ),
            (
                part(100, 0, 16),
                part(300, 0, 3),
                none(),
                Some(
                    "95 of 100 answers came within more than 10 s, of 100 (before: within 10 ms, of 300)",
                ),
            ),
            (part(100, 0, 9), part(3, 0, 3), none(), Some("")),
        ] {
            let expected = match bad {
                None => Verdict::NotYet,
                Some("") => Verdict::Well,
                Some(text) => Verdict::Bad(text.into()),
            };
            assert_eq!(judged(new.clone(), before.clone(), beside), expected, "{new:?} {before:?}");
        }
    }

    #[test]
    fn errors_count_at_once_and_times_over_windows_that_follow_each_other() {
        let none = RoutePart::default;
        let before = part(300, 0, 3);
        let after =
            |each: &[&RoutePart]| judge(&numbers(), &windows(each, &none()), &before, false);
        let (slow, quick) = (part(100, 0, 12), part(100, 0, 3));
        assert_eq!(after(&[&slow]), Verdict::Well, "a start is slow");
        assert_eq!(after(&[&quick, &slow]), Verdict::Well, "a busy moment");
        assert_eq!(after(&[&slow, &quick, &slow]), Verdict::Well, "they follow each other");
        assert!(matches!(after(&[&slow, &slow]), Verdict::Bad(_)));
        assert!(matches!(after(&[&quick, &slow, &slow]), Verdict::Bad(_)));
        let few = part(99, 0, 12);
        assert_eq!(after(&[&few, &few]), Verdict::Well, "of so few some are always slow");
        assert_eq!(after(&[&slow, &few]), Verdict::Well);
        let looks = [look(0, none(), none()), look(1, part(100, 100, 1), none())];
        assert!(matches!(judge(&numbers(), &looks, &before, false), Verdict::Bad(_)));
        assert_eq!(judge(&numbers(), &[], &before, false), Verdict::NotYet);
    }

    #[test]
    fn a_window_slides_and_a_new_gateway_begins_anew() {
        let none = RoutePart::default;
        let mut samples = Vec::new();
        for second in 0..20 {
            samples = counted(&samples, look(second, none(), none()), Duration::from_secs(5));
        }
        let seconds: Vec<i64> = samples.iter().map(|s| s.at.0 / 1_000_000).collect();
        assert_eq!(seconds, (9..20).collect::<Vec<_>>());
        let window =
            last(&samples, Duration::from_secs(5)).map(|(first, last)| last.at.since(first.at));
        assert_eq!(window, Some(Duration::from_secs(5)));
        let other = Tally { boot: "c".into(), ..look(20, none(), none()) };
        assert_eq!(counted(&samples, other, Duration::from_secs(5)).len(), 1);
    }

    #[test]
    fn a_release_that_turns_bad_is_seen_within_the_next_looks() {
        // 100 requests a second; from second 5 on all fail.
        let mut samples = Vec::new();
        let mut seen = None;
        for second in 0..20 {
            let count = second as u64 * 100;
            let bad = (second as u64).saturating_sub(5) * 100;
            let new = part(count, bad, 3);
            samples = counted(&samples, look(second, new, part(300, 1, 3)), Duration::from_secs(5));
            if let Verdict::Bad(what) = judge(&numbers(), &samples, &part(300, 1, 3), false) {
                seen = Some((second, what));
                break;
            }
        }
        let (second, what) = seen.expect("it is seen");
        assert_eq!(
            (second, what.as_str()),
            (6, "20% of 500 requests failed (before: 0.3% of 300)")
        );
    }
}
