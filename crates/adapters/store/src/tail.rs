//! The end of the log, read once for everybody who follows it: one task reads what is new into a ring, and a follower
//! takes it from there. Who is further behind than the ring reaches reads from the database until it has caught up.
//! Nobody follows: nothing is read.

use crate::open::Inner;
use crate::{Store, StoreError};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tow_record::Event;

/// Events in the ring.
const KEPT: usize = 512;
/// Events in one answer, and in one page of the database.
const PAGE: u32 = 200;
/// Without any wake the log is looked at all the same.
const LOOK: std::time::Duration = std::time::Duration::from_secs(5);
/// After a read that failed.
const BREATH: std::time::Duration = std::time::Duration::from_secs(1);

/// What is shared by all followers of one store.
#[derive(Default)]
pub(crate) struct Tails(Mutex<Weak<Follow>>);

impl Tails {
    /// Something in the log was changed: what was kept of it is not good any more.
    pub(crate) fn forget(&self) {
        let follow = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(follow) = follow {
            let mut ring = follow.ring();
            ring.first = ring.end();
            ring.events.clear();
            ring.forgotten += 1;
        }
    }
}

struct Follow {
    ring: Mutex<Ring>,
    /// The place of the last event in the ring.
    moved: watch::Sender<i64>,
    task: Mutex<Option<AbortHandle>>,
}

/// Events without gaps: `first` is the place of the one in front.
struct Ring {
    first: i64,
    events: VecDeque<Arc<Event>>,
    forgotten: u64,
}

impl Ring {
    /// The place of the next one to come.
    fn end(&self) -> i64 {
        self.first + i64::try_from(self.events.len()).unwrap_or(i64::MAX)
    }

    fn push(&mut self, event: Event) {
        if event.seq != self.end() {
            self.events.clear();
            self.first = event.seq;
        }
        self.events.push_back(Arc::new(event));
        if self.events.len() > KEPT {
            self.events.pop_front();
            self.first += 1;
        }
    }

    /// Those after this place, at most a page. `Err`: they are not here any more; the place of the first that is.
    fn after(&self, seq: i64) -> Result<Vec<Arc<Event>>, i64> {
        let skip = usize::try_from(seq.saturating_add(1).saturating_sub(self.first))
            .map_err(|_| self.first)?;
        Ok(self.events.iter().skip(skip).take(PAGE as usize).cloned().collect())
    }
}

impl Follow {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task {
            task.abort();
        }
    }
}

/// Follows the log from a place on.
pub struct Tail {
    store: Store,
    follow: Arc<Follow>,
    moved: watch::Receiver<i64>,
    after: i64,
    subject: Option<String>,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail").field("after", &self.after).finish_non_exhaustive()
    }
}

impl Store {
    /// Follows the log: every event after this place, as they come. `subject` as in [`Store::events`].
    pub async fn tail(&self, after: i64, subject: Option<String>) -> Result<Tail, StoreError> {
        let head = self.head().await?;
        let follow = {
            let tails = &self.inner.wakes.tails.0;
            let mut kept = tails.lock().unwrap_or_else(PoisonError::into_inner);
            kept.upgrade().unwrap_or_else(|| {
                let ring = Ring { first: head + 1, events: VecDeque::new(), forgotten: 0 };
                let follow = Arc::new(Follow {
                    ring: Mutex::new(ring),
                    moved: watch::Sender::new(head),
                    task: Mutex::default(),
                });
                let task = tokio::spawn(read(Arc::downgrade(&self.inner), Arc::downgrade(&follow)));
                *follow.task.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(task.abort_handle());
                *kept = Arc::downgrade(&follow);
                follow
            })
        };
        let moved = follow.moved.subscribe();
        Ok(Tail { store: self.clone(), follow, moved, after, subject })
    }
}

