//! Requests that wait for a first instance, and what came in by each route. Who waits is told to whoever listens; that
//! somebody is started for them is not decided here.

use crate::target::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tow_record::RouteCounters;

/// So many requests may wait at one route.
pub(crate) const AT_ONE: u64 = 1_000;
/// So many may wait in all: each keeps its connection.
const IN_ALL: u64 = 4_000;

/// What came in by one route, whatever tables it was in.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    requests: AtomicU64,
    waiting: AtomicU64,
}

impl Counts {
    /// A request came in.
    pub(crate) fn asked(&self) {
        self.requests.fetch_add(1, SeqCst);
    }
}

/// A request that waits; counted until dropped.
pub(crate) struct Waits {
    counts: Arc<Counts>,
    all: Arc<AtomicU64>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.counts.waiting.fetch_sub(1, SeqCst);
        self.all.fetch_sub(1, SeqCst);
    }
}

/// All routes, by id.
pub(crate) struct Routes {
    known: Mutex<BTreeMap<String, Arc<Counts>>>,
    waiting: Arc<AtomicU64>,
    /// How often a first request began to wait at some route.
    calls: watch::Sender<u64>,
}

impl Default for Routes {
    fn default() -> Self {
        Self { known: Mutex::default(), waiting: Arc::default(), calls: watch::Sender::new(0) }
    }
}

impl Routes {
    /// What came in by this route so far.
    pub(crate) fn get(&self, route: &str) -> Arc<Counts> {
        lock(&self.known).entry(route.to_string()).or_default().clone()
    }

    /// Forgets all that `served` does not name.
    pub(crate) fn keep(&self, served: impl Fn(&str) -> bool) {
        lock(&self.known).retain(|id, _| served(id));
    }

    /// Counts a request in among those that wait; none where as many wait as may.
    pub(crate) fn wait(&self, counts: &Arc<Counts>) -> Option<Waits> {
        let here = counts.waiting.fetch_add(1, SeqCst);
        let all = self.waiting.fetch_add(1, SeqCst);
        let waits = Waits { counts: counts.clone(), all: self.waiting.clone() };
        if here >= AT_ONE || all >= IN_ALL {
            return None;
        }
        if here == 0 {
            self.calls.send_modify(|calls| *calls += 1);
        }
        Some(waits)
    }

    /// By route id; of which nothing can be said are not among them, which keeps a look at many routes short.
    pub(crate) fn counters(&self) -> BTreeMap<String, RouteCounters> {
        let known = lock(&self.known);
        let counters = known.iter().map(|(id, counts)| {
            let requests = counts.requests.load(SeqCst);
            let waiting = counts.waiting.load(SeqCst);
            (id.clone(), RouteCounters { requests, waiting, parts: BTreeMap::new() })
        });
        counters.filter(|(_, counters)| *counters != RouteCounters::default()).collect()
    }

    /// Tells of each call.
    pub(crate) fn calls(&self) -> watch::Receiver<u64> {
        self.calls.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_waits_calls_and_too_many_are_refused() {
        let routes = Routes::default();
        let calls = || *routes.calls().borrow();
        let (one, other) = (routes.get("one"), routes.get("other"));
        let waits: Vec<_> = (0..AT_ONE).filter_map(|_| routes.wait(&one)).collect();
        assert_eq!((waits.len() as u64, calls()), (AT_ONE, 1));
        assert!(routes.wait(&one).is_none(), "one too many");
        let more = routes.wait(&other).unwrap();
        assert_eq!((calls(), routes.counters()["one"].waiting), (2, AT_ONE));
        drop((waits, more));
        assert!(routes.counters().is_empty());
        assert!(routes.wait(&one).is_some() && calls() == 3);
        one.asked();
        routes.keep(|id| id == "one");
        assert_eq!(routes.counters().len(), 1);
        assert_eq!(routes.get("one").requests.load(SeqCst), 1, "kept over tables");
    }
}
