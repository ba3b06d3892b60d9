//! Requests: one client, deadlines, sizes, redirects.

use crate::connect::{Guarded, plain};
use crate::{Allow, Resolve, System, tls};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::future::Future;
use std::sync::{Arc, OnceLock};
use tow_names::Duration;
use tow_ports::{Answer, Fetched, Web, WebError, WebLimits};
use url::Url;

type Http = Client<HttpsConnector<Guarded>, Full<Bytes>>;

/// So many redirects are followed.
const REDIRECTS: usize = 5;
/// So much of an answer is kept for people.
const EXCERPT: usize = 1024;
/// Heads larger than this are not read.
const HEAD: usize = 64 << 10;
/// Connections are kept for the next request to the same host for so long.
const KEPT: std::time::Duration = std::time::Duration::from_secs(15);
/// No `Retry-After` beyond this is believed.
const LONGEST_WAIT: i64 = 24 * 3600;

/// The web, guarded.
pub struct HttpWeb {
    guard: Guarded,
    trust: Vec<Vec<u8>>,
    /// Made at the first request: reading the system's certificates takes longer than starting.
    http: OnceLock<Result<Http, String>>,
}

impl std::fmt::Debug for HttpWeb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpWeb").field("allow", &self.guard.allow).finish_non_exhaustive()
    }
}

impl HttpWeb {
    /// By the system's resolver and the system's trust.
    pub fn new(allow: Allow) -> Self {
        Self::with(allow, Arc::new(System), Vec::new())
    }

    /// By another resolver, and trusting these certificates (DER) beside the system's.
    pub fn with(allow: Allow, resolve: Arc<dyn Resolve>, trust: Vec<Vec<u8>>) -> Self {
        let guard = Guarded { allow: Arc::new(allow), resolve };
        Self { guard, trust, http: OnceLock::new() }
    }

    fn http(&self, host: &str) -> Result<&Http, WebError> {
        let made = self.http.get_or_init(|| {
            let config = tls::config(&self.trust).map_err(|error| error.to_string())?;
            let connector = hyper_rustls::HttpsConnectorBuilder::new()
                .with_tls_config(config)
                .https_or_http()
                .enable_http1()
                .wrap_connector(self.guard.clone());
            let mut builder = Client::builder(TokioExecutor::new());
            builder
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(KEPT)
                .pool_max_idle_per_host(2)
                .http1_max_buf_size(HEAD);
            Ok(builder.build(connector))
        });
        made.as_ref().map_err(|why| WebError::Tls { host: host.into(), why: why.clone() })
    }

    async fn send(
        &self,
        host: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, WebError> {
        self.http(host)?.request(request).await.map_err(|error| why(host, &error))
    }

    /// The URL, if it is one that is asked.
    fn admitted(&self, text: &str) -> Result<Url, WebError> {
        let bad = |why: &str| WebError::Url { url: shown(text), why: why.into() };
        let mut url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("only http and https are asked"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("a user or password does not belong into a URL"));
        }
        url.set_fragment(None);
        let refused = |host: &str, what: &str| WebError::Refused {
            host: host.into(),
            address: host.into(),
            what: what.into(),
        };
        // Literal addresses, however they are spelt: the URL parser has made them canonical.
        let address = match url.host() {
            None => return Err(bad("it names no host")),
            Some(url::Host::Domain(name)) => {
                return match self.guard.allow.refuses_name(name) {
                    Some(what) => Err(refused(name, what)),
                    None => Ok(url),
                };
            }
            Some(url::Host::Ipv4(v4)) => std::net::IpAddr::V4(v4),
            Some(url::Host::Ipv6(v6)) => std::net::IpAddr::V6(v6),
        };
        let host = address.to_string();
        match self.guard.allow.refuses(&host, address) {
            Some(what) => Err(refused(&host, what)),
            None => Ok(url),
        }
    }

    async fn follow(
        &self,
        url: &str,
        etag: Option<&str>,
        limits: WebLimits,
    ) -> Result<Fetched, WebError> {
        let mut url = self.admitted(url)?;
        for _ in 0..=REDIRECTS {
            let host = host_of(&url);
            let mut request = asking(Method::GET, &url);
            if let Some(etag) = etag {
                request = request.header(header::IF_NONE_MATCH, etag);
            }
            let response = self.send(&host, finished(request, &url, Bytes::new())?).await?;
            let status = response.status();
            if status == StatusCode::NOT_MODIFIED && etag.is_some() {
                return Ok(Fetched::NotModified);
            }
            if status == StatusCode::OK {
                return fetched(&host, response, limits).await;
            }
            let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
            let leads_on = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
            let Some(to) = to.filter(|_| leads_on) else {
                return Err(WebError::Status { host, status: status.as_u16() });
            };
            let stop = |why: String| WebError::Redirect { to: shown(to), why };
            let next = url.join(to).map_err(|error| stop(error.to_string()))?;
            if url.scheme() == "https" && next.scheme() == "http" {
                return Err(stop("it would leave https".into()));
            }
            url = self.admitted(next.as_str())?;
        }
        Err(WebError::Redirect { to: shown(url.as_str()), why: "there were five before".into() })
    }
}

