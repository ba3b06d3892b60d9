//! A connection to exactly the address that was judged.

use crate::Allow;
use hyper::Uri;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tow_ports::WebError;

/// For one address; a name may have several.
const PATIENCE: Duration = Duration::from_secs(5);
/// No more addresses of a name are tried.
const ADDRESSES: usize = 8;

/// Looks names up. Tests have their own.
#[async_trait::async_trait]
pub trait Resolve: Send + Sync {
    /// The addresses of a host, a literal address included.
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>>;
}

/// The system's own resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

#[async_trait::async_trait]
impl Resolve for System {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        tokio::net::lookup_host((host, port)).await.map(Iterator::collect)
    }
}

/// Connects for the client, after the guard.
#[derive(Clone)]
pub(crate) struct Guarded {
    pub(crate) allow: Arc<Allow>,
    pub(crate) resolve: Arc<dyn Resolve>,
}

impl Guarded {
    async fn connect(&self, uri: &Uri) -> Result<TcpStream, WebError> {
        let shown = uri.host().unwrap_or_default();
        let host = shown.trim_start_matches('[').trim_end_matches(']');
        let port =
            uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let mut last = None;
        for address in self.addresses(host, port).await? {
            let connect = |why: String| WebError::Connect { host: host.to_string(), why };
            match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = Some(connect(plain(&error))),
                Err(_) => last = Some(connect("no answer within five seconds".into())),
            }
        }
        Err(last.unwrap_or_else(|| WebError::Dns {
            host: host.to_string(),
            why: "it has no address".into(),
        }))
    }

    /// The addresses that a host stands for and that may be gone to; the refusal where there are none.
    pub(crate) async fn addresses(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, WebError> {
        let refused = |address: String, what: &str| WebError::Refused {
            host: host.to_string(),
            address,
            what: what.to_string(),
        };
        if let Some(what) = self.allow.refuses_name(host) {
            return Err(refused(host.to_string(), what));
        }
        let dns = |why: String| WebError::Dns { host: host.to_string(), why };
        let looked_up = tokio::time::timeout(PATIENCE, self.resolve.resolve(host, port)).await;
        let found = looked_up
            .map_err(|_| dns("no answer within five seconds".into()))?
            .map_err(|error| dns(plain(&error)))?;
        let mut last = dns("it has no address".into());
        let mut admitted = Vec::new();
        for address in found.into_iter().take(ADDRESSES) {
            match self.allow.refuses(host, address.ip()) {
                Some(what) => last = refused(address.ip().to_string(), what),
                None => admitted.push(address),
            }
        }
        if admitted.is_empty() { Err(last) } else { Ok(admitted) }
    }
}

/// What the machine says, without its number.
pub(crate) fn plain(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or(&text).to_string()
}

impl tower_service::Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, WebError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), WebError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.connect(&uri).await.map(TokioIo::new) })
    }
}
