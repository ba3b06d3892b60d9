//! Idle connections to one target. Nothing is shared between targets, so that a target that leaves the table takes its
//! connections with it at once.

use crate::body::Upload;
use crate::target::lock;
use hyper::client::conn::http1::SendRequest;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// How many connections are kept for later.
const MOST: usize = 64;
/// How long one is kept. Common servers close idle connections after 5 s (node) to 75 s (nginx).
const KEPT: Duration = Duration::from_secs(30);

/// The sending half of a connection to an instance.
pub(crate) type Sender = SendRequest<Upload>;

pub(crate) struct Pool(Mutex<Idle>);

struct Idle {
    open: bool,
    list: Vec<(Instant, Sender)>,
}

impl Default for Pool {
    fn default() -> Self {
        Self(Mutex::new(Idle { open: true, list: Vec::new() }))
    }
}

impl Pool {
    /// The connection that was used last, if that is no longer ago than `max_age`.
    pub(crate) fn take(&self, max_age: Duration) -> Option<Sender> {
        let mut idle = lock(&self.0);
        while let Some((since, sender)) = idle.list.pop() {
            if sender.is_closed() || !sender.is_ready() {
                continue;
            }
            if since.elapsed() > max_age {
                idle.list.push((since, sender));
                return None;
            }
            return Some(sender);
        }
        None
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(crate) fn put(&self, sender: Sender) {
        let mut idle = lock(&self.0);
        if idle.open && idle.list.len() < MOST && !sender.is_closed() {
            idle.list.push((Instant::now(), sender));
        }
    }

    /// Drops all and keeps none from here on.
    pub(crate) fn close(&self) {
        let dropped = {
            let mut idle = lock(&self.0);
            idle.open = false;
            std::mem::take(&mut idle.list)
        };
        drop(dropped);
    }

    /// Keeps connections again.
    pub(crate) fn open(&self) {
        lock(&self.0).open = true;
    }

    /// Drops those that are closed or were idle for long.
    pub(crate) fn sweep(&self) {
        lock(&self.0).list.retain(|(since, sender)| !sender.is_closed() && since.elapsed() < KEPT);
    }
}
