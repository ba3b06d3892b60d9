//! Connections that stopped being HTTP: bytes both ways until both ends are done, or say nothing for too long.

use crate::exchange::Exchange;
use crate::target::InFlight;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Per direction: what a WebSocket costs.
const BUFFER: usize = 4 * 1024;

/// Joins both ends. Counts as a request in flight until it is over; the exchange ends with it.
pub(crate) async fn join(
    client: OnUpgrade,
    instance: OnUpgrade,
    idle: Option<Duration>,
    in_flight: Arc<InFlight>,
    mut exchange: Box<Exchange>,
) {
    let (client, instance) = match tokio::try_join!(client, instance) {
        Ok(both) => both,
        Err(error) => {
            tracing::debug!(%error, "an upgrade did not come to be");
            return;
        }
    };
    let (into, out) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let mut client = Counted { inner: TokioIo::new(client), read: into.clone() };
    let mut instance = Counted { inner: TokioIo::new(instance), read: out.clone() };
    let copied =
        tokio::io::copy_bidirectional_with_sizes(&mut client, &mut instance, BUFFER, BUFFER);
    let moved = || into.load(Relaxed) + out.load(Relaxed);
    let copied = match idle {
        None => copied.await.map(drop),
        Some(idle) => tokio::select! {
            copied = copied => copied.map(drop),
            () = silence(idle, moved) => Err(std::io::ErrorKind::TimedOut.into()),
        },
    };
    if let Err(error) = copied {
        tracing::debug!(%error, "an upgraded connection broke");
    }
    exchange.carried(into.load(Relaxed), out.load(Relaxed));
    drop(in_flight);
}

/// Ends when nothing moved for this long.
async fn silence(idle: Duration, moved: impl Fn() -> u64) {
    // Looked at several times in that time, so that it ends soon after it and never before.
    let step = (idle / 8).max(Duration::from_millis(10));
    let (mut seen, mut since) = (moved(), Instant::now());
    loop {
        tokio::time::sleep(step).await;
        let now = moved();
        if now != seen {
            (seen, since) = (now, Instant::now());
        } else if since.elapsed() >= idle {
            return;
        }
    }
}

/// One end, which counts what is read of it.
struct Counted {
    inner: TokioIo<Upgraded>,
    read: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.read.fetch_add((buf.filled().len() - before) as u64, Relaxed);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
