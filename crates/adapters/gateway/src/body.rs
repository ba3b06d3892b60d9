//! Bodies on their way through: never buffered, counted as they pass, and each holding the count of its request as long
//! as it lives. What takes too long or grows too large ends here.

use crate::exchange::Exchange;
use crate::headers;
use crate::pace::Answering;
use crate::target::InFlight;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How long a client may send nothing of a body that it began, where its route says nothing.
pub(crate) const STILL: Duration = Duration::from_secs(30);

/// Why a request's body went no further: the client's doing, and no instance's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is larger than its route takes.
    TooLarge,
    /// Nothing came for too long.
    Still,
    /// It could not be read: broken off, or framed in no valid way.
    Unreadable,
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the body is larger than the route takes")]
    TooLarge,
    #[error("nothing came for {0:?}")]
    Still(Duration),
}

/// How far a request's body got.
#[derive(Default)]
pub(crate) struct Progress {
    frames: AtomicU64,
    bytes: AtomicU64,
    ended: AtomicBool,
    /// Somebody waits for the next piece.
    wanted: AtomicBool,
    fault: AtomicU8,
}

impl Progress {
    /// All of it was handed on.
    pub(crate) fn end(&self) {
        self.ended.store(true, Relaxed);
    }

    /// Nothing more of it is handed on.
    pub(crate) fn is_over(&self) -> bool {
        self.ended() || self.fault().is_some()
    }

    /// How many pieces were handed on.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }
    /// How many bytes were handed on.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
    /// All of it was handed on.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Relaxed)
    }
    /// The next piece is the client's to send; else it is there, or whoever takes it did not ask for it yet.
    pub(crate) fn wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }
    /// Why it went no further, where that is the client's doing.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.fault.load(Relaxed) {
            1 => Some(Fault::TooLarge),
            2 => Some(Fault::Still),
            3 => Some(Fault::Unreadable),
            _ => None,
        }
    }

    /// These went through besides, on an upgraded connection.
    pub(crate) fn carried(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    fn failed(&self, fault: Fault) {
        let number = match fault {
            Fault::TooLarge => 1,
            Fault::Still => 2,
            Fault::Unreadable => 3,
        };
        self.fault.store(number, Relaxed);
    }
}

/// Ends what says nothing for too long. Time counts only while somebody waits for the next piece.
struct Patience {
    within: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Patience {
    fn new(within: Duration) -> Self {
        Self { within, sleep: None, waiting: false }
    }

    /// A piece came.
    fn moved(&mut self) {
        self.waiting = false;
    }

    /// None came yet; ready where that was so for too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = Instant::now() + self.within;
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if !self.waiting {
                    sleep.as_mut().reset(until);
                }
                sleep
            }
            None => self.sleep.insert(Box::pin(tokio::time::sleep_until(until))),
        };
        self.waiting = true;
        sleep.as_mut().poll(cx)
    }
}

/// A request's body on its way to an instance.
pub(crate) struct Upload {
    inner: Option<Incoming>,
    progress: Arc<Progress>,
    most: u64,
    patience: Patience,
    /// Held for its drop.
    pub(crate) in_flight: Option<Arc<InFlight>>,
}

impl Upload {
    pub(crate) fn new(inner: Incoming, progress: Arc<Progress>) -> Self {
        progress.ended.store(inner.is_end_stream(), Relaxed);
        Self { inner: Some(inner), ..Self::of(progress) }
    }

    pub(crate) fn empty() -> Self {
        Self::of(Arc::default())
    }

    fn of(progress: Arc<Progress>) -> Self {
        let patience = Patience::new(STILL);
        Self { inner: None, progress, most: u64::MAX, patience, in_flight: None }
    }

