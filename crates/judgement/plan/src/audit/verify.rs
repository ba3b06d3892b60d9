//! Does the log still fit its seals? Seals come in the order of their numbers, events in the order of the log; what is
//! kept is bounded however long the log is, but for eight bytes for each erased event whose record is still to come.

use super::leaf;
use super::strays::{Fate, Strays};
use std::collections::{BTreeSet, VecDeque};
use tow_record::{AuditReport, Finding, Head, Logged, Seal, Tampering};

/// So many findings are listed; the others are counted.
const LISTED: usize = 500;

/// What the keeper of the keys says of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// It was made by the key it names.
    Yes,
    /// It was not.
    No,
    /// That key is not known here.
    UnknownKey,
}

/// A seal whose events are still to come.
struct Window {
    from: i64,
    to: i64,
    leaves: Vec<String>,
    /// Its leaves can be believed.
    proves: bool,
}

/// What the next seal must hold to.
struct Before {
    number: i64,
    to: i64,
    /// The root written in it, and the one its leaves have.
    roots: [String; 2],
}

/// Looks at a whole log, piece by piece: [`Verifier::seal`] before the events it covers, then [`Verifier::event`] for
/// each of them, to the end of the log.
pub struct Verifier {
    exported: Option<(Head, Signed)>,
    before: Option<Before>,
    windows: VecDeque<Window>,
    /// The next event that should come.
    next: i64,
    strays: Strays,
    bodiless: BTreeSet<i64>,
    last_moved: Option<(i64, i64, i64)>,
    deleted: Option<(i64, i64)>,
    report: AuditReport,
}

impl Verifier {
    /// At the beginning of a log. `exported`: a head that was handed out once, and what the keys say of it.
    pub fn new(exported: Option<(Head, Signed)>) -> Self {
        let mut this = Self {
            exported,
            before: None,
            windows: VecDeque::new(),
            next: 1,
            strays: Strays::default(),
            bodiless: BTreeSet::new(),
            last_moved: None,
            deleted: None,
            report: AuditReport::default(),
        };
        if let Some((head, signed)) = &this.exported {
            let (n, from, to, key) = (head.number, head.from, head.to, &head.signature.key);
            let finding = match signed {
                Signed::Yes => None,
                Signed::No => Some((
                    Tampering::HeadForged,
                    format!("the head given, of seal {n}, is not what the key {key} has signed"),
                )),
                Signed::UnknownKey => Some((
                    Tampering::KeyUnknown,
                    format!(
                        "the head given, of seal {n}, is signed by {key}, which is not known here"
                    ),
                )),
            };
            if let Some((what, says)) = finding {
                this.find(what, from, to, Some(n), says);
            }
        }
        this
    }

    /// The last event that a seal given so far covers.
    pub fn sealed_to(&self) -> i64 {
        self.report.sealed_to
    }

    /// The next seal.
    pub fn seal(&mut self, seal: Seal, signed: Signed) {
        let Seal { number, from, to, .. } = seal;
        self.report.seals += 1;
        let (expected, after, linked) = match &self.before {
            None => (1, 0, seal.previous.is_empty()),
            Some(b) => (b.number.saturating_add(1), b.to, b.roots.contains(&seal.previous)),
        };
        let gone = number != expected || from != after + 1;
        if gone {
            let which = match number.saturating_sub(expected) {
                1 => format!("seal {expected} is gone"),
                2.. => format!("seals {expected} to {} are gone", number - 1),
                _ => format!("a seal between {} and {number} is gone", expected - 1),
            };
            let (first, last) = (after + 1, from.saturating_sub(1));
            let says = format!("{which}: nothing proves events {first} to {last}");
            self.find(Tampering::SealGone, first, last, Some(expected), says);
        }
        let computed = super::root(&seal.previous, &seal.leaves);
        let length = i64::try_from(seal.leaves.len()).unwrap_or(i64::MAX);
        let covers = from.checked_add(length) == to.checked_add(1);
        let whole = computed == seal.root && covers;
        let key = &seal.signature.key;
        if !whole {
            let says = format!("seal {number} was changed: its leaves are not those of its root");
            self.find(Tampering::SealChanged, from, to, Some(number), says);
        } else if signed == Signed::No {
            let says = format!("seal {number} is not what the key {key} has signed");
            self.find(Tampering::SealForged, from, to, Some(number), says);
        } else if signed == Signed::UnknownKey {
            let says = format!("seal {number} is signed by {key}, which is not known here");
            self.find(Tampering::KeyUnknown, from, to, Some(number), says);
        } else if !gone && !linked {
            let says = format!("seal {number} does not hold to the seal before it");
            self.find(Tampering::ChainBroken, from, to, Some(number), says);
        }
        self.compare_head(&seal);
        let proves = whole && signed == Signed::Yes && from > after;
        // A seal that proves nothing may say anything of which events it is about.
        let (from, to) =
            if proves { (from, to) } else { (after + 1, after.saturating_add(length)) };
        self.before = Some(Before { number, to, roots: [seal.root, computed] });
        self.report.sealed_to = to;
        self.windows.push_back(Window { from, to, leaves: seal.leaves, proves });
    }

