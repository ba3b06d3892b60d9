//! Requests that wait: for a first instance of what sleeps, or until a route that is paused serves again. Who waits for
//! an instance is told to whoever listens; that somebody is started for them is not decided here.

use crate::counts::Counts;
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

/// A request that waits; counted until dropped.
pub(crate) struct Waits {
    here: Arc<Counts>,
    paused: bool,
    all: Arc<AtomicU64>,
}

impl Waits {
    /// Does it wait at this route, for this?
    pub(crate) fn is_for(&self, counts: &Arc<Counts>, paused: bool) -> bool {
        self.paused == paused && Arc::ptr_eq(&self.here, counts)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        counter(&self.here, self.paused).fetch_sub(1, SeqCst);
        self.all.fetch_sub(1, SeqCst);
    }
}

fn counter(counts: &Counts, paused: bool) -> &AtomicU64 {
    if paused { &counts.paused } else { &counts.waiting }
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
        let mut known = lock(&self.known);
        if let Some(counts) = known.get(route) {
            return counts.clone();
        }
        known.entry(route.to_string()).or_default().clone()
    }

    /// Forgets all that `served` does not name.
    pub(crate) fn keep(&self, served: impl Fn(&str) -> bool) {
        lock(&self.known).retain(|id, _| served(id));
    }

    /// Counts a request in among those that wait; none where as many wait as may. `paused`: until the route serves
    /// again, which calls nobody.
    pub(crate) fn wait(&self, counts: &Arc<Counts>, paused: bool) -> Option<Waits> {
        let here = counter(counts, paused).fetch_add(1, SeqCst);
        let all = self.waiting.fetch_add(1, SeqCst);
        let waits = Waits { here: counts.clone(), paused, all: self.waiting.clone() };
        if here >= AT_ONE || all >= IN_ALL {
            return None;
        }
        if here == 0 && !paused {
            self.calls.send_modify(|calls| *calls += 1);
        }
        Some(waits)
    }

    /// How many wait in all.
    pub(crate) fn held(&self) -> u64 {
        self.waiting.load(SeqCst)
    }

    /// By route id; of which nothing can be said are not among them, which keeps a look at many routes short.
    pub(crate) fn counters(&self) -> BTreeMap<String, RouteCounters> {
        let known = lock(&self.known);
        let counters = known.iter().filter_map(|(id, counts)| Some((id.clone(), counts.told()?)));
        counters.collect()
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
        let waits: Vec<_> = (0..AT_ONE).filter_map(|_| routes.wait(&one, false)).collect();
        assert_eq!((waits.len() as u64, calls()), (AT_ONE, 1));
        assert!(routes.wait(&one, false).is_none(), "one too many");
        let more = routes.wait(&other, false).unwrap();
        assert_eq!((calls(), routes.counters()["one"].waiting), (2, AT_ONE));
        drop((waits, more));
        assert!(routes.counters().is_empty());
        assert!(routes.wait(&one, false).is_some() && calls() == 3);
        one.asked();
        routes.keep(|id| id == "one");
        assert_eq!(routes.counters().len(), 1);
        assert_eq!(routes.counters()["one"].requests, 1, "kept over tables");
        // Who waits at a route that is paused calls nobody, and is told of to nobody.
        let paused = routes.wait(&one, true).unwrap();
        assert_eq!((calls(), routes.counters()["one"].waiting), (3, 0));
        drop(paused);
    }
}
