//! What came in by each route, and which deployment answered how. Only counts; what follows from it is judged elsewhere.

use crate::target::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tow_record::{RouteCounters, RoutePart};

/// So many deployments of a route are remembered, beside those that are served.
const REMEMBERED: usize = 8;
/// Bounds, and one for what took longer than all of them.
const BUCKETS: usize = RoutePart::BOUNDS.len() + 1;

/// What came in by one route, whatever tables it was in.
#[derive(Default)]
pub(crate) struct Counts {
    requests: AtomicU64,
    /// Requests that wait for a first instance.
    pub(crate) waiting: AtomicU64,
    /// Requests that wait until the route serves again.
    pub(crate) paused: AtomicU64,
    parts: Mutex<BTreeMap<i64, Arc<Part>>>,
}

impl Counts {
    /// A request came in.
    pub(crate) fn asked(&self) {
        self.requests.fetch_add(1, SeqCst);
    }

    /// What this deployment does of it. Deployments that left are remembered for a while: somebody may compare.
    pub(crate) fn part(&self, deployment: i64) -> Arc<Part> {
        let mut parts = lock(&self.parts);
        let part = parts.entry(deployment).or_default().clone();
        while parts.len() > REMEMBERED {
            let left = |(_, part): &(&i64, &Arc<Part>)| Arc::strong_count(part) == 1;
            let Some(oldest) = parts.iter().find(left).map(|(number, _)| *number) else { break };
            parts.remove(&oldest);
        }
        part
    }

    /// As it is told; none where there is nothing to tell.
    pub(crate) fn told(&self) -> Option<RouteCounters> {
        let (requests, waiting) = (self.requests.load(SeqCst), self.waiting.load(SeqCst));
        if requests == 0 && waiting == 0 {
            return None;
        }
        let parts = lock(&self.parts);
        let parts = parts.iter().map(|(number, part)| (*number, part.told()));
        let parts = parts.filter(|(_, part)| part.requests > 0).collect();
        Some(RouteCounters { requests, waiting, parts })
    }
}

/// What one deployment did of a route's requests.
#[derive(Default)]
pub(crate) struct Part {
    requests: AtomicU64,
    errors: AtomicU64,
    took: [AtomicU64; BUCKETS],
}

impl Part {
    /// It answered; the head came after this time.
    pub(crate) fn answered(&self, took: Duration, failed: bool) {
        // Errors last and read first: nobody ever sees more errors than requests.
        self.took[bucket(took)].fetch_add(1, Relaxed);
        self.requests.fetch_add(1, SeqCst);
        if failed {
            self.errors.fetch_add(1, SeqCst);
        }
    }

    /// No answer came.
    pub(crate) fn failed(&self) {
        self.requests.fetch_add(1, SeqCst);
        self.errors.fetch_add(1, SeqCst);
    }

    /// An answer that had begun well broke off.
    pub(crate) fn broke(&self) {
        self.errors.fetch_add(1, SeqCst);
    }

    fn told(&self) -> RoutePart {
        let errors = self.errors.load(SeqCst);
        let requests = self.requests.load(SeqCst);
        let mut took: Vec<u64> = self.took.iter().map(|count| count.load(Relaxed)).collect();
        while took.last() == Some(&0) {
            took.pop();
        }
        RoutePart { requests, errors, took }
    }
}

fn bucket(took: Duration) -> usize {
    let bounds = RoutePart::BOUNDS;
    bounds.partition_point(|bound| Duration::from_millis(*bound) < took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_how_long_they_took() {
        let part = Part::default();
        for (millis, failed) in [(0, false), (1, false), (2, true), (10_001, false)] {
            part.answered(Duration::from_millis(millis), failed);
        }
        part.failed();
        part.broke();
        let told = part.told();
        assert_eq!((told.requests, told.errors), (5, 3));
        assert_eq!((told.took.len(), told.took[0], told.took[1]), (BUCKETS, 2, 1));
        assert_eq!(told.took.last(), Some(&1));
    }

    #[test]
    fn the_last_deployments_are_remembered_and_the_served_ones_always() {
        let counts = Counts::default();
        counts.asked();
        let served = counts.part(1);
        served.failed();
        for number in 2..20 {
            counts.part(number).failed();
        }
        let told = counts.told().unwrap().parts;
        assert_eq!(told.len(), REMEMBERED);
        assert!(told.contains_key(&1) && told.contains_key(&19) && !told.contains_key(&2));
        drop(served);
        counts.part(20);
        assert!(!counts.told().unwrap().parts.contains_key(&1));
    }
}
