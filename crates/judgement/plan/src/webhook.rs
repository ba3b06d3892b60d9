//! Carrying events to webhooks: what is next for one of them, and what an answer means.
//!
//! The log is the outbox. For each webhook its events go out in the order of the log, one at a time: what fails is tried
//! again, ever more slowly, and holds up what comes after it; after a day the webhook is paused and nothing is lost,
//! because it goes on from there when it is resumed. An event may arrive twice, never not at all.

use tow_names::{Digest, Duration, Timestamp};
use tow_record::{AttemptOutcome, Delivery, DeliveryState, EVENTS, Event, Outbox, Webhook};

/// A delivery that fails for so long is given up.
pub const GIVEN_UP: Duration = Duration::from_secs(24 * 3600);
/// The first retry comes after about so long; each further one takes twice as long.
const FIRST: Duration = Duration::from_secs(2);
/// No retry waits longer, whatever the receiver asks for.
const LONGEST: Duration = Duration::from_secs(3600);

/// What to do for a webhook.
#[derive(Debug, Clone, PartialEq)]
pub enum Deliver {
    /// Post this event. The delivery is as it must be written down before that: with the attempt in it.
    Send {
        /// To be written first. Of an event never tried before it is a new row.
        delivery: Delivery,
        /// Not there yet.
        fresh: bool,
    },
    /// Nothing up to this event is meant for it.
    Skip {
        /// The last of them.
        to: i64,
    },
    /// Nothing before this time.
    Wait {
        /// When the next retry is due.
        until: Timestamp,
    },
    /// Nothing until something happens.
    Rest,
}

/// What is next. `waiting`: this webhook's deliveries that are neither done nor given up. `events`: those after the
/// outbox's place, the oldest first, as many as were read. `visible`: may its maker see this event?
pub fn deliver(
    webhook: &Webhook,
    outbox: &Outbox,
    waiting: &[Delivery],
    events: &[Event],
    visible: impl Fn(&Event) -> bool,
    now: Timestamp,
) -> Deliver {
    if webhook.paused.is_some() {
        return Deliver::Rest;
    }
    let due = |delivery: &Delivery| delivery.next_at.is_none_or(|at| at <= now);
    // Whoever asked for one again is waiting; it holds up only itself.
    let asked = waiting.iter().find(|delivery| delivery.again && due(delivery));
    let first = waiting.iter().find(|delivery| !delivery.again);
    if let Some(delivery) = asked.or_else(|| first.filter(|delivery| due(delivery))) {
        return Deliver::Send { delivery: begun(delivery.clone(), now), fresh: false };
    }
    if first.is_none() {
        let meant = |event: &&Event| wants(&webhook.events, &event.kind) && visible(event);
        if let Some(event) = events.iter().find(meant) {
            let delivery = Delivery {
                webhook: webhook.id.clone(),
                seq: event.seq,
                kind: event.kind.clone(),
                state: DeliveryState::Waiting,
                again: false,
                tries: 0,
                attempts: Vec::new(),
                since: now,
                next_at: None,
                finished_at: None,
            };
            return Deliver::Send { delivery: begun(delivery, now), fresh: true };
        }
        if let Some(last) = events.last().filter(|last| last.seq > outbox.seq) {
            return Deliver::Skip { to: last.seq };
        }
    }
    match waiting.iter().filter_map(|delivery| delivery.next_at).min() {
        Some(until) => Deliver::Wait { until },
        None => Deliver::Rest,
    }
}

/// With an attempt that begins now. When it would be tried again is written down with it, so that a control plane that
/// ends meanwhile leaves a delivery that is simply due later.
fn begun(mut delivery: Delivery, now: Timestamp) -> Delivery {
    delivery.begin(now);
    delivery.next_at = Some(now.plus(pause(&delivery)));
    delivery
}

/// A delivery given up before, at which its webhook stopped, begins anew; its attempts are not forgotten.
#[must_use]
pub fn anew(before: &Delivery, now: Timestamp) -> Delivery {
    let mut delivery = Delivery {
        state: DeliveryState::Waiting,
        again: false,
        since: now,
        finished_at: None,
        ..before.clone()
    };
    delivery.tries = 0;
    begun(delivery, now)
}

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// As it is now.
    pub delivery: Delivery,
    /// The webhook stops here, for this reason.
    pub pauses: Option<String>,
}

