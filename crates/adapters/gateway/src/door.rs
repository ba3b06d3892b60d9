//! Listeners and the connections that come in at them.

use crate::proxy::{self, Arrival};
use crate::served::Gateway;
use crate::table::Entrance;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

/// For a request's head, and for the next request on a connection kept alive.
const HEAD: Duration = Duration::from_secs(75);
/// A head with more bytes is answered with 431.
pub(crate) const HEAD_SIZE: usize = 64 * 1024;
/// More headers are answered with 431.
const HEADERS: usize = 128;
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
    let stop = gateway.closing.child_token();
    let door = Door(stop.clone());
    let gateway = gateway.clone();
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let tasks = gateway.tasks.clone();
                    tasks.spawn(connection(gateway.clone(), stream, peer, entrance));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    door
}

async fn connection(
    gateway: Arc<Gateway>,
    stream: TcpStream,
    peer: SocketAddr,
    entrance: Entrance,
) {
    // Answers and streamed events leave at once; clients that vanished are noticed in the end, so that they don't
    // hold a drain for ever.
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
    let Ok(local) = stream.local_addr() else { return };
    let arrival = Arrival { entrance, peer, local };
    let closing = gateway.closing.clone();
    let service = service_fn(move |request| {
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(proxy::handle(gateway, arrival, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_SIZE)
        .max_headers(HEADERS)
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
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