#[async_trait]
impl Web for HttpWeb {
    fn check(&self, url: &str) -> Result<(), WebError> {
        self.admitted(url).map(|_| ())
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<std::net::SocketAddr>, WebError> {
        self.guard.addresses(host.trim_start_matches('[').trim_end_matches(']'), port).await
    }

    async fn get(
        &self,
        url: &str,
        etag: Option<&str>,
        limits: WebLimits,
    ) -> Result<Fetched, WebError> {
        within(url, limits.total, self.follow(url, etag, limits)).await
    }

    async fn post(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: Bytes,
        limits: WebLimits,
    ) -> Result<Answer, WebError> {
        let send = async {
            let to = self.admitted(url)?;
            let host = host_of(&to);
            let mut request = asking(Method::POST, &to);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let response = self.send(&host, finished(request, &to, body)?).await?;
            let status = response.status().as_u16();
            let wait = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
            let wait = wait.and_then(|v| v.trim().parse::<i64>().ok());
            let retry_after = wait.map(|s| Duration::from_secs(s.clamp(0, LONGEST_WAIT)));
            let excerpt = excerpt(response.into_body(), limits.idle).await;
            Ok(Answer { status, excerpt, retry_after })
        };
        within(url, limits.total, send).await
    }
}

fn asking(method: Method, url: &Url) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(header::USER_AGENT, concat!("towpath/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT_ENCODING, "identity")
}

fn finished(
    request: http::request::Builder,
    url: &Url,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, WebError> {
    let bad =
        |error: http::Error| WebError::Url { url: shown(url.as_str()), why: error.to_string() };
    request.body(Full::new(body)).map_err(bad)
}

async fn within<T>(
    url: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, WebError>>,
) -> Result<T, WebError> {
    match tokio::time::timeout(limit.std(), work).await {
        Ok(done) => done,
        Err(_) => Err(WebError::Timeout {
            host: Url::parse(url).map(|url| host_of(&url)).unwrap_or_default(),
            what: "all in all".into(),
            limit,
        }),
    }
}

async fn fetched(
    host: &str,
    response: Response<Incoming>,
    limits: WebLimits,
) -> Result<Fetched, WebError> {
    let coded = response.headers().get(header::CONTENT_ENCODING);
    if coded.is_some_and(|coding| coding != "identity") {
        let why = "the body is compressed, although that was not asked for".into();
        return Err(WebError::Broken { host: host.into(), why });
    }
    let etag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let etag = etag.filter(|tag| tag.len() <= EXCERPT).map(String::from);
    let mut body = response.into_body();
    let mut bytes = BytesMut::new();
    loop {
        let waited = || WebError::Timeout {
            host: host.into(),
            what: "for the next piece".into(),
            limit: limits.idle,
        };
        let frame = tokio::time::timeout(limits.idle.std(), body.frame()).await;
        let Some(frame) = frame.map_err(|_| waited())? else { break };
        let frame = frame.map_err(|error| broken(host, &error))?;
        if let Some(piece) = frame.data_ref() {
            if (bytes.len() + piece.len()) as u64 > limits.size {
                return Err(WebError::TooLarge { host: host.into(), limit: limits.size });
            }
            bytes.extend_from_slice(piece);
        }
    }
    Ok(Fetched::Body { bytes: bytes.freeze(), etag })
}

/// The beginning of what was said. The answer is in its status: whatever goes wrong here is only less to read.
async fn excerpt(mut body: Incoming, idle: Duration) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < EXCERPT {
        let Ok(Some(Ok(frame))) = tokio::time::timeout(idle.std(), body.frame()).await else {
            break;
        };
        if let Some(piece) = frame.data_ref() {
            bytes.extend_from_slice(&piece[..piece.len().min(EXCERPT - bytes.len())]);
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_string()
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_string()
}

/// A URL in an error: what could be a secret stays out.
fn shown(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let text = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}…{}", &text[..scheme + 3], &text[at..])
        }
        _ => text.to_string(),
    };
    text.chars().take(200).collect()
}

fn broken(host: &str, error: &(dyn std::error::Error + 'static)) -> WebError {
    WebError::Broken { host: host.into(), why: plain(innermost(error)) }
}

fn innermost<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> &'e (dyn std::error::Error + 'static) {
    let mut at = error;
    while let Some(next) = at.source() {
        at = next;
    }
    at
}

/// Ours where the guard spoke, TLS where that failed, else that the connection broke.
fn why(host: &str, error: &(dyn std::error::Error + 'static)) -> WebError {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(own) = error.downcast_ref::<WebError>() {
            return own.clone();
        }
        // An error of the machine hides what it was made from, and may hide another of its kind.
        let mut inner = error;
        while let Some(next) = inner.downcast_ref().and_then(std::io::Error::get_ref) {
            inner = next;
        }
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return WebError::Tls { host: host.into(), why: tls.to_string() };
        }
        at = error.source();
    }
    broken(host, error)
}
