//! Who waits for writes is woken by them: told what was written, here and, through Postgres, by other servers. A wake is
//! a hint: whoever waits also looks by timer. Revisions are more than that: a value that was made of the store after a
//! revision was read is good for as long as the revision stays.

use crate::db::Heard;
use crate::open::Inner;
use crate::tail::Tails;
use crate::{Batch, Store};
use std::collections::BTreeSet;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{broadcast, watch};

/// So many writes may pass while a waiter does something else; beyond that it is told that anything may have happened.
const KEPT: usize = 256;
/// Until a server that is gone is tried again.
const BREATH: std::time::Duration = std::time::Duration::from_secs(1);
/// Of these records and objects it is made who may do what.
const ACCESS_RECORDS: [&str; 2] = ["token", "credential"];
const ACCESS_OBJECTS: [&str; 4] = ["user", "group", "serviceaccount", "rolebinding"];

/// What one commit wrote, or, after the server was out of reach, what may have been written meanwhile: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wrote {
    /// Declared objects.
    pub objects: bool,
    /// Something that decides who may do what.
    pub access: bool,
    /// Events.
    pub events: bool,
    /// Records of these kinds; see [`Wrote::record`].
    pub kinds: BTreeSet<String>,
    /// Declared objects of these kinds; see [`Wrote::object`].
    pub declared: BTreeSet<String>,
    /// What was in the log was changed: the body of an event was taken away.
    pub erased: bool,
    /// Nobody knows what: take it for everything.
    pub anything: bool,
}

impl Wrote {
    pub(crate) fn by(batch: &Batch) -> Self {
        let kinds: BTreeSet<String> = batch.records.iter().map(|w| w.kind.clone()).collect();
        let record = ACCESS_RECORDS.iter().any(|kind| kinds.contains(*kind));
        let declared: BTreeSet<String> =
            batch.objects.iter().map(|w| w.entity.kind().to_string()).collect();
        let object = ACCESS_OBJECTS.iter().any(|kind| declared.contains(*kind));
        Self {
            objects: !batch.objects.is_empty(),
            access: record || object,
            events: !batch.events.is_empty(),
            kinds,
            declared,
            erased: !batch.erased.is_empty(),
            anything: false,
        }
    }

    /// Anything at all.
    pub(crate) fn anything() -> Self {
        Self {
            objects: true,
            access: true,
            events: true,
            erased: true,
            kinds: BTreeSet::new(),
            declared: BTreeSet::new(),
            anything: true,
        }
    }

    /// Records of this kind were written, or may have been.
    pub fn record(&self, kind: &str) -> bool {
        self.anything || self.kinds.contains(kind)
    }

    /// Objects of this kind, in lower case, were written, or may have been.
    pub fn object(&self, kind: &str) -> bool {
        self.anything || self.declared.contains(kind)
    }

    /// For the other servers: who wrote, and what.
    pub(crate) fn encode(&self, from: &str) -> String {
        let list = |names: &BTreeSet<String>| {
            names.iter().map(String::as_str).collect::<Vec<&str>>().join(",")
        };
        let bit = |set: bool| if set { '1' } else { '0' };
        let (objects, access) = (bit(self.objects), bit(self.access));
        let (events, erased) = (bit(self.events), bit(self.erased));
        let (kinds, declared) = (list(&self.kinds), list(&self.declared));
        format!("{from} {objects}{access}{events}{erased} {kinds} {declared}")
    }

    /// What another server wrote; none where it was `own`. What can't be read may be anything.
    fn decode(text: &str, own: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (from, bits, kinds, declared) =
            (parts.next(), parts.next(), parts.next(), parts.next());
        if from == Some(own) {
            return None;
        }
        let (Some(&[objects, access, events, erased]), Some(kinds), Some(declared)) =
            (bits.map(str::as_bytes), kinds, declared)
        else {
            return Some(Self::anything());
        };
        let set = |names: &str| {
            names.split(',').filter(|name| !name.is_empty()).map(String::from).collect()
        };
        Some(Self {
            objects: objects == b'1',
            access: access == b'1',
            events: events == b'1',
            erased: erased == b'1',
            kinds: set(kinds),
            declared: set(declared),
            anything: false,
        })
    }
}

/// What a revision counts the writes of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Declared objects.
    Catalog,
    /// What decides who may do what: tokens, credentials, users, groups, service accounts, role bindings.
    Access,
}

pub(crate) struct Wakes {
    commits: watch::Sender<u64>,
    wrote: broadcast::Sender<Wrote>,
    catalog: AtomicU64,
    access: AtomicU64,
    /// Other servers' writes are not heard of now.
    deaf: AtomicBool,
    pub(crate) tails: Tails,
}

