//! How an authority is reached: every address is judged by the port `web` before it is gone to, and the connection goes
//! to exactly that one. TLS on the machine's roots, and one more where a directory has its own.

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tow_ports::Web;

/// From the look-up to the last byte.
const LIMIT: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const SIZE: usize = 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Client {
    web: Arc<dyn Web>,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// `root`: PEM of one more root.
    pub(crate) fn new(web: Arc<dyn Web>, root: Option<&str>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for one in CertificateDer::pem_slice_iter(root.unwrap_or_default().as_bytes()) {
            let one = one.map_err(|err| format!("the root of the authority is not PEM: {err}"))?;
            roots.add(one).map_err(|err| format!("the root of the authority: {err}"))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|err| err.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { web, tls: Arc::new(tls) })
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, String> {
        let uri = request.uri().clone();
        if uri.scheme_str() != Some("https") {
            return Err(format!("{uri}: only https is asked"));
        }
        let host = uri.host().ok_or_else(|| format!("{uri} names no host"))?.to_string();
        let port = uri.port_u16().unwrap_or(443);
        let addresses = self.web.resolve(host.trim_matches(['[', ']']), port).await;
        let addresses = addresses.map_err(|err| err.to_string())?;
        let mut last = format!("{host} has no address");
        let mut stream = None;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(connected) => {
                    stream = Some(connected);
                    break;
                }
                Err(err) => last = format!("{host} does not answer: {err}"),
            }
        }
        let stream = stream.ok_or(last)?;
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_string())
            .map_err(|_| format!("{host} is no host name"))?;
        let stream = tokio_rustls::TlsConnector::from(self.tls.clone())
            .connect(name, stream)
            .await
            .map_err(|err| format!("TLS with {host} failed: {err}"))?;
        let broke = |err: &dyn std::fmt::Display| format!("the connection to {host} broke: {err}");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|err| broke(&err))?;
        let exchange = async {
            let (mut parts, body) = request.into_parts();
            let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
            let value = authority.parse().map_err(|_| format!("{host} is no host name"))?;
            parts.headers.insert(http::header::HOST, value);
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            parts.uri = path.parse::<Uri>().map_err(|err| err.to_string())?;
            let response = sender
                .send_request(Request::from_parts(parts, body))
                .await
                .map_err(|err| broke(&err))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, SIZE).collect().await.map_err(|err| broke(&err))?;
            let whole = http::Response::from_parts(parts, Full::new(body.to_bytes()));
            Ok(BytesResponse::from(whole))
        };
        let connection = async {
            let _ = connection.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = exchange => done,
            () = connection => Err(format!("the connection to {host} broke")),
        }
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let late = || format!("no answer within {} s", LIMIT.as_secs());
            let asked = tokio::time::timeout(LIMIT, client.ask(request)).await;
            asked.unwrap_or_else(|_| Err(late())).map_err(|why| Error::Other(why.into()))
        })
    }
}
