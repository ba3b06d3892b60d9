//! One instance as the gateway knows it: its address, what it was asked so far, and its idle connections.
//!
//! The counting rule behind every switch without a lost request: a request counts itself in first and looks afterwards
//! whether the target was retired meanwhile. So once a table without the target is served, a count of zero is final.

use crate::pool::Pool;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tow_record::TargetCounters;

/// How long a target that refused a connection is asked only after the others.
const SHUN: Duration = Duration::from_secs(1);

/// One instance at one address.
pub(crate) struct Target {
    pub(crate) instance: String,
    pub(crate) address: SocketAddr,
    pub(crate) pool: Pool,
    in_flight: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
    retired: AtomicBool,
    refused_at: Mutex<Option<Instant>>,
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
            refused_at: Mutex::new(None),
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
    }

    /// It accepted no connection just now.
    pub(crate) fn refused(&self) {
        *lock(&self.refused_at) = Some(Instant::now());
    }

    /// It accepted a connection.
    pub(crate) fn accepted(&self) {
        *lock(&self.refused_at) = None;
    }

    /// Did it refuse a connection a moment ago?
    pub(crate) fn shunned(&self) -> bool {
        lock(&self.refused_at).is_some_and(|at| at.elapsed() < SHUN)
    }

    fn retire(&self) {
        self.retired.store(true, SeqCst);
        self.pool.close();
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
