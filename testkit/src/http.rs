//! Requests through the real router, decoded and encoded as on the wire, without a socket.

use crate::TestPlatform;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tower::ServiceExt as _;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; null where it is no JSON.
    pub body: Value,
}

/// An answer whose body goes on, such as a stream of events.
#[derive(Debug)]
pub struct Open {
    /// The status.
    pub status: StatusCode,
    body: http_body_util::combinators::UnsyncBoxBody<Bytes, String>,
}

impl Open {
    /// The next piece of the body; none at its end.
    pub async fn next(&mut self) -> Option<Bytes> {
        let frame = self.body.frame().await?.ok()?;
        Some(frame.into_data().unwrap_or_default())
    }
}

impl TestPlatform {
    /// Opens a stream as the holder of a token.
    pub async fn open(&self, token: &str, path: &str) -> Open {
        let request = Request::builder()
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::new(Bytes::new()))
            .expect("a request is well formed");
        let router = self.platform().router.clone();
        let answer = router.oneshot(request).await.expect("a router always answers");
        Open {
            status: answer.status(),
            body: answer.into_body().map_err(|error| error.to_string()).boxed_unsync(),
        }
    }

    /// Sends a request with JSON or nothing in it; with a token, as its holder.
    pub async fn http(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(|body| ("application/json", Bytes::from(body.to_string())));
        self.http_bytes(token, method, path, body).await
    }

    /// Sends a request with a body of any type. The body of an answer that never ends is not read.
    pub async fn http_bytes(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Option<(&str, Bytes)>,
    ) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut bytes = Bytes::new();
        if let Some((kind, body)) = body {
            request = request.header(header::CONTENT_TYPE, kind);
            bytes = body;
        }
        let request = request.body(Full::new(bytes)).expect("a request is well formed");
        let router = self.platform().router.clone();
        let answer = router.oneshot(request).await.expect("a router always answers");
        let status = answer.status();
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Answer { status, body: Value::Null };
        }
        let bytes = answer.into_body().collect().await.map(http_body_util::Collected::to_bytes);
        let body = serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or(Value::Null);
        Answer { status, body }
    }
}