    /// What its route says of it.
    pub(crate) fn bound(&mut self, most: Option<u64>, still: Option<Duration>) {
        self.most = most.unwrap_or(u64::MAX);
        self.patience.within = still.unwrap_or(STILL);
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let frame = match Pin::new(&mut *inner).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                this.progress.wanted.store(true, Relaxed);
                ready!(this.patience.poll(cx));
                this.progress.failed(Fault::Still);
                return Poll::Ready(Some(Err(BodyError::Still(this.patience.within))));
            }
        };
        this.patience.moved();
        this.progress.wanted.store(false, Relaxed);
        this.progress.frames.fetch_add(1, Relaxed);
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                this.progress.failed(Fault::Unreadable);
                return Poll::Ready(Some(Err(error.into())));
            }
            None => {
                this.progress.end();
                return Poll::Ready(None);
            }
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let so_far = this.progress.bytes.fetch_add(length, Relaxed) + length;
        if so_far > this.most {
            this.progress.failed(Fault::TooLarge);
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        }
        if inner.is_end_stream() {
            this.progress.end();
        }
        Poll::Ready(Some(Ok(clean(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Trailers may not say what only a head may.
fn clean(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            headers::strip_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

/// An answer's body on its way to the client, and the exchange, which ends with it.
pub(crate) struct Answer {
    source: Source,
    /// None where it goes on elsewhere.
    exchange: Option<Box<Exchange>>,
    /// Held for its drop.
    _answering: Option<Answering>,
}

enum Source {
    /// Of an instance.
    Instance {
        inner: Incoming,
        patience: Option<Patience>,
        /// Held for its drop.
        _in_flight: Arc<InFlight>,
    },
    /// The gateway's own.
    Own(Full<Bytes>),
}

impl Answer {
    /// Bytes of the gateway's own.
    pub(crate) fn own(bytes: impl Into<Bytes>, exchange: Box<Exchange>) -> Self {
        Self::of(Source::Own(Full::new(bytes.into())), Some(exchange))
    }

    /// Nothing; the exchange goes on elsewhere.
    pub(crate) fn nothing() -> Self {
        Self::of(Source::Own(Full::default()), None)
    }

    /// What an instance sends. `still`: how long it may send nothing.
    pub(crate) fn relayed(
        inner: Incoming,
        still: Option<Duration>,
        in_flight: Arc<InFlight>,
        exchange: Box<Exchange>,
    ) -> Self {
        let patience = still.map(Patience::new);
        let source = Source::Instance { inner, patience, _in_flight: in_flight };
        Self::of(source, Some(exchange))
    }

    fn of(source: Source, exchange: Option<Box<Exchange>>) -> Self {
        let mut answer = Self { source, exchange, _answering: None };
        // Where there is nothing to send, nobody will ask for it.
        if answer.is_end_stream()
            && let Some(exchange) = &mut answer.exchange
        {
            exchange.complete();
        }
        answer
    }

    /// What is told when it ends.
    pub(crate) fn ends(&mut self, answering: Answering) {
        self._answering = Some(answering);
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = match &mut this.source {
            Source::Own(full) => ready!(Pin::new(full).poll_frame(cx)).map(|frame| match frame {
                Ok(frame) => Ok(frame),
                Err(never) => match never {},
            }),
            Source::Instance { inner, patience, .. } => match Pin::new(inner).poll_frame(cx) {
                Poll::Ready(frame) => {
                    if let Some(patience) = patience {
                        patience.moved();
                    }
                    frame.map(|frame| frame.map(clean).map_err(BodyError::from))
                }
                Poll::Pending => {
                    let Some(patience) = patience else { return Poll::Pending };
                    ready!(patience.poll(cx));
                    Some(Err(BodyError::Still(patience.within)))
                }
            },
        };
        let over = this.is_end_stream();
        if let Some(exchange) = &mut this.exchange {
            match &frame {
                Some(Ok(frame)) => exchange.sent(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(BodyError::Still(_))) => exchange.stood_still(),
                Some(Err(_)) => exchange.broke(),
                None => exchange.complete(),
            }
            if over {
                exchange.complete();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Instance { inner, .. } => inner.is_end_stream(),
            Source::Own(full) => full.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Instance { inner, .. } => inner.size_hint(),
            Source::Own(full) => full.size_hint(),
        }
    }
}
