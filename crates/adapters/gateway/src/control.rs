//! The control socket: HTTP on a Unix socket in the gateway's folder, open to the gateway's own user.
//!
//! `PUT /routes` (a route set; answers an acknowledgement, or 409, 422 or 503 with a refusal) · `PATCH /routes?boot=B` (a
//! change of what that start serves; the same, acknowledging only what was put, or 412) · `PUT /certificates` (a set
//! of certificates; the same refusals) · `GET /observe` · `GET /healthz` ·
//! `GET /calls?boot=B&after=N` (how often a request began to wait for a first instance; answers once
//! there is more to say than that, or after a while).

use crate::certificates::NotTaken;
use crate::change::Change;
use crate::served::{Gateway, Refusal};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;
use tow_record::{RouteAck, RouteSet};

/// Of a route set: 10,000 routes take about 5 MB.
const SET_SIZE: usize = 64 * 1024 * 1024;

/// A question about calls is answered at the latest after this: whoever asks may be gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a request began to wait for a first instance, since this start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Calls {
    pub(crate) boot: String,
    pub(crate) calls: u64,
}

impl Calls {
    /// The question for more than this.
    pub(crate) fn query(&self) -> String {
        format!("/calls?boot={}&after={}", self.boot, self.calls)
    }
}

/// An acknowledgement, and who gives it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Taken {
    #[serde(flatten)]
    pub(crate) ack: RouteAck,
    /// Of a gateway that does not say, nothing is known that could be changed.
    #[serde(default)]
    pub(crate) boot: String,
}

enum Wanted {
    Set(RouteSet),
    Change(Change),
}

/// Answers until the gateway ends, also while it drains: so that the drain can be watched.
pub(crate) fn open(gateway: &Arc<Gateway>, listener: UnixListener) -> std::io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let gateway = gateway.clone();
    tokio::spawn(async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let gateway = gateway.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let gateway = gateway.clone();
                    async move { Ok::<_, Infallible>(answer(gateway, request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "control connection ended");
                }
            });
        }
    });
    Ok(())
}

async fn answer(gateway: Arc<Gateway>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => json(StatusCode::OK, &serde_json::json!({"ok": true})),
        (&Method::GET, "/observe") => json(StatusCode::OK, &gateway.observe()),
        (&Method::GET, "/calls") => {
            let mut calls = gateway.routes.calls();
            let now = |calls: u64| Calls { boot: gateway.boot().to_string(), calls };
            // The whole question is compared: another start's numbers mean nothing here.
            let asked = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
            let more = calls.wait_for(|calls| now(*calls).query() != asked);
            let _ = tokio::time::timeout(PATIENCE, more).await;
            let calls = *gateway.routes.calls().borrow();
            json(StatusCode::OK, &now(calls))
        }
        (&Method::PUT | &Method::PATCH, "/routes") => {
            let whole = request.method() == Method::PUT;
            let boot = request.uri().query().and_then(|query| query.strip_prefix("boot="));
            let boot = boot.unwrap_or_default().to_string();
            let refused = |message: String| {
                json(StatusCode::UNPROCESSABLE_ENTITY, &Refusal::Refused { message })
            };
            let bytes = match Limited::new(request.into_body(), SET_SIZE).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => return refused(format!("the route set could not be read: {error}")),
            };
            let wanted = if whole {
                serde_json::from_slice(&bytes).map(Wanted::Set)
            } else {
                serde_json::from_slice(&bytes).map(Wanted::Change)
            };
            let wanted = match wanted {
                Ok(wanted) => wanted,
                Err(error) => return refused(format!("this is no route set: {error}")),
            };
            drop(bytes);
            // In its own task: a client that goes away must not leave it half done.
            let applied = tokio::spawn(async move {
                let ack = match wanted {
                    Wanted::Set(set) => gateway.apply(set).await?,
                    Wanted::Change(change) => gateway.change(&boot, change).await?,
                };
                Ok(Taken { ack, boot: gateway.boot().to_string() })
            });
            match applied.await {
                Ok(Ok(taken)) => json(StatusCode::OK, &taken),
                Ok(Err(refusal)) => json(status(&refusal), &refusal),
                Err(error) => json(
                    StatusCode::SERVICE_UNAVAILABLE,
                    &Refusal::Unavailable { message: format!("applying failed: {error}") },
                ),
            }
        }
        (&Method::PUT, "/certificates") => certify(gateway, request.into_body()).await,
        _ => json(StatusCode::NOT_FOUND, &serde_json::json!({})),
    }
}

async fn certify(gateway: Arc<Gateway>, body: Incoming) -> Response<Full<Bytes>> {
    let refuse = |refusal: Refusal| json(status(&refusal), &refusal);
    let bytes = match Limited::new(body, SET_SIZE).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let message = format!("the certificates could not be read: {error}");
            return refuse(Refusal::Refused { message });
        }
    };
    let set = match serde_json::from_slice(&bytes) {
        Ok(set) => set,
        Err(error) => {
            return refuse(Refusal::Refused { message: format!("these are none: {error}") });
        }
    };
    // In its own task: a client that goes away must not leave it half done.
    let taken = tokio::spawn(async move { gateway.certificates.take(set).await }).await;
    refuse(match taken {
        Ok(Ok(())) => return json(StatusCode::OK, &serde_json::json!({})),
        Ok(Err(NotTaken::Fenced { given, seen })) => Refusal::Fenced { given, seen },
        Ok(Err(NotTaken::Unreadable(message))) => Refusal::Refused { message },
        Ok(Err(NotTaken::NotKept(why))) => Refusal::Unavailable {
            message: format!("the certificates could not be kept ({why}); those before are shown"),
        },
        Err(error) => Refusal::Unavailable { message: error.to_string() },
    })
}

fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Fenced { .. } => StatusCode::CONFLICT,
        Refusal::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Elsewhere => StatusCode::PRECONDITION_FAILED,
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
