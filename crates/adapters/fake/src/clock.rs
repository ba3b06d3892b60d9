//! A clock that stands still until somebody advances it.

use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tow_names::{Duration, Timestamp};
use tow_ports::Clock;

/// Time as a test wants it.
#[derive(Debug)]
pub struct FakeClock {
    now: watch::Sender<Timestamp>,
    sleepers: Mutex<BTreeSet<(Timestamp, u64)>>,
    next: AtomicU64,
}

impl FakeClock {
    /// Stands at 2026-01-01T00:00:00Z.
    pub fn new() -> Arc<Self> {
        Self::at(Timestamp(1_767_225_600_000_000))
    }

    /// Stands at this time.
    pub fn at(now: Timestamp) -> Arc<Self> {
        let (now, _) = watch::channel(now);
        Arc::new(Self { now, sleepers: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// Goes on by `by`, and wakes whoever's time has come.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.plus(by));
    }

    /// Goes on to `to`; never back.
    pub fn advance_to(&self, to: Timestamp) {
        self.now.send_modify(|now| *now = (*now).max(to));
    }

    /// Is set back, as by hand or by a machine that took the right time from the network.
    pub fn turn_back(&self, by: Duration) {
        self.now.send_modify(|now| *now = Timestamp(now.0 - by.micros()));
    }

    /// The next time for which somebody sleeps, later than now; none where nobody does. A test that has seen everything
    /// come to rest goes on to it.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let now = self.now();
        self.sleepers().iter().map(|(until, _)| *until).find(|until| *until > now)
    }

    /// How many sleep.
    pub fn sleeping(&self) -> usize {
        self.sleepers().len()
    }

    fn sleepers(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, u64)>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sleeper<'a>(&'a FakeClock, (Timestamp, u64));

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.0.sleepers().remove(&self.1);
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let me = (until, self.next.fetch_add(1, Ordering::Relaxed));
        self.sleepers().insert(me);
        let _asleep = Sleeper(self, me);
        // The sender lives as long as the clock, which is borrowed here.
        let _ = self.now.subscribe().wait_for(|now| *now >= until).await;
    }
}
