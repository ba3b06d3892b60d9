//! Listeners and the connections that come in at them.

use crate::exchange::{self, Arrival};
use crate::pace::{Pace, Paced};
use crate::proxy;
use crate::room::Place;
use crate::served::Gateway;
use crate::streams::{Streams, Watched};
use crate::table::Entrance;
use crate::taking::Taking;
use crate::tls::{self, Tls};
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

/// For a request's head as a whole.
pub(crate) const HEAD: Duration = Duration::from_secs(10);
/// A head with more bytes is answered with 431.
pub(crate) const HEAD_SIZE: usize = 64 * 1024;
/// Requests at a time on one connection of HTTP/2.
const STREAMS: u32 = 250;
/// How often a client of HTTP/2 is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
/// How long kept connections are still answered once the gateway is to end.
const LAST_CALL: Duration = Duration::from_secs(1);
/// Before accepting again when the machine is out of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// An open listener of ours; closed when dropped.
pub(crate) struct Door(CancellationToken);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Listens on this port of the loopback device; 0: on any.
pub(crate) fn bind(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(1024)
}

/// Takes connections until the door is dropped or the gateway closes. Connections go on.
pub(crate) fn open(gateway: &Arc<Gateway>, listener: TcpListener, entrance: Entrance) -> Door {
    open_with(gateway, listener, entrance, None)
}

/// The same, in TLS where it is given.
pub(crate) fn open_with(
    gateway: &Arc<Gateway>,
    listener: TcpListener,
    entrance: Entrance,
    tls: Option<Arc<Tls>>,
) -> Door {
    let stop = gateway.closing.child_token();
    let door = Door(stop.clone());
    let gateway = gateway.clone();
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let arrival = (entrance, peer, tls.clone());
            let served = gateway.clone();
            if let Some(place) = gateway.room.free() {
                gateway.tasks.spawn(connection(served, stream, arrival, place));
                continue;
            }
            // Whoever comes after this one waits at the listener until there is room for it; one who is here already is
            // answered whatever becomes of the door, since nobody else can.
            let (there, come) = tokio::sync::oneshot::channel();
            gateway.tasks.spawn(async move {
                let place = served.room.take().await;
                let _ = there.send(());
                connection(served, stream, arrival, place).await;
            });
            tokio::select! {
                () = stop.cancelled() => return,
                _ = come => {}
            }
        }
    });
    door
}

async fn connection(
    gateway: Arc<Gateway>,
    stream: TcpStream,
    (entrance, peer, tls): (Entrance, SocketAddr, Option<Arc<Tls>>),
    room: Place,
) {
    // Answers and streamed events leave at once; clients that vanished are noticed in the end, so that they don't
    // hold a drain for ever.
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
    let Ok(local) = stream.local_addr() else { return };
    let pace = Pace::default();
    let arrival = Arrival { entrance, peer, local, secure: tls.is_some(), pace: None, room };
    let stream = Taking::new(stream, pace.clone(), gateway.manner.stuck);
    let Some(tls) = tls else { return http1(gateway, arrival, pace, stream).await };
    match tls.accept(stream).await {
        Ok(stream) if tls::is_h2(&stream) => http2(gateway, arrival, pace, stream).await,
        Ok(stream) => http1(gateway, arrival, pace, stream).await,
        Err(error) => tracing::debug!(%error, "no TLS"),
    }
}

/// Answers the requests of one connection, many at a time.
async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    gateway: Arc<Gateway>,
    arrival: Arrival,
    pace: Pace,
    stream: S,
) {
    let closing = gateway.closing.clone();
    let (kept, stuck) = (gateway.manner.kept, gateway.manner.stuck);
    let streams = Streams::new(pace, stuck);
    let service = service_fn(move |request: Request<Incoming>| {
        let (gateway, arrival) = (gateway.clone(), arrival.clone());
        async move {
            Ok::<_, Infallible>(proxy::handle(gateway, arrival, request).await.map(Watched::new))
        }
    });
    let connection = hyper::server::conn::http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_SIZE as u32)
        .keep_alive_interval(Some(PING))
        .keep_alive_timeout(PING)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let last = tokio::select! {
        ended = connection.as_mut() => return note_end(ended),
        () = closing.cancelled() => None,
        () = streams.idle(kept) => Some(stuck),
    };
    // Says that no further stream is taken; those under way are answered. Who never asked for anything may not even
    // have begun to speak: that is not waited for.
    connection.as_mut().graceful_shutdown();
    let last = if streams.any() { last } else { Some(LAST_CALL) };
    let Some(last) = last else {
        return note_end(connection.await);
    };
    loop {
        match tokio::time::timeout(last, connection.as_mut()).await {
            Ok(ended) => return note_end(ended),
            Err(_) if streams.open() => {}
            Err(_) => return,
        }
    }
}

fn note_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Answers the requests of one connection, one after the other.
async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    gateway: Arc<Gateway>,
    mut arrival: Arrival,
    pace: Pace,
    stream: S,
) {
    arrival.pace = Some(pace.clone());
    let stream = Paced::new(stream, pace.clone());
    let closing = gateway.closing.clone();
    let (asked, from) = (gateway.clone(), arrival.clone());
    let service = service_fn(move |request| {
        let (gateway, arrival) = (asked.clone(), from.clone());
        async move {
            if let Some(pace) = &arrival.pace {
                pace.serving();
            }
            Ok::<_, Infallible>(proxy::handle(gateway, arrival, request).await)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(gateway.manner.kept)
        .max_buf_size(HEAD_SIZE)
        // More than a hundred headers are answered with 431, by itself.
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            // A client that keeps its connection may be sending its next request just now: that is still answered,
            // with the word to go on elsewhere. Then the request in flight is answered and no further one is taken.
            match tokio::time::timeout(LAST_CALL, connection.as_mut()).await {
                Ok(ended) => ended,
                Err(_) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    let Err(error) = ended else { return };
    tracing::debug!(%error, "connection ended");
    // What never became a request is told all the same.
    if pace.is_over() {
        exchange::note(&gateway, &arrival, 408, "head-late");
    } else if error.is_parse() {
        let status = if error.is_parse_too_large() { 431 } else { 400 };
        exchange::note(&gateway, &arrival, status, "malformed");
    }
}
