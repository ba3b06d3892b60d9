//! A log that is as it was has no findings, however it was sealed; whatever is done to it is found and named.

use proptest::prelude::*;
use tow_names::{Digest, Timestamp};
use tow_plan::audit::{DELAY, FULL, Signed, Verifier, due, next_from, seal};
use tow_record::{AuditReport, Head, Logged, Seal, Signature, Tampering};

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).hex().to_string()
}

fn event(seq: i64) -> Logged {
    let body = digest(&format!("body {seq}"));
    Logged {
        seq,
        at: 1_000 * seq,
        actor: "user:default/ann".into(),
        request: format!("r-{seq}"),
        kind: "object.updated".into(),
        subject: format!("component:default/c{}", seq % 3),
        body_sha256: body.clone(),
        found: Some(body),
        erased: Vec::new(),
    }
}

const KEY: &str = "sign-1";

fn sign(seal: &Seal) -> Signature {
    Signature { key: KEY.into(), signature: digest(&format!("secret {}", seal.statement())) }
}

fn signed(seal: &Seal) -> Signed {
    match seal.signature.key.as_str() {
        KEY if sign(seal) == seal.signature => Signed::Yes,
        KEY => Signed::No,
        _ => Signed::UnknownKey,
    }
}

#[derive(Clone)]
struct Log {
    events: Vec<Logged>,
    seals: Vec<Seal>,
    counted: i64,
    sealed: i64,
}

/// Sealed in runs of these lengths; what is left over is not sealed yet.
fn log(count: i64, runs: &[i64]) -> Log {
    let events: Vec<Logged> = (1..=count).map(event).collect();
    let mut log = Log { events, seals: vec![], counted: count, sealed: 0 };
    for run in runs {
        let from = next_from(log.seals.last(), log.sealed);
        let to = (from + run - 1).min(count);
        if from > to {
            break;
        }
        add_seal(&mut log, from, to);
    }
    log
}

fn add_seal(log: &mut Log, from: i64, to: i64) {
    let found: Vec<Logged> =
        log.events.iter().filter(|e| (from..=to).contains(&e.seq)).cloned().collect();
    let mut next = seal(log.seals.last(), from, to, &found, Timestamp(7));
    next.signature = sign(&next);
    log.sealed = to;
    log.seals.push(next);
}

/// As the use-case does it: seals a page at a time, each page's events, then the rest.
fn verify(log: &Log, head: Option<Head>) -> AuditReport {
    let exported = head.map(|head| {
        let signed = signed(&head.seal());
        (head, signed)
    });
    let mut verifier = Verifier::new(exported);
    let mut events = log.events.clone();
    events.sort_by_key(|event| event.seq);
    let mut events = events.into_iter().peekable();
    for page in log.seals.chunks(2) {
        for seal in page {
            let signed = signed(seal);
            verifier.seal(seal.clone(), signed);
        }
        while let Some(event) = events.next_if(|event| event.seq <= verifier.sealed_to()) {
            verifier.event(event);
        }
    }
    events.for_each(|event| verifier.event(event));
    verifier.finish(log.counted, log.sealed)
}

fn found(report: &AuditReport) -> Vec<(Tampering, i64, i64)> {
    report.findings.iter().map(|f| (f.what, f.from, f.to)).collect()
}

const RUNS: [i64; 4] = [10, 7, 13, 10];

fn good() -> Log {
    let log = log(45, &RUNS);
    assert_eq!(found(&verify(&log, None)), vec![]);
    log
}

fn at(log: &mut Log, seq: i64) -> &mut Logged {
    log.events.iter_mut().find(|event| event.seq == seq).unwrap()
}