/// Reads what is new into the ring until nobody follows any more.
async fn read(store: Weak<Inner>, follow: Weak<Follow>) {
    let Some(inner) = store.upgrade() else { return };
    let mut wake = Store { inner }.wake(|wrote| wrote.events);
    loop {
        wake.mark_unchanged();
        let (Some(inner), Some(kept)) = (store.upgrade(), follow.upgrade()) else { return };
        let (after, forgotten) = {
            let ring = kept.ring();
            (ring.end() - 1, ring.forgotten)
        };
        let wait = match (Store { inner }).events(Some(after), PAGE, None).await {
            Ok(page) if page.is_empty() => LOOK,
            Ok(page) => {
                let mut ring = kept.ring();
                // Forgotten meanwhile: read again.
                if ring.forgotten == forgotten {
                    page.into_iter().for_each(|event| ring.push(event));
                    let last = ring.end() - 1;
                    drop(ring);
                    kept.moved.send_replace(last);
                }
                continue;
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "following the log");
                BREATH
            }
        };
        drop(kept);
        let _ = tokio::time::timeout(wait, wake.changed()).await;
    }
}

impl Tail {
    /// The place of the last event that was handed out or passed over.
    pub const fn after(&self) -> i64 {
        self.after
    }

    /// The next events, at least one; waits for them.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, StoreError> {
        loop {
            self.moved.borrow_and_update();
            let kept = self.follow.ring().after(self.after);
            let found = match kept {
                Ok(events) if events.is_empty() => {
                    if self.moved.changed().await.is_err() {
                        return Err(StoreError::Closed);
                    }
                    continue;
                }
                Ok(events) => {
                    self.after = events.last().map_or(self.after, |event| event.seq);
                    let subject = self.subject.as_deref();
                    events.into_iter().filter(|event| is_of(&event.subject, subject)).collect()
                }
                Err(first) => self.catch_up(first).await?,
            };
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }

    /// From the database, up to where the ring begins.
    async fn catch_up(&mut self, first: i64) -> Result<Vec<Arc<Event>>, StoreError> {
        let page = self.store.events(Some(self.after), PAGE, self.subject.as_deref()).await?;
        let last = page.last().map_or(self.after, |event| event.seq);
        // A page that is not full was all there is before the ring.
        let whole = page.len() == PAGE as usize;
        self.after = if whole { last } else { last.max(first - 1) };
        Ok(page.into_iter().map(Arc::new).collect())
    }
}

/// As the statements on events have it: exactly, and of a component its places too.
fn is_of(found: &str, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else { return true };
    found.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_names::Timestamp;

    fn event(seq: i64) -> Event {
        Event {
            seq,
            at: Timestamp(0),
            actor: String::new(),
            request: String::new(),
            kind: String::new(),
            subject: String::new(),
            body_sha256: String::new(),
            body: None,
        }
    }

    #[test]
    fn a_ring_keeps_the_last_ones_and_knows_what_it_lost() {
        let mut ring = Ring { first: 11, events: VecDeque::new(), forgotten: 0 };
        assert!(ring.after(10).unwrap().is_empty());
        assert_eq!(ring.after(9).unwrap_err(), 11);
        (11..=20).for_each(|seq| ring.push(event(seq)));
        let seqs = |found: Vec<Arc<Event>>| found.iter().map(|e| e.seq).collect::<Vec<_>>();
        assert_eq!(seqs(ring.after(17).unwrap()), [18, 19, 20]);
        assert!(ring.after(20).unwrap().is_empty() && ring.after(99).unwrap().is_empty());
        let kept = i64::try_from(KEPT).unwrap();
        (21..=20 + kept).for_each(|seq| ring.push(event(seq)));
        assert_eq!(ring.after(19).unwrap_err(), 21);
        assert_eq!(seqs(ring.after(20).unwrap()).len(), PAGE as usize, "a page at a time");
        ring.push(event(5_000));
        assert_eq!((ring.first, ring.events.len()), (5_000, 1), "never with a gap");
    }
}
