//! The requests of one connection of HTTP/2: how many are under way, and whether each one's client still takes its answer.
//! What a connection takes as a whole is seen at its bytes; that it leaves one of its answers alone only here.

use crate::body::{Answer, BodyError};
use crate::pace::Pace;
use crate::target::lock;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// An answer is handed on in pieces of no more than this, so that one that is taken slowly is seen to be taken.
const PIECE: usize = 16 * 1024;
/// Before a client is left that seems to take nothing, the connection is looked at once more: what it is sent may just
/// have been on its way.
const AGAIN: Duration = Duration::from_secs(1);

tokio::task_local! {
    /// Of the request whose task this is.
    static TURN: Arc<Turn>;
}

/// Whose turn it is with an answer.
#[derive(Default)]
struct Turn {
    /// A piece of it is there for the client.
    clients: AtomicBool,
    /// How many were.
    pieces: AtomicU64,
}

/// The requests of a connection; also what they are run by.
#[derive(Clone)]
pub(crate) struct Streams(Arc<Shared>);

struct Shared {
    stuck: Duration,
    pace: Pace,
    begun: AtomicU64,
    open: AtomicU64,
    /// When the last one ended.
    since: Mutex<Instant>,
}

/// A request that is under way; counted until dropped.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        *lock(&self.0.since) = Instant::now();
        self.0.open.fetch_sub(1, SeqCst);
    }
}

impl Streams {
    /// `stuck`: how long a client may take nothing of an answer.
    pub(crate) fn new(pace: Pace, stuck: Duration) -> Self {
        let since = Mutex::new(Instant::now());
        let (begun, open) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Shared { stuck, pace, begun, open, since }))
    }

    /// Was there any request?
    pub(crate) fn any(&self) -> bool {
        self.0.begun.load(SeqCst) > 0
    }

    /// Is one under way?
    pub(crate) fn open(&self) -> bool {
        self.0.open.load(SeqCst) > 0
    }

    /// Ends once none was under way for so long.
    pub(crate) async fn idle(&self, kept: Duration) {
        let mut until = *lock(&self.0.since) + kept;
        loop {
            tokio::time::sleep_until(until).await;
            let now = Instant::now();
            until = if self.open() { now + kept } else { *lock(&self.0.since) + kept };
            if until <= now {
                return;
            }
        }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, request: F) {
        let shared = self.0.clone();
        shared.begun.fetch_add(1, SeqCst);
        shared.open.fetch_add(1, SeqCst);
        let open = Open(shared);
        tokio::spawn(async move {
            let turn = Arc::<Turn>::default();
            let mut request = pin!(request);
            let mut watch = Watch { seen: 0, sleep: None, again: false };
            std::future::poll_fn(|cx| {
                let request = request.as_mut();
                if TURN.sync_scope(turn.clone(), || request.poll(cx)).is_ready() {
                    return Poll::Ready(());
                }
                watch.poll(cx, &open.0, &turn)
            })
            .await;
        });
    }
}

/// Sees a client that leaves an answer alone.
struct Watch {
    seen: u64,
    sleep: Option<Pin<Box<Sleep>>>,
    again: bool,
}

impl Watch {
    /// Ready where it did so for too long: the answer is broken off.
    fn poll(&mut self, cx: &mut Context<'_>, shared: &Shared, turn: &Turn) -> Poll<()> {
        if !turn.clients.load(SeqCst) {
            self.sleep = None;
            return Poll::Pending;
        }
        let pieces = turn.pieces.load(SeqCst);
        if self.sleep.is_none() || self.seen != pieces {
            (self.seen, self.again) = (pieces, false);
            self.sleep = Some(Box::pin(tokio::time::sleep(shared.stuck)));
        }
        loop {
            let Some(sleep) = &mut self.sleep else { return Poll::Pending };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // Where the connection as a whole is full, this answer waits for the others.
            if self.again && !shared.pace.is_full() {
                tracing::debug!("a client takes nothing of an answer");
                return Poll::Ready(());
            }
            self.again = !shared.pace.is_full();
            let more = if self.again { AGAIN.min(shared.stuck) } else { shared.stuck };
            sleep.as_mut().reset(Instant::now() + more);
        }
    }
}

/// An answer's body, of which is seen whether it is taken.
pub(crate) struct Watched {
    answer: Answer,
    /// What is left of a piece that was too large.
    rest: Bytes,
    turn: Option<Arc<Turn>>,
}

impl Watched {
    /// Of the request whose task this is.
    pub(crate) fn new(answer: Answer) -> Self {
        let turn = TURN.try_with(Arc::clone).ok();
        if let Some(turn) = &turn {
            turn.clients.store(true, SeqCst);
        }
        Self { answer, rest: Bytes::new(), turn }
    }

    fn piece(&mut self, mut bytes: Bytes) -> Frame<Bytes> {
        self.rest = if bytes.len() > PIECE { bytes.split_off(PIECE) } else { Bytes::new() };
        Frame::data(bytes)
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = if this.rest.is_empty() {
            match Pin::new(&mut this.answer).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_data() {
                    Ok(bytes) => this.piece(bytes),
                    Err(other) => other,
                }))),
                other => other,
            }
        } else {
            let rest = std::mem::take(&mut this.rest);
            Poll::Ready(Some(Ok(this.piece(rest))))
        };
        if let Some(turn) = &this.turn {
            turn.clients.store(frame.is_ready(), SeqCst);
            if frame.is_ready() {
                turn.pieces.fetch_add(1, Relaxed);
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.answer.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