/// What the outcome of the attempt under way means. `wait`: so long the receiver asks to be left alone.
pub fn judge(
    webhook: &Webhook,
    mut delivery: Delivery,
    outcome: AttemptOutcome,
    wait: Option<Duration>,
    now: Timestamp,
) -> Judged {
    let status = match &outcome {
        AttemptOutcome::Answered { status, .. } => Some(*status),
        AttemptOutcome::Unknown | AttemptOutcome::Failed { .. } => None,
    };
    let said = match &outcome {
        AttemptOutcome::Answered { status, .. } => format!("it answers {status}"),
        AttemptOutcome::Failed { why, .. } => why.clone(),
        AttemptOutcome::Unknown => "its answer was lost".into(),
    };
    delivery.answer(outcome);
    let again = delivery.again;
    let ended = |mut delivery: Delivery, state: DeliveryState| {
        delivery.state = state;
        delivery.next_at = None;
        delivery.finished_at = Some(now);
        delivery
    };
    if matches!(status, Some(200..=299)) {
        return Judged { delivery: ended(delivery, DeliveryState::Delivered), pauses: None };
    }
    let since = webhook.resumed_at.map_or(delivery.since, |at| at.max(delivery.since));
    let pauses = if status == Some(410) {
        Some("the receiver says it is gone for good (410)".to_string())
    } else if now.since(since) >= GIVEN_UP {
        Some(format!("event {} could not be delivered for a day: {said}", delivery.seq))
    } else {
        let at = now.plus(pause(&delivery).max(wait.unwrap_or_default().min(LONGEST)));
        delivery.next_at = Some(at);
        return Judged { delivery, pauses: None };
    };
    let pauses = pauses.filter(|_| !again || status == Some(410));
    Judged { delivery: ended(delivery, DeliveryState::Failed), pauses }
}

/// Until the next try: twice as long each time, and up to a fifth more, by what it is and not by chance, so that many
/// that failed together do not come back together.
fn pause(delivery: &Delivery) -> Duration {
    let doubled = FIRST.micros().saturating_mul(1 << delivery.tries.saturating_sub(1).min(20));
    let base = doubled.min(LONGEST.micros());
    let named = format!("{} {} {}", delivery.webhook, delivery.seq, delivery.tries);
    let digest = Digest::of(named.as_bytes());
    let share = u32::from_str_radix(&digest.hex()[..4], 16).unwrap_or(0);
    let more = base / 5 * i64::from(share) / i64::from(u16::MAX);
    Duration::from_micros((base + more).min(LONGEST.micros()))
}

/// Is an event of this kind meant by one of the patterns?
pub fn wants(patterns: &[String], kind: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(begin) => kind.starts_with(begin),
        None => kind == pattern,
    })
}

