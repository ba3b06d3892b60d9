//! One instance as the gateway knows it: its address, what it was asked so far, its idle connections, and whether it is
//! asked only after others for a while.
//!
//! The counting rule behind every switch without a lost request: a request counts itself in first and looks afterwards
//! whether the target was retired meanwhile. So once a table without the target is served, a count of zero is final.

use crate::multiplex::Multiplex;
use crate::pool::Pool;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tow_record::TargetCounters;

/// So many failures in a row are no accident.
const IN_A_ROW: u32 = 3;
/// How long a target that failed is asked only after the others; twice as long each further time,
const SHUN: Duration = Duration::from_secs(1);
/// up to this.
const SHUN_MOST: Duration = Duration::from_secs(30);

/// One instance at one address.
pub(crate) struct Target {
    pub(crate) instance: String,
    pub(crate) address: SocketAddr,
    pub(crate) pool: Pool,
    in_flight: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
    retired: AtomicBool,
    multiplex: Multiplex,
    health: Mutex<Health>,
    /// Is there anything in `health`? Looked at for each request.
    ailing: AtomicBool,
}

/// What speaks against a target.
#[derive(Default)]
struct Health {
    in_a_row: u32,
    /// How often it was shunned since it last answered well.
    times: u32,
    until: Option<Instant>,
}

impl Target {
    fn new(instance: &str, address: SocketAddr) -> Self {
        Self {
            instance: instance.to_string(),
            address,
            pool: Pool::default(),
            in_flight: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            multiplex: Multiplex::default(),
            health: Mutex::default(),
            ailing: AtomicBool::new(false),
        }
    }

    /// Counts a request in; `None` where the target left the table: look again at the table.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Arc<InFlight>> {
        self.in_flight.fetch_add(1, SeqCst);
        let guard = Arc::new(InFlight(self.clone()));
        // The order matters: in the one order of all SeqCst operations, whoever reads a zero after retiring this
        // target knows that every later request sees `retired` here.
        (!self.retired.load(SeqCst)).then_some(guard)
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(SeqCst)
    }

    /// A request was sent to it.
    pub(crate) fn asked(&self) {
        self.requests.fetch_add(1, SeqCst);
    }

    /// It answered with 500 or above, or not at all.
    pub(crate) fn erred(&self) {
        self.errors.fetch_add(1, SeqCst);
        self.worse(IN_A_ROW);
    }

    /// It accepted no connection just now, which is as good as several failures.
    pub(crate) fn refused(&self) {
        self.errors.fetch_add(1, SeqCst);
        self.worse(1);
    }

    /// It answered well.
    pub(crate) fn answered(&self) {
        if self.ailing.load(SeqCst) {
            *lock(&self.health) = Health::default();
            self.ailing.store(false, SeqCst);
        }
    }

    fn worse(&self, most: u32) {
        let mut health = lock(&self.health);
        health.in_a_row += 1;
        let now = Instant::now();
        // Requests that fail together are one failure in this.
        if health.in_a_row >= most && health.until.is_none_or(|until| until <= now) {
            let times = health.times.min(8);
            health.times += 1;
            health.until = Some(now + SHUN.saturating_mul(1 << times).min(SHUN_MOST));
        }
        self.ailing.store(true, SeqCst);
    }

    /// Is it to be asked only after the others?
    pub(crate) fn shunned(&self) -> bool {
        self.ailing.load(SeqCst)
            && lock(&self.health).until.is_some_and(|until| Instant::now() < until)
    }

    /// Its one connection of HTTP/2, where it speaks that.
    pub(crate) fn multiplex(&self) -> &Multiplex {
        &self.multiplex
    }

    fn retire(&self) {
        self.retired.store(true, SeqCst);
        self.pool.close();
        self.multiplex.close();
    }

    fn return_to_service(&self) {
        self.pool.open();
        self.retired.store(false, SeqCst);
    }
}

/// Held as long as a request, its answer's body or its upgraded connection lives.
pub(crate) struct InFlight(Arc<Target>);

impl InFlight {
    pub(crate) fn target(&self) -> &Arc<Target> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}

type Key = (String, SocketAddr);

/// All targets of the served table, and the ones that left it while requests were in flight.
#[derive(Default)]
pub(crate) struct Targets(Mutex<BTreeMap<Key, Arc<Target>>>);

impl Targets {
    /// The target of this instance, in service; the same one as before where it is known.
    pub(crate) fn get(&self, instance: &str, address: SocketAddr) -> Arc<Target> {
        let mut targets = lock(&self.0);
        let target = targets
            .entry((instance.to_string(), address))
            .or_insert_with(|| Arc::new(Target::new(instance, address)));
        target.return_to_service();
        target.clone()
    }

    /// Retires all that `keep` does not name. Called after the table without them is served and before that is
    /// acknowledged.
    pub(crate) fn retire_others(&self, keep: impl Fn(&Target) -> bool) {
        for target in lock(&self.0).values().filter(|target| !keep(target)) {
            target.retire();
        }
    }

    /// Closes connections that nobody used for a while, and forgets targets that left and came to rest.
    pub(crate) fn sweep(&self) {
        let mut targets = lock(&self.0);
        targets.retain(|_, target| !target.retired.load(SeqCst) || target.in_flight() > 0);
        for target in targets.values() {
            target.pool.sweep();
        }
    }

    /// By instance.
    pub(crate) fn counters(&self) -> BTreeMap<String, TargetCounters> {
        let mut all: BTreeMap<String, TargetCounters> = BTreeMap::new();
        for target in lock(&self.0).values() {
            let sum = all.entry(target.instance.clone()).or_default();
            sum.in_flight += target.in_flight();
            sum.requests += target.requests.load(SeqCst);
            sum.errors += target.errors.load(SeqCst);
        }
        all
    }
}

/// A lock whose holder panicked is taken all the same: nothing here is left half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_set_a_target_aside_and_a_good_answer_brings_it_back() {
        let target = Target::new("i", SocketAddr::from(([127, 0, 0, 1], 1)));
        target.erred();
        target.erred();
        assert!(!target.shunned());
        target.answered();
        target.erred();
        target.erred();
        assert!(!target.shunned(), "they were not in a row");
        target.erred();
        assert!(target.shunned());
        target.answered();
        assert!(!target.shunned());
        target.refused();
        assert!(target.shunned(), "no connection is enough by itself");
        assert_eq!(target.errors.load(SeqCst), 6);
    }

    #[test]
    fn each_time_takes_twice_as_long_and_failures_at_once_are_one() {
        let target = Target::new("i", SocketAddr::from(([127, 0, 0, 1], 1)));
        let mut last = Duration::ZERO;
        for expected in [1, 2, 4, 8, 16, 30, 30] {
            target.refused();
            target.refused();
            let until = lock(&target.health).until.unwrap();
            let left = until.saturating_duration_since(Instant::now());
            let expected = Duration::from_secs(expected);
            assert!(left <= expected && left > expected / 2 && left >= last / 2, "{left:?}");
            last = left;
            // As if that time was over.
            lock(&target.health).until = Some(Instant::now());
        }
    }
}
