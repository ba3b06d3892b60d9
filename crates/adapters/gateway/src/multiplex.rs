//! The one connection of HTTP/2 to an instance that speaks it: shared by all requests, opened at need, and again after
//! the instance took its leave.

use crate::body::Upload;
use crate::target::lock;
use hyper::client::conn::http2::SendRequest;
use std::future::Future;
use std::sync::Mutex;

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
    /// The connection, and whether it was opened just now.
    pub(crate) async fn get<E>(
        &self,
        open: impl Future<Output = Result<Shared, E>>,
    ) -> Result<(Shared, bool), E> {
        if let Some(shared) = self.open() {
            return Ok((shared, false));
        }
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
