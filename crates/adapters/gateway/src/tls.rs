//! The beginning of an HTTPS connection: the client says which name it wants, is shown that name's certificate, and both
//! agree on the protocol. A name that nobody proves here ends it with a word that clients understand.

use crate::certificates::Certificates;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// From the connection to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A fatal alert, `unrecognized_name` (RFC 6066, 3), as it stands on the wire before anything is encrypted.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What all connections have in common.
pub(crate) struct Tls {
    certificates: Arc<Certificates>,
    config: Arc<ServerConfig>,
    told: Mutex<Told>,
}

/// What was told of names that nobody proves here. Anybody can ask for one: not each is a line.
struct Told {
    at: Instant,
    left_out: u64,
}

/// Between two such lines.
const EVERY: Duration = Duration::from_secs(1);

impl Tls {
    pub(crate) fn new(certificates: Arc<Certificates>) -> Result<Self, String> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|err| err.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(certificates.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let told = Mutex::new(Told { at: Instant::now() - EVERY, left_out: 0 });
        Ok(Self { certificates, config: Arc::new(config), told })
    }

    /// The connection once both know each other; an error where that was not to be.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long");
        tokio::time::timeout(HANDSHAKE, self.shake_hands(stream)).await.map_err(|_| late())?
    }

    async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
        let mut start = acceptor.await?;
        if let Err(host) = self.certificates.know(&start.client_hello()) {
            self.tell(&host);
            start.io.write_all(&UNRECOGNIZED_NAME).await?;
            start.io.shutdown().await?;
            return Err(io::Error::other(format!("no certificate for {host}")));
        }
        start.into_stream(self.config.clone()).await
    }
}

impl Tls {
    fn tell(&self, host: &str) {
        let mut told = crate::target::lock(&self.told);
        if told.at.elapsed() < EVERY {
            told.left_out += 1;
            return;
        }
        let more = match std::mem::take(&mut told.left_out) {
            0 => String::new(),
            count => format!(" (and {count} more such requests since)"),
        };
        told.at = Instant::now();
        let _ = writeln!(
            io::stderr(),
            "refused a TLS connection: there is no certificate for {host}{more}"
        );
    }
}

/// Did both agree on HTTP/2?
pub(crate) fn is_h2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}
