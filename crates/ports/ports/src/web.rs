//! The web outside: what is fetched from it and what is sent to it. Addresses that lead into the machine or its network
//! are refused by the adapter unless the platform's configuration allows them; nobody above can ask for an exception.

use async_trait::async_trait;
use bytes::Bytes;
use tow_names::Duration;

/// How long and how much, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebLimits {
    /// From the first look-up to the last byte, redirects included.
    pub total: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// Bytes of a fetched body.
    pub size: u64,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It is as it was when it had the ETag that was sent along.
    NotModified,
    /// What it is now.
    Body {
        /// As sent; never decompressed.
        bytes: Bytes,
        /// To be sent along the next time, where the other side gives one.
        etag: Option<String>,
    },
}

/// What was answered to something sent: whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The beginning of the body as text, for people; at most 1,024 bytes.
    pub excerpt: String,
    /// Seconds to wait before the next try, where the other side asks for it (`Retry-After` in seconds).
    pub retry_after: Option<Duration>,
}

/// Why nothing was fetched, or why it is not known what became of what was sent. For people, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// Not a URL that is asked at all.
    #[error("{url:?} is not asked: {why}")]
    Url {
        /// As given.
        url: String,
        /// Such as another scheme than http and https.
        why: String,
    },
    /// It leads where nobody outside should lead us.
    #[error("{host} leads to {address}, {what}; an operator allows it with tow up --allow-address")]
    Refused {
        /// The host of the URL.
        host: String,
        /// The address it stands for; the host again where the name alone is refused.
        address: String,
        /// Such as «a private address».
        what: String,
    },
    /// It leads on, and there we do not go.
    #[error("a redirect to {to} is not followed: {why}")]
    Redirect {
        /// Where to.
        to: String,
        /// Why not.
        why: String,
    },
    /// The name is not known.
    #[error("the name {host} was not found: {why}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver says.
        why: String,
    },
    /// Nobody answers there: nothing was sent.
    #[error("{host} does not answer: {why}")]
    Connect {
        /// The host.
        host: String,
        /// What the machine says.
        why: String,
    },
    /// Who answers could not prove to be who was asked: nothing was sent.
    #[error("TLS with {host} failed: {why}")]
    Tls {
        /// The host.
        host: String,
        /// What was wrong.
        why: String,
    },
    /// It took longer than allowed.
    #[error("{host} took longer than {limit} ({what})")]
    Timeout {
        /// The host.
        host: String,
        /// What was being waited for.
        what: String,
        /// The limit.
        limit: Duration,
    },
    /// It is larger than allowed.
    #[error("{host} sends more than {limit} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The limit.
        limit: u64,
    },
    /// A fetch was answered, but not with what was asked for.
    #[error("{host} answered {status}")]
    Status {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("the connection to {host} broke: {why}")]
    Broken {
        /// The host.
        host: String,
        /// What happened.
        why: String,
    },
}

impl WebError {
    /// May what was sent have arrived all the same?
    pub const fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::TooLarge { .. } | Self::Broken { .. })
    }
}

/// Asks others over HTTP: only `http` and `https`, never through a proxy to this machine, never decompressing.
#[async_trait]
pub trait Web: Send + Sync {
    /// Could this URL be asked, as far as its text tells? Looks no name up.
    fn check(&self, url: &str) -> Result<(), WebError>;
    /// The addresses that a host stands for and that may be gone to: for what reaches them by itself, and is then held to
    /// exactly these.
    async fn resolve(&self, host: &str, _port: u16) -> Result<Vec<std::net::SocketAddr>, WebError> {
        Err(WebError::Dns { host: host.into(), why: "no names are looked up here".into() })
    }
    /// Fetches. `etag`: of the last time. At most five redirects are followed, never from https to http, each of them
    /// checked as the first address was.
    async fn get(
        &self,
        url: &str,
        etag: Option<&str>,
        limits: WebLimits,
    ) -> Result<Fetched, WebError>;
    /// Sends `body`. A redirect is an answer and is not followed: what is sent goes to whom it was meant for.
    async fn post(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: Bytes,
        limits: WebLimits,
    ) -> Result<Answer, WebError>;
}
