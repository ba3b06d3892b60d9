//! The one connection of HTTP/2 to an instance that speaks it: shared by all requests, opened at need, and again after
//! the instance took its leave.

use crate::body::Upload;
use crate::target::lock;
use hyper::client::conn::http2::SendRequest;
use std::future::Future;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

/// The sending half; its clones share the connection.
pub(crate) type Shared = SendRequest<Upload>;

/// See the top of this file.
#[derive(Default)]
pub(crate) struct Multiplex {
    shared: Mutex<Option<Shared>>,
    /// Held while one is opened: who comes meanwhile waits for that one.
    opening: tokio::sync::Mutex<()>,
}

impl Multiplex {
    /// The connection, and whether it was opened just now. Where none is to be had, nobody waits for longer than
    /// `within`, however many others wait too.
    pub(crate) async fn get(
        &self,
        open: impl Future<Output = io::Result<Shared>>,
        within: Duration,
    ) -> io::Result<(Shared, bool)> {
        if let Some(shared) = self.open() {
            return Ok((shared, false));
        }
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("none within {within:?}"));
        tokio::time::timeout(within, self.get_slowly(open)).await.map_err(|_| late())?
    }

    async fn get_slowly(
        &self,
        open: impl Future<Output = io::Result<Shared>>,
    ) -> io::Result<(Shared, bool)> {
        let _opening = self.opening.lock().await;
        if let Some(shared) = self.open() {
            return Ok((shared, false));
        }
        let shared = open.await?;
        *lock(&self.shared) = Some(shared.clone());
        Ok((shared, true))
    }

    fn open(&self) -> Option<Shared> {
        lock(&self.shared).as_ref().filter(|shared| !shared.is_closed()).cloned()
    }

    /// Lets go of it. What is under way on it goes on.
    pub(crate) fn close(&self) {
        let shared = lock(&self.shared).take();
        drop(shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test]
    async fn who_waits_for_others_waits_no_longer_than_they() {
        const WITHIN: Duration = Duration::from_millis(200);
        let multiplex = Multiplex::default();
        let began = Instant::now();
        let all = (0..50).map(|_| multiplex.get(std::future::pending(), WITHIN));
        for one in futures::future::join_all(all).await {
            assert_eq!(one.err().map(|error| error.kind()), Some(io::ErrorKind::TimedOut));
        }
        // One after the other they would take ten seconds.
        assert!(began.elapsed() < WITHIN * 25, "{:?}", began.elapsed());
    }
}
