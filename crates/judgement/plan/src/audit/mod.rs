//! How the log of events is proved: what a seal is computed from, the next seal, and whether a log still fits its seals.
//! Here and not in `policy`, because it asks what is, and not who may. Signs nothing and checks no signature: whoever
//! asks brings that answer.

mod strays;
mod verify;

pub use verify::{Signed, Verifier};

use tow_names::{Duration, Hasher, Timestamp};
use tow_record::{Logged, Seal, Signature};

/// A seal covers at most so many events.
pub const FULL: i64 = 1_000;
/// So long an event waits at most for others to be sealed with.
pub const DELAY: Duration = Duration::from_secs(2);

/// When the events after the last seal are to be sealed: now, or at the time given. `first` is when the first of them
/// happened; none where it is gone.
pub fn due(waiting: i64, first: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let first = first.filter(|_| waiting < FULL)?;
    let at = first.plus(DELAY);
    // An event from the future tells that the clock went back: it would wait for too long.
    (first <= now && now < at).then_some(at)
}

/// The digest of what an event says, without its body but with the digest of it. Part of what is stored.
pub fn leaf(event: &Logged) -> String {
    leaf_at(event, event.seq)
}

/// As if it stood at another place.
fn leaf_at(event: &Logged, seq: i64) -> String {
    let mut hasher = Hasher::default();
    hasher.update(b"towpath leaf 1");
    hasher.update(&seq.to_be_bytes());
    hasher.update(&event.at.to_be_bytes());
    let texts = [&event.actor, &event.request, &event.kind, &event.subject, &event.body_sha256];
    for text in texts {
        piece(&mut hasher, text);
    }
    hasher.finish().hex().to_string()
}

/// Over the root before and all leaves, in order. Part of what is stored.
pub fn root(previous: &str, leaves: &[String]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(b"towpath root 1");
    piece(&mut hasher, previous);
    for leaf in leaves {
        piece(&mut hasher, leaf);
    }
    hasher.finish().hex().to_string()
}

/// With its length before it, so that no two lists of texts are the same bytes.
fn piece(hasher: &mut Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_be_bytes());
    hasher.update(text.as_bytes());
}

/// From which event on the next seal begins: after the last seal, and never again what the sealer knows to be sealed.
/// Where the last seal was taken away, the gap that this leaves is what tells of it.
pub fn next_from(last: Option<&Seal>, sealed: i64) -> i64 {
    last.map_or(0, |seal| seal.to).max(sealed) + 1
}

/// The next seal over `from..=to`, to be signed. `events` are those of them that are there, in order.
pub fn seal(last: Option<&Seal>, from: i64, to: i64, events: &[Logged], now: Timestamp) -> Seal {
    let mut events = events.iter().peekable();
    let leaves: Vec<String> = (from..=to)
        .map(|seq| events.next_if(|event| event.seq == seq).map(leaf).unwrap_or_default())
        .collect();
    let previous = last.map(|seal| seal.root.clone()).unwrap_or_default();
    Seal {
        number: last.map_or(0, |seal| seal.number) + 1,
        from,
        to,
        root: root(&previous, &leaves),
        previous,
        leaves,
        at: now,
        signature: Signature { key: String::new(), signature: String::new() },
    }
}