    /// In the place of a seal stands something that is none.
    pub fn unreadable(&mut self, number: i64) {
        self.report.seals += 1;
        let to = self.report.sealed_to;
        let says = format!("seal {number} was changed: it is no seal any more");
        self.find(Tampering::SealChanged, to + 1, to + 1, Some(number), says);
        self.before = Some(Before { number, to, roots: [String::new(), String::new()] });
    }

    fn compare_head(&mut self, seal: &Seal) {
        let Some((head, _)) = &self.exported else { return };
        let same = head.root == seal.root && head.to == seal.to && head.from == seal.from;
        if head.number == seal.number && !same {
            let (n, from, to) = (head.number, head.from, head.to);
            let says =
                format!("seal {n} is not the one the head was made of: the log was rewritten");
            self.find(Tampering::HeadDiffers, from, to, Some(n), says);
        }
    }

    /// The next event of the log.
    pub fn event(&mut self, event: Logged) {
        let seq = event.seq;
        self.report.events += 1;
        self.report.last = self.report.last.max(seq);
        self.body(&event);
        if seq < self.next {
            let says =
                format!("event {seq} was inserted: the log begins with 1 and goes on by one");
            return self.find(Tampering::EventInserted, seq, seq, None, says);
        }
        self.missing_until(seq);
        self.next = seq + 1;
        let Some(window) = self.windows.front() else { return self.strays.beyond(event) };
        if seq < window.from || !window.proves {
            return;
        }
        let at = usize::try_from(seq - window.from).unwrap_or(usize::MAX);
        let expected = window.leaves.get(at).cloned().unwrap_or_default();
        if expected.is_empty() {
            let says =
                format!("event {seq} was inserted: when its place was sealed there was none");
            self.find(Tampering::EventInserted, seq, seq, None, says);
        } else if leaf(&event) != expected {
            self.strays.mismatch(event, expected);
        }
    }

    fn body(&mut self, event: &Logged) {
        let seq = event.seq;
        match &event.found {
            None => {
                self.report.erased += 1;
                self.bodiless.insert(seq);
            }
            Some(found) if *found != event.body_sha256 => {
                let says =
                    format!("the body of event {seq} was changed: it is not what its digest says");
                self.find(Tampering::BodyChanged, seq, seq, None, says);
            }
            Some(_) => {
                for erased in &event.erased {
                    self.bodiless.remove(erased);
                }
            }
        }
    }

    /// Everything before `seq` that did not come is missing.
    fn missing_until(&mut self, seq: i64) {
        loop {
            let Some(window) = self.windows.front() else {
                // Not sealed yet: nothing proves what it was, but the log has no gaps.
                if self.next < seq {
                    self.gone(self.next, seq - 1);
                }
                return;
            };
            let (from, to, proves) = (window.from, window.to, window.proves);
            if self.next < from {
                let until = seq.min(from);
                if self.next < until {
                    self.gone(self.next, until - 1);
                }
                self.next = self.next.max(until);
            }
            let until = seq.min(to + 1);
            if self.next < until {
                let missing = self.next..until;
                self.next = until;
                if proves {
                    for seq in missing {
                        self.missing(seq, from);
                    }
                } else {
                    self.gone(missing.start, missing.end - 1);
                }
            }
            if seq <= to {
                return;
            }
            self.windows.pop_front();
            let fates = self.strays.settle();
            self.tell(fates);
        }
    }

    fn missing(&mut self, seq: i64, from: i64) {
        let at = usize::try_from(seq - from).unwrap_or(usize::MAX);
        let leaf = self.windows.front().and_then(|w| w.leaves.get(at)).cloned();
        match leaf.filter(|leaf| !leaf.is_empty()) {
            Some(leaf) => self.strays.missing(seq, leaf),
            // Gone before it could be sealed.
            None => self.gone(seq, seq),
        }
    }

