//! A client's connection as its bytes go: one that takes nothing of what is there for it ends after a while. Beneath TLS,
//! so that what waits there in between counts too; not what its route allows to stand still, as a WebSocket does.

use crate::pace::Pace;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// See the top of this file.
pub(crate) struct Taking<S> {
    inner: S,
    pace: Pace,
    /// How long it may take nothing.
    stuck: Duration,
    /// Counts while it does.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Taking<S> {
    pub(crate) fn new(inner: S, pace: Pace, stuck: Duration) -> Self {
        Self { inner, pace, stuck, waits: None }
    }

    /// What came of handing something to the client; an error where it took nothing for too long.
    fn taken(
        &mut self,
        cx: &mut Context<'_>,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if wrote.is_ready() || self.pace.is_other() {
            if self.waits.take().is_some() {
                self.pace.fills(false);
            }
            return wrote;
        }
        if self.waits.is_none() {
            self.pace.fills(true);
        }
        let stuck = self.stuck;
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep(stuck)));
        ready!(waits.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taking<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taking<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.taken(cx, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has nothing to flush: what TLS flushes comes here as bytes to write.
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.taken(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring::default_provider;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_client_that_takes_nothing_for_too_long_is_left() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let pace = Pace::default();
        pace.serving();
        let mut taking = Taking::new(ours, pace.clone(), SHORT);
        // One that takes a little now and then goes on, however long it is in all.
        let slow = async {
            let mut some = [0; 16];
            for _ in 0..8 {
                tokio::time::sleep(SHORT / 4).await;
                theirs.read_exact(&mut some).await.unwrap();
            }
        };
        let (wrote, ()) = tokio::join!(taking.write_all(&[0; 128]), slow);
        wrote.unwrap();
        let left = taking.write_all(&[0; 128]).await.unwrap_err();
        assert_eq!(left.kind(), io::ErrorKind::TimedOut);
        // Of another protocol it may stand still.
        pace.other();
        let stands = tokio::time::timeout(SHORT * 4, taking.write_all(&[0; 128])).await;
        assert!(stands.is_err());
    }

    /// TLS takes what it can't send yet: a write succeeds, and what never ends is the flush.
    #[tokio::test]
    async fn what_waits_in_tls_is_not_waited_for_either() {
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_string()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let server = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (ours, theirs) = tokio::io::duplex(8 * 1024);
        let taking = Taking::new(ours, Pace::default(), SHORT * 10);
        let (client, acceptor) = (Arc::new(client), TlsAcceptor::from(Arc::new(server)));
        let name = "a.test".try_into().unwrap();
        let (ours, theirs) =
            tokio::join!(acceptor.accept(taking), TlsConnector::from(client).connect(name, theirs));
        let (mut ours, _theirs) = (ours.unwrap(), theirs.unwrap());
        ours.write_all(&[0; 32 * 1024]).await.unwrap();
        let flushed = tokio::time::timeout(Duration::from_secs(20), ours.flush()).await;
        let left = flushed.expect("it is left in the end").unwrap_err();
        assert_eq!(left.kind(), io::ErrorKind::TimedOut);
    }
}