#[test]
fn each_field_of_an_event_is_proved() {
    /// What is changed, and how.
    type Change = (&'static str, fn(&mut Logged));
    let changes: [Change; 6] = [
        ("at", |e| e.at += 1),
        ("actor", |e| e.actor.push('x')),
        ("request", |e| e.request.clear()),
        ("kind", |e| e.kind = "object.created".into()),
        ("subject", |e| e.subject.push('1')),
        ("digest", |e| {
            e.body_sha256 = digest("other");
            e.found = Some(digest("other"));
        }),
    ];
    for (what, change) in changes {
        for seq in [1, 10, 11, 23, 40] {
            let mut log = good();
            change(at(&mut log, seq));
            let report = verify(&log, None);
            assert_eq!(found(&report), [(Tampering::EventChanged, seq, seq)], "{what} of {seq}");
        }
    }
    // What one text loses the next one does not win.
    let mut log = good();
    let event = at(&mut log, 5);
    (event.actor, event.request) = ("user:default/an".into(), "nr-5".into());
    assert_eq!(found(&verify(&log, None)), [(Tampering::EventChanged, 5, 5)]);
}

#[test]
fn bodies_are_proved_and_may_be_erased_on_record() {
    let mut log = good();
    at(&mut log, 3).found = Some(digest("other"));
    at(&mut log, 44).found = Some(digest("other"));
    let changed = [(Tampering::BodyChanged, 3, 3), (Tampering::BodyChanged, 44, 44)];
    assert_eq!(found(&verify(&log, None)), changed);

    let mut log = good();
    at(&mut log, 12).found = None;
    assert_eq!(found(&verify(&log, None)), [(Tampering::ErasedWithoutRecord, 12, 12)]);
    at(&mut log, 43).erased = vec![12];
    let report = verify(&log, None);
    assert_eq!((found(&report), report.erased), (vec![], 1));
    // A record that was itself changed records nothing.
    at(&mut log, 43).found = Some(digest("other"));
    let report = verify(&log, None);
    assert!(found(&report).contains(&(Tampering::ErasedWithoutRecord, 12, 12)), "{report:#?}");
}

#[test]
fn deleted_inserted_moved_and_cut() {
    let gone = |log: &mut Log, from: i64, to: i64| {
        log.events.retain(|event| !(from..=to).contains(&event.seq));
    };
    let mut log = good();
    gone(&mut log, 9, 12);
    assert_eq!(found(&verify(&log, None)), [(Tampering::EventDeleted, 9, 12)]);

    // Closed up, so that there is no gap.
    let mut log = good();
    gone(&mut log, 9, 9);
    log.events.iter_mut().filter(|event| event.seq > 9).for_each(|event| event.seq -= 1);
    log.counted -= 1;
    let report = found(&verify(&log, None));
    assert!(report.contains(&(Tampering::EventDeleted, 9, 9)), "{report:?}");
    assert!(report.contains(&(Tampering::EventMoved, 10, 40)), "{report:?}");

    // Room made for one that never was.
    let mut log = good();
    log.events.iter_mut().filter(|event| event.seq > 20).for_each(|event| event.seq += 1);
    let mut new = event(7);
    (new.seq, new.actor) = (21, "user:default/eve".into());
    log.events.push(new);
    log.counted += 1;
    let report = found(&verify(&log, None));
    assert_eq!(report, [(Tampering::EventInserted, 21, 21), (Tampering::EventMoved, 21, 40)]);

    let mut log = good();
    let mut before = event(1);
    before.seq = 0;
    log.events.push(before);
    assert_eq!(found(&verify(&log, None)), [(Tampering::EventInserted, 0, 0)]);

    for (one, other) in [(4, 5), (4, 33), (10, 11)] {
        let mut log = good();
        at(&mut log, one).seq = -1;
        at(&mut log, other).seq = one;
        at(&mut log, -1).seq = other;
        let moved = [(Tampering::EventMoved, one, one), (Tampering::EventMoved, other, other)];
        assert_eq!(found(&verify(&log, None)), moved, "{one} and {other}");
    }

    let mut log = good();
    gone(&mut log, 31, 45);
    assert_eq!(found(&verify(&log, None)), [(Tampering::TailCut, 31, 45)]);
    log.counted = 30;
    assert_eq!(found(&verify(&log, None)), [(Tampering::TailCut, 31, 40)], "with its counter");
}

#[test]
fn seals_are_proved() {
    let mut log = good();
    log.seals.remove(1);
    assert_eq!(found(&verify(&log, None)), [(Tampering::SealGone, 11, 17)]);

    let mut log = good();
    let head = Head::of(&log.seals[3], "public".into());
    log.seals.pop();
    assert_eq!(found(&verify(&log, None)), [(Tampering::SealGone, 31, 40)]);
    // With everything that knew of it; and the sealer went on from there.
    log.sealed = 30;
    assert_eq!(found(&verify(&log, None)), []);
    assert_eq!(found(&verify(&log, Some(head.clone()))), [(Tampering::TailCut, 31, 40)]);
    at(&mut log, 35).actor = "user:default/eve".into();
    add_seal(&mut log, 31, 40);
    assert_eq!(found(&verify(&log, Some(head.clone()))), [(Tampering::HeadDiffers, 31, 40)]);

    let mut log = good();
    log.seals[1].signature = log.seals[2].signature.clone();
    assert_eq!(found(&verify(&log, None)), [(Tampering::SealForged, 11, 17)]);

    let mut log = good();
    log.seals[1].leaves[0] = digest("other");
    assert_eq!(found(&verify(&log, None)), [(Tampering::SealChanged, 11, 17)]);

    // Rewritten from an event on, with all that hangs on it, but without the key.
    let mut log = good();
    at(&mut log, 15).actor = "user:default/eve".into();
    let old = std::mem::take(&mut log.seals);
    for before in old {
        let range = before.from..=before.to;
        let events: Vec<Logged> =
            log.events.iter().filter(|e| range.contains(&e.seq)).cloned().collect();
        let mut next = seal(log.seals.last(), before.from, before.to, &events, before.at);
        next.signature = before.signature;
        log.seals.push(next);
    }
    let forged = [(11, 17), (18, 30), (31, 40)].map(|(a, b)| (Tampering::SealForged, a, b));
    assert_eq!(found(&verify(&log, None)), forged);

    let mut log = good();
    log.seals[2].signature.key = "sign-other".into();
    assert_eq!(found(&verify(&log, None)), [(Tampering::KeyUnknown, 18, 30)]);

    // A seal of ours from another log.
    let mut log = good();
    let mut other = log.seals[2].clone();
    other.previous = digest("other");
    other.root = tow_plan::audit::root(&other.previous, &other.leaves);
    other.signature = sign(&other);
    log.seals[2] = other;
    let report = found(&verify(&log, None));
    assert!(report.contains(&(Tampering::ChainBroken, 18, 30)), "{report:?}");

    let log = good();
    let mut head = head;
    assert_eq!(found(&verify(&log, Some(head.clone()))), []);
    head.to = 39;
    let report = found(&verify(&log, Some(head)));
    assert!(report.contains(&(Tampering::HeadForged, 31, 39)), "{report:?}");
}

#[test]
fn what_was_gone_before_it_was_sealed_stays_gone() {
    let mut log = log(20, &[5]);
    log.events.retain(|event| event.seq != 8);
    add_seal(&mut log, 6, 12);
    assert_eq!(found(&verify(&log, None)), [(Tampering::EventDeleted, 8, 8)]);
    log.events.push(event(8));
    assert_eq!(found(&verify(&log, None)), [(Tampering::EventInserted, 8, 8)]);
}

#[test]
fn events_wait_a_little_to_be_sealed_together() {
    let second = tow_names::Duration::from_secs(1);
    let (now, early) = (Timestamp(10_000_000), Timestamp(9_000_000));
    assert_eq!(due(1, Some(early), now), Some(early.plus(DELAY)));
    assert_eq!(due(FULL, Some(early), now), None, "full");
    assert_eq!(due(1, Some(early), early.plus(DELAY)), None, "waited");
    assert_eq!(due(1, Some(now.plus(second)), now), None, "the clock went back");
    assert_eq!(due(1, None, now), None, "its event is gone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_log_as_it_was_has_no_findings(
        count in 0i64..120, runs in proptest::collection::vec(1i64..40, 0..8),
    ) {
        let report = verify(&log(count, &runs), None);
        prop_assert_eq!(found(&report), vec![]);
        prop_assert_eq!((report.events, report.last), (count, count));
    }

    #[test]
    fn whatever_is_done_to_a_sealed_event_is_found_there(
        count in 2i64..120, runs in proptest::collection::vec(1i64..40, 8..9),
        pick in 0.0f64..1.0, deed in 0usize..5,
    ) {
        let mut log = log(count, &runs);
        let seq = 1 + (pick * (log.sealed as f64)) as i64;
        let seq = seq.min(log.sealed);
        let what = match deed {
            0 => { at(&mut log, seq).kind.push('!'); Tampering::EventChanged }
            1 => { at(&mut log, seq).found = Some(digest("!")); Tampering::BodyChanged }
            2 => { at(&mut log, seq).found = None; Tampering::ErasedWithoutRecord }
            3 => {
                log.events.retain(|event| event.seq != seq);
                if seq == count { Tampering::TailCut } else { Tampering::EventDeleted }
            }
            _ => {
                let other = 1 + seq % log.sealed;
                let copy = at(&mut log, other).clone();
                *at(&mut log, seq) = Logged { seq, ..copy };
                Tampering::EventChanged
            }
        };
        if deed == 4 && log.sealed == 1 {
            return Ok(());
        }
        prop_assert_eq!(found(&verify(&log, None)), vec![(what, seq, seq)]);
    }
}
