//! Bodies on their way through: never buffered, and each holding the count of its request as long as it lives.

use crate::target::InFlight;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

/// How far a request's body got.
#[derive(Default)]
pub(crate) struct Progress {
    frames: AtomicU64,
    ended: AtomicBool,
}

impl Progress {
    /// How many pieces were handed on.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }
    /// All of it was handed on.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Relaxed)
    }
}

/// A request's body on its way to an instance.
pub(crate) struct Upload {
    inner: Option<Incoming>,
    progress: Arc<Progress>,
    /// Held for its drop.
    pub(crate) in_flight: Option<Arc<InFlight>>,
}

impl Upload {
    pub(crate) fn new(inner: Incoming, progress: Arc<Progress>) -> Self {
        progress.ended.store(inner.is_end_stream(), Relaxed);
        Self { inner: Some(inner), progress, in_flight: None }
    }

    pub(crate) fn empty() -> Self {
        Self { inner: None, progress: Arc::default(), in_flight: None }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        self.progress.frames.fetch_add(1, Relaxed);
        let ended = self.inner.as_ref().is_none_or(Body::is_end_stream);
        if frame.is_none() || ended {
            self.progress.ended.store(true, Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// An answer's body on its way to the client.
pub(crate) enum Answer {
    /// Of an instance.
    Relayed {
        /// What it sends.
        inner: Incoming,
        /// Held for its drop.
        _in_flight: Arc<InFlight>,
    },
    /// The gateway's own.
    Own(Full<Bytes>),
}

impl Answer {
    pub(crate) fn own(bytes: impl Into<Bytes>) -> Self {
        Self::Own(Full::new(bytes.into()))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Relayed { inner, .. } => Pin::new(inner).poll_frame(cx),
            Self::Own(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Relayed { inner, .. } => inner.is_end_stream(),
            Self::Own(full) => full.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Relayed { inner, .. } => inner.size_hint(),
            Self::Own(full) => full.size_hint(),
        }
    }
}
