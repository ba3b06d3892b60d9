//! Asking an engine: one request, one connection, over its socket. Answers are read as plain JSON, by the few names that
//! matter here: engines of every make and age say more, less and other words than any list of types knows, and one
//! unknown word must not hide a container from whoever looks after it.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an ordinary answer may take: starting a container on a busy machine takes seconds.
const ANSWER: Duration = Duration::from_secs(120);
/// More of an answer is not read.
const LONGEST: usize = 32 * 1024 * 1024;
/// What is sent.
pub(crate) type Sent = BoxBody<Bytes, std::io::Error>;
/// What stays as it is in a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers: it may be back later.
    #[error("{0}")]
    Away(String),
    /// It says no, in its own words.
    #[error("{message}")]
    Says {
        /// As HTTP has it.
        status: u16,
        /// Its words.
        message: String,
    },
}

impl EngineError {
    /// There is no such thing.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Says { status: 404, .. })
    }

    /// It is so already, or another has the name.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Says { status: 409 | 304, .. })
    }
}

/// An engine, by its socket.
#[derive(Debug, Clone)]
pub struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The one behind this socket; nothing is asked yet.
    pub const fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    pub(crate) fn away(&self, what: &dyn std::fmt::Display) -> EngineError {
        EngineError::Away(format!(
            "the container engine at {} does not answer: {what}",
            self.socket.display()
        ))
    }

    /// Sends a request; the answer's head, whatever it says.
    pub(crate) async fn send(
        &self,
        request: Request<Sent>,
        limit: Option<Duration>,
    ) -> Result<Response<Incoming>, EngineError> {
        let stream = tokio::time::timeout(CONNECT, UnixStream::connect(&self.socket))
            .await
            .map_err(|_| self.away(&"no connection in time"))?
            .map_err(|err| self.away(&err))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|err| self.away(&err))?;
        tokio::spawn(connection.with_upgrades());
        let answer = sender.send_request(request);
        match limit {
            Some(limit) => tokio::time::timeout(limit, answer)
                .await
                .map_err(|_| self.away(&format!("no answer within {} s", limit.as_secs())))?,
            None => answer.await,
        }
        .map_err(|err| self.away(&err))
    }

    /// The answer's body where it says yes; else its words.
    pub(crate) async fn judge(
        &self,
        answer: Response<Incoming>,
    ) -> Result<Response<Incoming>, EngineError> {
        let status = answer.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(answer);
        }
        let bytes = self.body(answer).await?;
        let said = serde_json::from_slice::<Value>(&bytes).ok();
        let message = said.as_ref().and_then(|said| said["message"].as_str()).map_or_else(
            || String::from_utf8_lossy(&bytes).trim().to_string(),
            |message| message.trim().to_string(),
        );
        let message = if message.is_empty() {
            format!("it refuses with status {} and without a word", status.as_u16())
        } else {
            message
        };
        Err(EngineError::Says { status: status.as_u16(), message })
    }

    async fn body(&self, answer: Response<Incoming>) -> Result<Bytes, EngineError> {
        let limited = http_body_util::Limited::new(answer.into_body(), LONGEST);
        let whole = tokio::time::timeout(ANSWER, limited.collect()).await;
        let whole = whole.map_err(|_| self.away(&"the answer does not end"))?;
        whole.map(http_body_util::Collected::to_bytes).map_err(|err| self.away(&err))
    }

    pub(crate) fn request(
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Sent>, EngineError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "engine")
            .header(header::CONTENT_TYPE, "application/json");
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        request.body(whole(bytes)).map_err(|err| refused(&format!("{path}: {err}")))
    }

    /// Asks and reads the whole answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, EngineError> {
        let answer = self.send(Self::request(method, path, body)?, Some(ANSWER)).await?;
        let bytes = self.body(self.judge(answer).await?).await?;
        Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// A look that must be short.
    pub async fn glance(&self, path: &str, limit: Duration) -> Result<Value, EngineError> {
        let look = self.ask(Method::GET, path, None);
        tokio::time::timeout(limit, look).await.map_err(|_| self.away(&"no answer in time"))?
    }

    /// Is there such a thing?
    pub async fn knows(&self, path: &str) -> Result<bool, EngineError> {
        let answer = self.send(Self::request(Method::HEAD, path, None)?, Some(ANSWER)).await?;
        Ok(answer.status() != StatusCode::NOT_FOUND)
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Result<Value, EngineError> {
        self.ask(Method::GET, path, None).await
    }

    /// Does.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, EngineError> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Waits for the head of an answer as long as it takes, and hands on its body as it comes.
    pub async fn stream(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Incoming, EngineError> {
        let mut request = Self::request(method, path, None)?;
        for (name, value) in headers {
            let value = value.parse().map_err(|err| refused(&format!("{name}: {err}")))?;
            request.headers_mut().insert(*name, value);
        }
        let answer = self.send(request, None).await?;
        Ok(self.judge(answer).await?.into_body())
    }

    /// Sends an archive.
    pub async fn upload(&self, path: &str, archive: Vec<u8>) -> Result<Value, EngineError> {
        let mut request = Self::request(Method::POST, path, None)?;
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/x-tar"));
        *request.body_mut() = whole(Bytes::from(archive));
        let answer = self.send(request, Some(ANSWER)).await?;
        let bytes = self.body(self.judge(answer).await?).await?;
        // A list of values, one beside the other; trouble is told in the last one.
        let mut last = Value::Null;
        for value in serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>().flatten() {
            if let Some(error) = value["error"].as_str() {
                return Err(refused(error));
            }
            last = value;
        }
        Ok(last)
    }

    /// Asks for a connection of its own and takes it over.
    pub async fn take_over(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<TokioIo<Upgraded>, EngineError> {
        let mut request = Self::request(Method::POST, path, Some(body))?;
        let headers = request.headers_mut();
        headers.insert(header::CONNECTION, http::HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, http::HeaderValue::from_static("tcp"));
        let answer = self.judge(self.send(request, Some(ANSWER)).await?).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refused("it does not hand over a connection for a command's streams"));
        }
        hyper::upgrade::on(answer).await.map(TokioIo::new).map_err(|err| self.away(&err))
    }
}

fn whole(bytes: Bytes) -> Sent {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

pub(crate) fn refused(message: &str) -> EngineError {
    EngineError::Says { status: 400, message: message.to_string() }
}

/// As part of a query.
pub fn escaped(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}