    /// What was found out, told in as few findings as can be.
    fn tell(&mut self, fates: Vec<Fate>) {
        for fate in fates {
            match fate {
                Fate::Changed(seq) => {
                    let says = format!("event {seq} was changed: it is not what was sealed");
                    self.find(Tampering::EventChanged, seq, seq, None, says);
                }
                Fate::Inserted(seq) => {
                    let says = format!("event {seq} was inserted: it was never sealed");
                    self.find(Tampering::EventInserted, seq, seq, None, says);
                }
                Fate::Deleted(seq) => self.gone(seq, seq),
                Fate::Moved { from, to } => self.moved(from, to),
            }
        }
    }

    fn moved(&mut self, from: i64, to: i64) {
        match &mut self.last_moved {
            Some((_, last, by)) if *last + 1 == from && from + *by == to => *last = from,
            _ => {
                self.tell_moved();
                self.last_moved = Some((from, from, to - from));
            }
        }
    }

    fn tell_moved(&mut self) {
        let Some((from, to, by)) = self.last_moved.take() else { return };
        let says = if from == to {
            format!("event {from} was moved: it is found at {}", from + by)
        } else {
            format!(
                "events {from} to {to} were moved: they are found at {} to {}",
                from + by,
                to + by
            )
        };
        self.find(Tampering::EventMoved, from, to, None, says);
    }

    fn gone(&mut self, from: i64, to: i64) {
        match &mut self.deleted {
            Some((_, last)) if *last + 1 == from => *last = to,
            _ => {
                self.tell_deleted();
                self.deleted = Some((from, to));
            }
        }
    }

    fn tell_deleted(&mut self) {
        let Some((from, to)) = self.deleted.take() else { return };
        let says = match from == to {
            true => format!("event {from} was deleted"),
            false => format!("events {from} to {to} were deleted"),
        };
        self.find(Tampering::EventDeleted, from, to, None, says);
    }

    /// The log is over. `counted`: the number of the last event as the log's own counter has it. `sealed`: how far the
    /// sealer knows to have come.
    pub fn finish(mut self, counted: i64, sealed: i64) -> AuditReport {
        let known = self.report.sealed_to.max(sealed).max(counted);
        let found = self.report.last;
        self.missing_until(self.report.sealed_to.saturating_add(1));
        let fates = std::mem::take(&mut self.strays).finish();
        // Runs grow out of what is in order.
        let (mut moved, mut others): (Vec<_>, Vec<_>) =
            fates.into_iter().partition(|fate| matches!(fate, Fate::Moved { .. }));
        moved.sort_unstable();
        others.sort_unstable();
        self.tell(moved);
        self.tell(others);
        self.missing_until(known.saturating_add(1));
        self.tell_moved();
        self.tell_deleted();
        let cut = |finding: &mut Finding| {
            if finding.what == Tampering::EventDeleted
                && finding.to >= known
                && finding.from > found
            {
                finding.what = Tampering::TailCut;
                finding.says = format!(
                    "the end of the log is cut off: it goes to {found}, and there were events to {}",
                    finding.to
                );
            }
        };
        self.report.findings.iter_mut().for_each(cut);
        let last = self.before.as_ref().map_or(0, |before| before.number);
        if self.report.sealed_to < sealed {
            let from = self.report.sealed_to + 1;
            let says = format!(
                "the seals after seal {last} are gone: the sealer had come to event {sealed}"
            );
            self.find(Tampering::SealGone, from, sealed, Some(last + 1), says);
        }
        if let Some((head, _)) = self.exported.take()
            && head.number > last
        {
            let n = head.number;
            let says = format!(
                "the end of the log is cut off: the head given is of seal {n} and proves events to {}; \
                 the last seal here is {last}, of events to {}",
                head.to, self.report.sealed_to
            );
            self.find(Tampering::TailCut, self.report.sealed_to + 1, head.to, Some(n), says);
        }
        for seq in std::mem::take(&mut self.bodiless) {
            let says =
                format!("the body of event {seq} is gone, and no event tells of its erasure");
            self.find(Tampering::ErasedWithoutRecord, seq, seq, None, says);
        }
        self.report.findings.sort_by_key(|finding| (finding.from, finding.to, finding.what));
        self.report
    }

    fn find(&mut self, what: Tampering, from: i64, to: i64, seal: Option<i64>, says: String) {
        if self.report.findings.len() < LISTED {
            self.report.findings.push(Finding { what, from, to, seal, says });
        } else {
            self.report.more += 1;
        }
    }
}