/// What is wrong with a pattern, or nothing: it is `*`, a kind of event, or the beginning of some with `.*`.
pub fn pattern(pattern: &str) -> Result<(), String> {
    let formed = match pattern.strip_suffix('*') {
        Some(begin) => begin.is_empty() || begin.ends_with('.'),
        None => true,
    };
    let means = |(kind, _): &(&str, &str)| wants(&[pattern.to_string()], kind);
    if formed && EVENTS.iter().any(means) {
        return Ok(());
    }
    Err(format!("no event is called {pattern:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tow_names::Id;
    use tow_record::{Actor, Role, Sealed};

    const START: Timestamp = Timestamp(1_767_225_600_000_000);

    fn webhook(events: &[&str]) -> Webhook {
        Webhook {
            id: Id::parse("wh-1").unwrap(),
            url: "https://hook.example/".into(),
            events: events.iter().map(ToString::to_string).collect(),
            secret: Sealed { key: String::new(), sealed: String::new(), digest: String::new() },
            note: String::new(),
            created_by: Actor {
                name: "user:default/pat".into(),
                role: Role::Platform,
                groups: vec![],
                limits: tow_record::Limits::default(),
            },
            created_at: START,
            since: 0,
            paused: None,
            resumed_at: None,
        }
    }

    fn outbox(seq: i64) -> Outbox {
        Outbox { webhook: Id::parse("wh-1").unwrap(), seq, delivered: 0 }
    }

    fn event(seq: i64, kind: &str) -> Event {
        Event {
            seq,
            at: START,
            actor: String::new(),
            request: String::new(),
            kind: kind.into(),
            subject: String::new(),
            body_sha256: String::new(),
            body: None,
        }
    }

    fn answered(status: u16) -> AttemptOutcome {
        AttemptOutcome::Answered { status, excerpt: String::new(), took: Duration::ZERO }
    }

    fn sent(what: Deliver) -> Delivery {
        match what {
            Deliver::Send { delivery, .. } => delivery,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_is_meant_and_may_be_seen_goes_out_in_order() {
        let hook = webhook(&["deployment.*"]);
        let events =
            [event(5, "plan.created"), event(6, "deployment.live"), event(7, "deployment.failed")];
        let see = |_: &Event| true;
        assert_eq!(sent(deliver(&hook, &outbox(4), &[], &events, see, START)).seq, 6);
        assert_eq!(sent(deliver(&hook, &outbox(6), &[], &events[2..], see, START)).seq, 7);
        let hidden = |event: &Event| event.seq != 6;
        assert_eq!(sent(deliver(&hook, &outbox(4), &[], &events, hidden, START)).seq, 7);
        let none = |_: &Event| false;
        assert_eq!(deliver(&hook, &outbox(4), &[], &events, none, START), Deliver::Skip { to: 7 });
        assert_eq!(deliver(&hook, &outbox(7), &[], &[], see, START), Deliver::Rest);
    }

    #[test]
    fn what_waits_holds_up_what_comes_after_it() {
        let hook = webhook(&["*"]);
        let events = [event(1, "a.b"), event(2, "a.b")];
        let one = sent(deliver(&hook, &outbox(0), &[], &events, |_| true, START));
        let failed = judge(&hook, one, answered(503), None, START).delivery;
        let until = failed.next_at.unwrap();
        let waiting = [failed];
        let next = deliver(&hook, &outbox(0), &waiting, &events, |_| true, START);
        assert_eq!(next, Deliver::Wait { until });
        let second = sent(deliver(&hook, &outbox(0), &waiting, &events, |_| true, until));
        assert_eq!((second.seq, second.tries), (1, 2));
        assert_eq!(
            second.attempts[1].outcome,
            AttemptOutcome::Unknown,
            "written down before it is made"
        );
        assert!(second.next_at.unwrap() > until, "and due again should nobody come back");
    }

    #[test]
    fn what_is_asked_for_again_waits_for_nobody() {
        let hook = webhook(&["*"]);
        let first = sent(deliver(&hook, &outbox(8), &[], &[event(9, "a.b")], |_| true, START));
        let again = Delivery { seq: 3, again: true, next_at: None, ..first.clone() };
        let waiting = [first, again];
        let next = sent(deliver(&hook, &outbox(8), &waiting, &[], |_| true, START));
        assert_eq!((next.seq, next.again), (3, true));
        // Given up, it stops nothing else.
        let late = START.plus(GIVEN_UP);
        let judged = judge(&hook, next, answered(500), None, late);
        assert_eq!((judged.delivery.state, judged.pauses), (DeliveryState::Failed, None));
    }

    #[test]
    fn a_day_of_failing_pauses_and_resuming_begins_a_new_day() {
        let mut hook = webhook(&["*"]);
        let one = sent(deliver(&hook, &outbox(0), &[], &[event(1, "a.b")], |_| true, START));
        let late = START.plus(GIVEN_UP);
        let soon = Timestamp(late.0 - 1);
        assert_eq!(judge(&hook, one.clone(), answered(500), None, soon).pauses, None);
        let judged = judge(&hook, one.clone(), answered(500), None, late);
        assert!(judged.pauses.is_some_and(|why| why.contains("500")));
        assert_eq!(judged.delivery.state, DeliveryState::Failed);
        hook.resumed_at = Some(late);
        assert_eq!(judge(&hook, one.clone(), answered(500), None, late).pauses, None);
        let gone = judge(&hook, one, answered(410), None, START);
        assert!(gone.pauses.is_some());
        let anew = anew(&gone.delivery, late);
        assert_eq!((anew.tries, anew.attempts.len(), anew.since), (1, 2, late));
    }

    #[test]
    fn a_receiver_may_ask_for_patience_within_reason() {
        let hook = webhook(&["*"]);
        let one = sent(deliver(&hook, &outbox(0), &[], &[event(1, "a.b")], |_| true, START));
        let wait = |secs| {
            let judged =
                judge(&hook, one.clone(), answered(429), Some(Duration::from_secs(secs)), START);
            judged.delivery.next_at.unwrap().since(START)
        };
        assert_eq!(wait(60), Duration::from_secs(60));
        assert_eq!(wait(86_400), LONGEST);
    }

    #[test]
    fn patterns_mean_kinds_there_are() {
        for good in ["*", "deployment.*", "object.created"] {
            assert_eq!(pattern(good), Ok(()), "{good}");
        }
        for bad in ["", "deploy*", "*.created", "nothing.*", "object", "object.create"] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn each_pause_is_longer_than_half_the_last_and_the_same_for_everybody(tries in 1u32..60, seq in 1i64..9999) {
            let hook = webhook(&["*"]);
            let mut delivery = sent(deliver(&hook, &outbox(0), &[], &[event(seq, "a.b")], |_| true, START));
            delivery.tries = tries;
            let this = pause(&delivery);
            prop_assert_eq!(this, pause(&delivery));
            prop_assert!(this >= FIRST && this <= LONGEST);
            delivery.tries = tries + 1;
            prop_assert!(pause(&delivery).micros() * 2 > this.micros());
        }
    }
}
