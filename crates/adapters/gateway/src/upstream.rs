//! Sending a request to an instance: over an idle connection or a new one, and again where that can do no harm.

use crate::body::{Progress, Upload};
use crate::pool::Sender;
use crate::target::{InFlight, Target};
use http::{Method, Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For a connection to a port of this machine or network.
const CONNECT: Duration = Duration::from_secs(5);
/// From the last piece of the request to the head of the answer.
const FIRST_BYTE: Duration = Duration::from_secs(60);
/// A request that can't be repeated is only sent over a connection that was in use a moment ago, which its other end
/// hardly closes just now.
const FRESH: Duration = Duration::from_millis(500);

/// Why there is no answer.
pub(crate) enum Failed {
    /// The target accepts no connection. The request was not touched.
    Connect(Request<Upload>, std::io::Error),
    /// The connection broke. The request may have been acted upon; given back where it can be sent again.
    Broken(Option<Request<Upload>>, hyper::Error),
    /// No answer in time.
    Late,
}

/// Sends a request over a connection of the target's. Counts it as asked.
pub(crate) async fn send(
    in_flight: &Arc<InFlight>,
    mut request: Request<Upload>,
    progress: &Progress,
) -> Result<Response<Incoming>, Failed> {
    let target = in_flight.target();
    request.body_mut().in_flight = Some(in_flight.clone());
    let repeatable = request.method().is_idempotent() && request.body().is_end_stream();
    let upgrade = request.headers().contains_key(http::header::UPGRADE);
    let max_age = if repeatable { Duration::MAX } else { FRESH };

    // Connections that the other end closed while they were idle: as many tries as it takes to run out of them.
    while let Some(sender) = (!upgrade).then(|| target.pool.take(max_age)).flatten() {
        let copy = repeatable.then(|| again(&request));
        match exchange(target, sender, request, progress).await {
            Err(Failed::Broken(Some(unsent), _)) => request = unsent,
            Err(Failed::Broken(None, error)) => match copy {
                // It was sent, so it may be what breaks connections: once more, on a new one.
                Some(same) => {
                    request = same;
                    break;
                }
                None => {
                    target.asked();
                    return Err(Failed::Broken(None, error));
                }
            },
            other => {
                target.asked();
                return other;
            }
        }
    }
    let sender = match connect(target).await {
        Ok(sender) => sender,
        Err(error) => {
            target.refused();
            return Err(Failed::Connect(request, error));
        }
    };
    target.accepted();
    target.asked();
    let copy = repeatable.then(|| again(&request));
    match exchange(target, sender, request, progress).await {
        Err(Failed::Broken(unsent, error)) => Err(Failed::Broken(unsent.or(copy), error)),
        other => other,
    }
}

/// The same request once more. Only for requests without a body.
fn again(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy.body_mut().in_flight = request.body().in_flight.clone();
    copy
}

async fn connect(target: &Target) -> std::io::Result<Sender> {
    let stream = timeout(CONNECT, TcpStream::connect(target.address)).await.map_err(|_| {
        std::io::Error::new(std::io::ErrorKind::TimedOut, "no connection within 5 s")
    })??;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(256 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection to an instance ended");
        }
    });
    Ok(sender)
}

async fn exchange(
    target: &Arc<Target>,
    mut sender: Sender,
    request: Request<Upload>,
    progress: &Progress,
) -> Result<Response<Incoming>, Failed> {
    let head = *request.method() == Method::HEAD;
    let answer = sender.try_send_request(request);
    tokio::pin!(answer);
    let mut seen = progress.frames();
    let answer = loop {
        match timeout(FIRST_BYTE, answer.as_mut()).await {
            Ok(answer) => break answer,
            // A long upload is not a late answer.
            Err(_) if !progress.ended() || progress.frames() != seen => seen = progress.frames(),
            Err(_) => return Err(Failed::Late),
        }
    };
    match answer {
        Ok(response) => {
            if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
                keep(target.clone(), sender, head || response.body().is_end_stream());
            }
            Ok(response)
        }
        Err(mut error) => {
            let unsent = error.take_message();
            Err(Failed::Broken(unsent, error.into_error()))
        }
    }
}

/// Puts the connection back once its answer was read. `soon`: there is nothing to read.
fn keep(target: Arc<Target>, mut sender: Sender, soon: bool) {
    if soon && sender.is_ready() {
        target.pool.put(sender);
        return;
    }
    tokio::spawn(async move {
        if sender.ready().await.is_ok() {
            target.pool.put(sender);
        }
    });
}
