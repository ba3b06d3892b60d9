//! How long a client may take: a connection as HTTP/1.1 reads and writes it, with a deadline for each head as a whole (drop
//! by drop is as slow as not at all), and one for taking more of an answer.

use crate::door::HEAD;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

const LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long a client that was answered before all of its body was read may go on sending.
const LINGER: Duration = Duration::from_secs(2);

/// Nothing was read of the next request.
const IDLE: u8 = 0;
/// A part of its head was.
const HEADING: u8 = 1;
/// It is answered.
const SERVING: u8 = 2;
/// Its head took too long.
const OVER: u8 = 3;
/// It is no longer HTTP: how long it may stand still is said by its route.
const OTHER: u8 = 4;

/// Where a connection is; shared by the connection and whoever answers.
#[derive(Clone, Default)]
pub(crate) struct Pace(Arc<At>);

#[derive(Default)]
struct At {
    state: AtomicU8,
    unread: AtomicBool,
}

impl Pace {
    /// A head is complete.
    pub(crate) fn serving(&self) {
        self.0.state.store(SERVING, SeqCst);
        self.0.unread.store(false, SeqCst);
    }

    /// Until the answer is over; then the next head may come. `unread`: not all of the request's body was read.
    pub(crate) fn answering(&self, unread: bool) -> Answering {
        self.0.unread.store(unread, SeqCst);
        Answering(self.clone())
    }

    /// From here on the connection carries another protocol.
    pub(crate) fn other(&self) {
        self.0.state.store(OTHER, SeqCst);
    }

    /// A head took too long.
    pub(crate) fn is_over(&self) -> bool {
        self.0.state.load(SeqCst) == OVER
    }
}

/// Held as long as an answer is under way.
pub(crate) struct Answering(Pace);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.state.store(IDLE, SeqCst);
    }
}

/// A connection that ends where a head takes too long.
pub(crate) struct Paced<S> {
    inner: S,
    pace: Pace,
    /// When the head that is being read is late.
    until: Option<Instant>,
    /// What `sleep` was last set to.
    set: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// How long a client may take nothing of what is there for it.
    stuck: Duration,
    /// Counts while it does.
    taking: Option<Pin<Box<Sleep>>>,
    /// Our half is closed.
    closed: bool,
}

impl<S> Paced<S> {
    pub(crate) fn new(inner: S, pace: Pace, stuck: Duration) -> Self {
        Self {
            inner,
            pace,
            until: None,
            set: None,
            sleep: None,
            stuck,
            taking: None,
            closed: false,
        }
    }

    /// What came of handing bytes to the client; an error where it took none for too long.
    fn taken(
        &mut self,
        cx: &mut Context<'_>,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if wrote.is_ready() || self.pace.0.state.load(SeqCst) == OTHER {
            self.taking = None;
            return wrote;
        }
        let stuck = self.stuck;
        let taking = self.taking.get_or_insert_with(|| Box::pin(tokio::time::sleep(stuck)));
        ready!(taking.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buf);
        if buf.filled().len() > before
            && this.pace.0.state.compare_exchange(IDLE, HEADING, SeqCst, SeqCst).is_ok()
        {
            this.until = Some(Instant::now() + HEAD);
        }
        if this.pace.0.state.load(SeqCst) == HEADING
            && let Some(until) = this.until
        {
            // Most heads come in one piece: nothing is set up to wake us before one does not.
            let late = if read.is_pending() {
                let set = this.set.replace(until);
                let sleep = match &mut this.sleep {
                    Some(sleep) => {
                        if set != Some(until) {
                            sleep.as_mut().reset(until);
                        }
                        sleep
                    }
                    None => this.sleep.insert(Box::pin(tokio::time::sleep_until(until))),
                };
                sleep.as_mut().poll(cx).is_ready()
            } else {
                Instant::now() >= until
            };
            if late {
                this.pace.0.state.store(OVER, SeqCst);
                // As much as its buffer takes: who is that slow is not waited for.
                let _ = Pin::new(&mut this.inner).poll_write(cx, LATE);
                let _ = Pin::new(&mut this.inner).poll_flush(cx);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.taken(cx, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.closed {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.closed = true;
            if this.pace.0.unread.load(SeqCst) {
                this.sleep = Some(Box::pin(tokio::time::sleep(LINGER)));
            } else {
                this.sleep = None;
            }
        }
        let Some(linger) = &mut this.sleep else { return Poll::Ready(Ok(())) };
        // A client that still sends would take a connection closed at once for broken, and not read its answer.
        let mut some = [0; 8 * 1024];
        while linger.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut some);
            match ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.taken(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_client_that_takes_nothing_for_too_long_is_left() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let pace = Pace::default();
        pace.serving();
        let mut paced = Paced::new(ours, pace.clone(), SHORT);
        // One that takes a little now and then goes on, however long it is in all.
        let slow = async {
            let mut some = [0; 16];
            for _ in 0..8 {
                tokio::time::sleep(SHORT / 4).await;
                theirs.read_exact(&mut some).await.unwrap();
            }
        };
        let (wrote, ()) = tokio::join!(paced.write_all(&[0; 128]), slow);
        wrote.unwrap();
        let left = paced.write_all(&[0; 128]).await.unwrap_err();
        assert_eq!(left.kind(), io::ErrorKind::TimedOut);
        // Of another protocol it may stand still.
        pace.other();
        let stands = tokio::time::timeout(SHORT * 4, paced.write_all(&[0; 128])).await;
        assert!(stands.is_err());
    }
}
