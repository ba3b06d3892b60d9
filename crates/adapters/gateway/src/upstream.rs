//! Sending a request to an instance: over a connection that is there or a new one, and again where that can do no harm.

use crate::body::{Progress, Upload};
use crate::pool::Sender;
use crate::rules::Rules;
use crate::target::{InFlight, Target};
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{Request, Response, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::client::conn::TrySendError;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For a connection to a port of this machine or network.
const CONNECT: Duration = Duration::from_secs(5);
/// A request that can't be repeated is only sent over a connection that was in use a moment ago, which its other end
/// hardly closes just now.
const FRESH: Duration = Duration::from_millis(500);
/// The head of an answer may have so many bytes.
const HEAD_SIZE: usize = 256 * 1024;
/// Of HTTP/2: what an instance may send before it is read.
const WINDOW: u32 = 1024 * 1024;

/// Why there is no answer.
pub(crate) enum Failed {
    /// The target accepts no connection. The request was not touched.
    Connect(Request<Upload>, std::io::Error),
    /// The connection broke. The request may have been acted upon; given back where it can be sent again.
    Broken(Option<Request<Upload>>, hyper::Error),
    /// No answer in time.
    Late,
}

/// Sends a request to the target. Counts it as asked, whatever comes of it.
pub(crate) async fn send(
    in_flight: &Arc<InFlight>,
    mut request: Request<Upload>,
    progress: &Progress,
    rules: &Rules,
) -> Result<Response<Incoming>, Failed> {
    let target = in_flight.target();
    target.asked();
    request.body_mut().in_flight = Some(in_flight.clone());
    request.body_mut().bound(rules.body, rules.idle);
    let answer = if rules.h2c {
        multiplexed(target, request, progress, rules.timeout).await
    } else {
        alone(target, request, progress, rules.timeout).await
    };
    if let Err(Failed::Connect(..)) = &answer {
        target.refused();
    }
    answer
}

/// Over a connection that is this request's alone as long as it lasts.
async fn alone(
    target: &Arc<Target>,
    mut request: Request<Upload>,
    progress: &Progress,
    within: Duration,
) -> Result<Response<Incoming>, Failed> {
    in_http1(&mut request);
    let repeatable = is_repeatable(&request);
    let upgrade = request.headers().contains_key(UPGRADE);
    let max_age = if repeatable { Duration::MAX } else { FRESH };

    // Connections that the other end closed while they were idle: as many tries as it takes to run out of them.
    while let Some(sender) = (!upgrade).then(|| target.pool.take(max_age)).flatten() {
        let copy = repeatable.then(|| again(&request));
        match exchange(target, sender, request, progress, within).await {
            Err(Failed::Broken(Some(unsent), _)) => request = unsent,
            // It was sent, so it may be what breaks connections: once more, on a new one.
            Err(Failed::Broken(None, error)) => match copy {
                Some(same) => {
                    request = same;
                    break;
                }
                None => return Err(Failed::Broken(None, error)),
            },
            other => return other,
        }
    }
    let sender = match connect(target).await {
        Ok(sender) => sender,
        Err(error) => return Err(Failed::Connect(request, error)),
    };
    let copy = repeatable.then(|| again(&request));
    match exchange(target, sender, request, progress, within).await {
        Err(Failed::Broken(unsent, error)) => Err(Failed::Broken(unsent.or(copy), error)),
        other => other,
    }
}

/// Over the connection of HTTP/2 that all requests share.
async fn multiplexed(
    target: &Arc<Target>,
    mut request: Request<Upload>,
    progress: &Progress,
    within: Duration,
) -> Result<Response<Incoming>, Failed> {
    let repeatable = is_repeatable(&request);
    in_http2(&mut request);
    loop {
        let (mut shared, fresh) = match target.multiplex().get(connect_http2(target), CONNECT).await
        {
            Ok(shared) => shared,
            Err(error) => return Err(Failed::Connect(request, error)),
        };
        let copy = repeatable.then(|| again(&request));
        match answer(shared.try_send_request(request), progress, within).await {
            // It took its leave before this one.
            Err(Failed::Broken(Some(unsent), _)) if !fresh => request = unsent,
            Err(Failed::Broken(unsent, error)) => {
                return Err(Failed::Broken(unsent.or(copy), error));
            }
            other => return other,
        }
    }
}

fn is_repeatable(request: &Request<Upload>) -> bool {
    request.method().is_idempotent() && request.body().is_end_stream()
}

/// The same request once more. Only for requests without a body.
fn again(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.version_mut() = request.version();
    copy.body_mut().in_flight = request.body().in_flight.clone();
    copy
}

/// As HTTP/2 says it: the host beside the path, and nothing about the connection.
fn in_http2(request: &mut Request<Upload>) {
    let headers = request.headers_mut();
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    let host = headers.remove(HOST);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    parts.authority = host.and_then(|host| host.as_bytes().try_into().ok());
    if parts.authority.is_none() {
        parts.authority = Some(http::uri::Authority::from_static("localhost"));
    }
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
}

/// Back to how HTTP/1.1 says it, for a target that speaks that.
fn in_http1(request: &mut Request<Upload>) {
    if request.version() != Version::HTTP_2 {
        return;
    }
    let parts = std::mem::take(request.uri_mut()).into_parts();
    if let Some(host) = parts.authority.and_then(|host| host.as_str().parse().ok()) {
        request.headers_mut().insert(HOST, host);
    }
    let mut path = http::uri::Parts::default();
    path.path_and_query = parts.path_and_query;
    *request.uri_mut() = Uri::from_parts(path).unwrap_or_default();
    *request.version_mut() = Version::HTTP_11;
}

async fn stream(target: &Target) -> std::io::Result<TokioIo<TcpStream>> {
    let stream = timeout(CONNECT, TcpStream::connect(target.address)).await.map_err(|_| {
        std::io::Error::new(std::io::ErrorKind::TimedOut, "no connection within 5 s")
    })??;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}

async fn connect(target: &Target) -> std::io::Result<Sender> {
    let (sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_SIZE)
        .handshake(stream(target).await?)
        .await
        .map_err(std::io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "connection to an instance ended");
        }
    });
    Ok(sender)
}

