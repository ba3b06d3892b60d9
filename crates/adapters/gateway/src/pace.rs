//! How long a client may take for a head: a connection as HTTP/1.1 reads and writes it, with a deadline for each head as a
//! whole (drop by drop is as slow as not at all). How far the connection is, whoever answers says.

use crate::body::Progress;
use crate::door::HEAD;
use crate::target::lock;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
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
/// It is answered, and the rest of its body still comes.
const REST: u8 = 5;

/// Where a connection is; shared by the connection and whoever answers.
#[derive(Clone, Default)]
pub(crate) struct Pace(Arc<At>);

#[derive(Default)]
struct At {
    state: AtomicU8,
    unread: AtomicBool,
    /// Of the request whose rest comes.
    rest: Mutex<Option<Arc<Progress>>>,
    /// The client took less than there is for it.
    full: AtomicBool,
}

impl Pace {
    /// A head is complete.
    pub(crate) fn serving(&self) {
        self.0.state.store(SERVING, SeqCst);
        self.0.unread.store(false, SeqCst);
    }

    /// Until the answer is over; then the next head may come, once all of the request's body is there.
    pub(crate) fn answering(&self, request: &Arc<Progress>) -> Answering {
        self.0.unread.store(!request.ended(), SeqCst);
        Answering(self.clone(), request.clone())
    }

    /// From here on the connection carries another protocol.
    pub(crate) fn other(&self) {
        self.0.state.store(OTHER, SeqCst);
    }

    pub(crate) fn is_other(&self) -> bool {
        self.0.state.load(SeqCst) == OTHER
    }

    /// Does what the client was sent wait for it to take more?
    pub(crate) fn is_full(&self) -> bool {
        self.0.full.load(Relaxed)
    }

    pub(crate) fn fills(&self, full: bool) {
        self.0.full.store(full, Relaxed);
    }

    /// Where the rest of a body came, it may be there by now.
    fn rested(&self) {
        if self.0.state.load(SeqCst) != REST {
            return;
        }
        let mut rest = lock(&self.0.rest);
        if rest.as_ref().is_none_or(|request| request.is_over()) {
            *rest = None;
            let _ = self.0.state.compare_exchange(REST, IDLE, SeqCst, SeqCst);
        }
    }

    /// A head took too long.
    pub(crate) fn is_over(&self) -> bool {
        self.0.state.load(SeqCst) == OVER
    }
}

/// Held as long as an answer is under way.
pub(crate) struct Answering(Pace, Arc<Progress>);

impl Drop for Answering {
    fn drop(&mut self) {
        let Self(pace, request) = self;
        if request.is_over() {
            pace.0.state.store(IDLE, SeqCst);
        } else {
            // What comes next is no head.
            *lock(&pace.0.rest) = Some(request.clone());
            pace.0.state.store(REST, SeqCst);
        }
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
    /// Our half is closed.
    closed: bool,
}

impl<S> Paced<S> {
    pub(crate) fn new(inner: S, pace: Pace) -> Self {
        Self { inner, pace, until: None, set: None, sleep: None, closed: false }
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
        this.pace.rested();
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
        Pin::new(&mut self.inner).poll_write(cx, buf)
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
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_an_answer_is_a_head_once_the_body_is_there() {
        let pace = Pace::default();
        let state = || pace.0.state.load(SeqCst);
        let whole = Arc::new(Progress::default());
        whole.end();
        pace.serving();
        drop(pace.answering(&whole));
        assert_eq!(state(), IDLE);
        let half = Arc::new(Progress::default());
        pace.serving();
        drop(pace.answering(&half));
        pace.rested();
        assert_eq!(state(), REST, "the rest of it comes");
        half.end();
        pace.rested();
        assert_eq!(state(), IDLE);
        // A request that came meanwhile is not taken for none.
        pace.serving();
        pace.rested();
        assert_eq!(state(), SERVING);
    }
}
