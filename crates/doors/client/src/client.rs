//! One HTTP client and one `call` for all endpoints.

use crate::{ClientError, Trust, path};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tow_api::{Endpoint, Method, source};
use tow_names::Id;
use tow_record::{Problem, Source};

/// The pieces of a folder's archive, in order.
pub type Upload = BoxStream<'static, std::io::Result<Bytes>>;

type Body = BoxBody<Bytes, std::io::Error>;

/// How often a request is sent again, with the same idempotency key, after its connection broke.
const RETRIES: u32 = 3;
/// Longer than the longest long poll, so that only a dead peer runs into it.
const PATIENCE: Duration = Duration::from_secs(120);
/// No answer of ours is larger.
const LARGEST: usize = 256 << 20;

/// Calls a platform. Cheap to clone; connections are kept and shared. Never goes through a proxy.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    authorization: Option<HeaderValue>,
    http: legacy::Client<HttpsConnector<HttpConnector>, Body>,
}

impl Client {
    /// A client of the platform at `base_url` (`http://host:port` or `https://host`), acting by `token`, which believes
    /// whom the machine believes.
    pub fn new(base_url: &str, token: Option<&str>) -> Result<Self, ClientError> {
        Self::trusting(base_url, token, &Trust::default())
    }

    /// The same, believing others too.
    pub fn trusting(
        base_url: &str,
        token: Option<&str>,
        trust: &Trust,
    ) -> Result<Self, ClientError> {
        let bad = |reason: &str| ClientError::Url { url: base_url.into(), reason: reason.into() };
        let base = base_url.trim_end_matches('/').to_string();
        let uri: Uri = base.parse().map_err(|_| bad("it is not a URL"))?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("expected http://host:port or https://host")),
        };
        if uri.path().len() > 1 || uri.query().is_some() {
            return Err(bad("expected http://host:port or https://host, without a path"));
        }
        let authorization = match token {
            Some(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                    .map_err(|_| bad("the token holds characters that no token has"))?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let config = trust.config(https).map_err(|error| bad(&error.to_string()))?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { base, authorization, http })
    }

    /// The platform's URL, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Calls an endpoint. A write carries a fresh idempotency key, which is kept when the request is sent again
    /// because its connection broke: it is done once, and answered.
    pub async fn call<E: Endpoint>(
        &self,
        path: &E::Path,
        query: &E::Query,
        body: &E::Body,
    ) -> Result<E::Reply, ClientError> {
        let target = self.target::<E>(path, query)?;
        let writes = E::METHOD != Method::Get;
        let key = writes.then(|| Id::fresh("key").to_string());
        let json = if writes {
            let value =
                serde_json::to_value(body).map_err(|e| ClientError::Source(e.to_string()))?;
            let empty = value.as_object().is_some_and(serde_json::Map::is_empty);
            if empty { Bytes::new() } else { Bytes::from(value.to_string()) }
        } else {
            Bytes::new()
        };
        let mut left = RETRIES;
        let mut sent = false;
        loop {
            let mut request = self.request(E::METHOD, &target);
            if let Some(key) = &key {
                request = request.header("idempotency-key", key);
            }
            if !json.is_empty() {
                request = request.header(header::CONTENT_TYPE, "application/json");
            }
            let body = Full::new(json.clone()).map_err(|never| match never {}).boxed();
            let request = request.body(body).map_err(|e| ClientError::Source(e.to_string()))?;
            let answer = async { self.read::<E::Reply>(self.send(request).await?).await };
            let answer = match tokio::time::timeout(PATIENCE, answer).await {
                Ok(answer) => answer,
                Err(_) => Err(self.interrupted("no answer within two minutes")),
            };
            match answer {
                Err(ClientError::Interrupted { .. }) if left > 0 => sent = true,
                // Once something was sent, the platform may be coming up again: worth a little patience.
                Err(ClientError::Unreachable { .. }) if left > 0 && sent => {}
                other => return other,
            }
            pause(Duration::from_millis(100 << (2 * (RETRIES - left)))).await;
            left -= 1;
        }
    }

    /// Uploads a folder's archive. Sent once: a stream can't be sent again.
    pub async fn upload(
        &self,
        query: &source::upload::Query,
        archive: Upload,
    ) -> Result<Source, ClientError> {
        type E = source::upload::UploadSource;
        let target = self.target::<E>(&tow_api::Nothing {}, query)?;
        let request = self
            .request(<E as Endpoint>::METHOD, &target)
            .header(header::CONTENT_TYPE, "application/x-tar")
            .header("idempotency-key", Id::fresh("key").to_string());
        let body = StreamBody::new(archive.map(|piece| piece.map(Frame::data)));
        // The stream is Send but not Sync, which the boxed body asks for.
        let body = BodyExt::boxed(SyncBody(std::sync::Mutex::new(Box::pin(body))));
        let request = request.body(body).map_err(|e| ClientError::Source(e.to_string()))?;
        self.read(self.send(request).await?).await
    }

    /// Uploads an archive that lies in a file, from where the file stands.
    pub async fn upload_file(
        &self,
        query: &source::upload::Query,
        file: std::fs::File,
    ) -> Result<Source, ClientError> {
        let file = tokio::fs::File::from_std(file);
        self.upload(query, tokio_util::io::ReaderStream::with_capacity(file, 256 << 10).boxed())
            .await
    }

    /// Opens a stream of server-sent events; the body is read by [`crate::sse`].
    pub(crate) async fn open<E: Endpoint>(
        &self,
        path: &E::Path,
        query: &E::Query,
        last_id: Option<&str>,
    ) -> Result<Incoming, ClientError> {
        let target = self.target::<E>(path, query)?;
        let mut request =
            self.request(E::METHOD, &target).header(header::ACCEPT, "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed();
        let request = request.body(body).map_err(|e| ClientError::Source(e.to_string()))?;
        let response = self.send(request).await?;
        if response.status() == StatusCode::OK {
            return Ok(response.into_body());
        }
        Err(match self.read::<serde_json::Value>(response).await {
            Err(error) => error,
            Ok(_) => self.foreign(200, "expected a stream"),
        })
    }

    /// Asks to go on with another protocol; the answer, if the platform agreed.
    pub(crate) async fn upgrade<E: Endpoint>(
        &self,
        path: &E::Path,
        query: &E::Query,
        headers: impl IntoIterator<Item = (header::HeaderName, HeaderValue)>,
    ) -> Result<Response<Incoming>, ClientError> {
        let target = self.target::<E>(path, query)?;
        let mut request = self.request(E::METHOD, &target);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed();
        let request = request.body(body).map_err(|e| ClientError::Source(e.to_string()))?;
        let response = self.send(request).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        let status = response.status().as_u16();
        Err(match self.read::<serde_json::Value>(response).await {
            Err(error) => error,
            Ok(_) => self.foreign(status, "expected another protocol"),
        })
    }

    fn target<E: Endpoint>(&self, path: &E::Path, query: &E::Query) -> Result<String, ClientError> {
        let target = path::target(E::PATH, path, query).map_err(ClientError::Source)?;
        Ok(format!("{}{target}", self.base))
    }

    fn request(&self, method: Method, target: &str) -> http::request::Builder {
        let mut request = Request::builder().method(method.as_str()).uri(target);
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value.clone());
        }
        request.header(header::USER_AGENT, concat!("tow/", env!("CARGO_PKG_VERSION")))
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, ClientError> {
        self.http.request(request).await.map_err(|error| {
            if let Some(reason) = distrust(&error) {
                return ClientError::Tls { url: self.base.clone(), reason };
            }
            let reason = innermost(&error);
            if error.is_connect() {
                ClientError::Unreachable { url: self.base.clone(), reason }
            } else {
                self.interrupted(&reason)
            }
        })
    }

    async fn read<R: serde::de::DeserializeOwned>(
        &self,
        response: Response<Incoming>,
    ) -> Result<R, ClientError> {
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST)
            .collect()
            .await
            .map_err(|error| self.interrupted(&innermost(error.as_ref())))?
            .to_bytes();
        if status.is_success() {
            let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
            return serde_json::from_slice(text)
                .map_err(|error| self.foreign(status.as_u16(), &error.to_string()));
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(ClientError::Problem(Box::new(problem))),
            Err(error) => Err(self.foreign(status.as_u16(), &error.to_string())),
        }
    }

    pub(crate) fn interrupted(&self, reason: &str) -> ClientError {
        ClientError::Interrupted { url: self.base.clone(), reason: reason.into() }
    }

    pub(crate) fn foreign(&self, status: u16, reason: &str) -> ClientError {
        ClientError::Foreign { url: self.base.clone(), status, reason: reason.into() }
    }
}

/// A body that only its owner polls: the lock is never contended, it is there for `Sync`.
struct SyncBody<B>(std::sync::Mutex<std::pin::Pin<Box<B>>>);

impl<B: BodyExt<Data = Bytes, Error = std::io::Error>> hyper::body::Body for SyncBody<B> {
    type Data = Bytes;
    type Error = std::io::Error;
    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let body = self.get_mut().0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        body.as_mut().poll_frame(cx)
    }
}

/// Why the other side was not believed, where that is the cause.
fn distrust(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut at = Some(error);
    while let Some(error) = at {
        // An error of the machine hides what it was made from, and may hide another of its kind.
        let mut inner = error;
        while let Some(next) = inner.downcast_ref().and_then(std::io::Error::get_ref) {
            inner = next;
        }
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return Some(tls.to_string());
        }
        at = error.source();
    }
    None
}

/// The last cause of an error: what the machine said, without its number.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut at = error;
    while let Some(next) = at.source() {
        at = next;
    }
    let text = at.to_string();
    text.split(" (os error ").next().unwrap_or(&text).to_string()
}

/// Waits before a request is sent again.
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