impl Wakes {
    pub(crate) fn new() -> Self {
        Self {
            commits: watch::Sender::new(0),
            wrote: broadcast::Sender::new(KEPT),
            catalog: AtomicU64::new(1),
            access: AtomicU64::new(1),
            deaf: AtomicBool::new(false),
            tails: Tails::default(),
        }
    }

    pub(crate) fn tell(&self, wrote: Wrote) {
        if wrote.objects {
            self.catalog.fetch_add(1, Ordering::SeqCst);
        }
        if wrote.access {
            self.access.fetch_add(1, Ordering::SeqCst);
        }
        if wrote.erased {
            self.tails.forget();
        }
        let _ = self.wrote.send(wrote);
        self.commits.send_modify(|count| *count += 1);
    }
}

/// Waits for writes that one consumer wants to know of.
pub struct Wake {
    receiver: broadcast::Receiver<Wrote>,
    wants: Box<dyn Fn(&Wrote) -> bool + Send + Sync>,
}

impl Wake {
    /// Returns when something was written that is wanted, at once where it was written since the last call. Pending for
    /// ever once the store is gone.
    pub async fn changed(&mut self) {
        loop {
            match self.receiver.recv().await {
                Ok(wrote) if wrote.anything || (self.wants)(&wrote) => return,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// What was written until now is known.
    pub fn mark_unchanged(&mut self) {
        self.receiver = self.receiver.resubscribe();
    }
}

impl std::fmt::Debug for Wake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wake").finish_non_exhaustive()
    }
}

impl Store {
    /// Grows with every commit, whatever it wrote: the wake. A hint; whoever waits also looks by timer.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.wakes.commits.subscribe()
    }

    /// Woken by those commits alone that wrote what is wanted.
    pub fn wake(&self, wants: impl Fn(&Wrote) -> bool + Send + Sync + 'static) -> Wake {
        Wake { receiver: self.inner.wakes.wrote.subscribe(), wants: Box::new(wants) }
    }

    /// Grows before the commit that wrote something of the topic returns, and at once when another server's commit is
    /// heard of. Read it first, then the store: what is made of both holds while the revision stays the same. While
    /// other servers can't be heard, it is another one each time.
    pub fn revision(&self, topic: Topic) -> u64 {
        let wakes = &self.inner.wakes;
        let count = match topic {
            Topic::Catalog => &wakes.catalog,
            Topic::Access => &wakes.access,
        };
        if wakes.deaf.load(Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst) + 1
        } else {
            count.load(Ordering::SeqCst)
        }
    }
}

/// Listens to other servers until the store is dropped. A connection that broke is made again.
pub(crate) async fn listen(store: Weak<Inner>, first: Heard) {
    let mut heard = Some(first);
    loop {
        if let Some(heard) = heard.take() {
            follow(&store, heard).await;
        }
        let Some(inner) = store.upgrade() else { return };
        if !inner.wakes.deaf.swap(true, Ordering::SeqCst) {
            tracing::warn!("other servers' writes are not heard of: the connection is made again");
        }
        match inner.db.listen().await {
            Some(Ok(again)) => {
                inner.wakes.deaf.store(false, Ordering::SeqCst);
                // What was written while nobody listened.
                inner.wakes.tell(Wrote::anything());
                heard = Some(again);
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "listening to other servers");
                drop(inner);
                tokio::time::sleep(BREATH).await;
            }
            None => return,
        }
    }
}

async fn follow(store: &Weak<Inner>, mut heard: Heard) {
    while let Ok(Some(text)) = heard.next().await {
        let Some(inner) = store.upgrade() else { return };
        if let Some(wrote) = Wrote::decode(&text, &inner.name) {
            inner.wakes.tell(wrote);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_told_to_others_and_not_to_oneself() {
        let wrote = Wrote {
            objects: true,
            events: true,
            kinds: ["plan".to_string(), "token".to_string()].into(),
            declared: ["group".to_string()].into(),
            ..Wrote::default()
        };
        let text = wrote.encode("a");
        assert_eq!(Wrote::decode(&text, "b"), Some(wrote));
        assert_eq!(Wrote::decode(&text, "a"), None);
        let nothing = Wrote::default();
        assert_eq!(Wrote::decode(&nothing.encode("a"), "b"), Some(nothing));
        // From a server of another version.
        for odd in ["c 11", "c 1111 plan"] {
            let odd = Wrote::decode(odd, "b").unwrap();
            assert!(odd.objects && odd.access && odd.record("plan") && odd.object("group"));
        }
    }
}
