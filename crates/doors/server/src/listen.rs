//! Serves the router on sockets that somebody else bound, until told to stop.

use axum::Router;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long requests in flight may take once it is told to stop. Streams never end by themselves, so it is short.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves `router` on all of `listeners` until `stop` resolves; then takes no more connections, lets requests in
/// flight end, and returns within two seconds.
pub async fn serve(
    listeners: Vec<TcpListener>,
    router: Router,
    stop: impl Future<Output = ()> + Send,
) {
    let (tell, told) = watch::channel(());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let mut servers = tokio::task::JoinSet::new();
    for listener in listeners {
        let mut told = told.clone();
        let server = axum::serve(listener, service.clone()).with_graceful_shutdown(async move {
            // An error says that the teller is gone, which is a reason to stop too.
            let _ = told.changed().await;
        });
        servers.spawn(server.into_future());
    }
    drop(told);
    stop.await;
    let _ = tell.send(());
    let all = async { while servers.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_WORDS, all).await;
    servers.abort_all();
}