async fn connect_http2(target: &Target) -> std::io::Result<crate::multiplex::Shared> {
    let (shared, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(4 * WINDOW)
        .max_header_list_size(HEAD_SIZE as u32)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .handshake(stream(target).await?)
        .await
        .map_err(std::io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to an instance ended");
        }
    });
    Ok(shared)
}

async fn exchange(
    target: &Arc<Target>,
    mut sender: Sender,
    request: Request<Upload>,
    progress: &Progress,
    within: Duration,
) -> Result<Response<Incoming>, Failed> {
    let response = answer(sender.try_send_request(request), progress, within).await?;
    if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        keep(target.clone(), sender);
    }
    Ok(response)
}

/// Waits for an answer's head: so long from the last piece of the request that was taken. A client that has not sent the
/// next one is waited for elsewhere.
async fn answer(
    answer: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>>,
    progress: &Progress,
    within: Duration,
) -> Result<Response<Incoming>, Failed> {
    tokio::pin!(answer);
    let mut seen = progress.frames();
    let answer = loop {
        match timeout(within, answer.as_mut()).await {
            Ok(answer) => break answer,
            // A long upload is not a late answer; one that the instance takes nothing more of is.
            Err(_) if progress.wanted() || progress.frames() != seen => seen = progress.frames(),
            Err(_) => return Err(Failed::Late),
        }
    };
    answer.map_err(|mut error| {
        let unsent = error.take_message();
        Failed::Broken(unsent, error.into_error())
    })
}

/// Puts the connection back once its answer was read from it; a small one was so with its head.
fn keep(target: Arc<Target>, mut sender: Sender) {
    if sender.is_ready() {
        target.pool.put(sender);
        return;
    }
    tokio::spawn(async move {
        if sender.ready().await.is_ok() {
            target.pool.put(sender);
        }
    });
}
