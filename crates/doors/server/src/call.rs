//! The one handler of all plain endpoints: decode, `app.handle`, encode.

use crate::answer::{Refusal, json};
use crate::decode;
use crate::layers::who;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::HeaderMap;
use std::panic::AssertUnwindSafe;
use tow_api::Endpoint;
use tow_app::{App, Call, Handle};
use tracing::Instrument;

/// Answers a request of endpoint `E`.
pub(crate) async fn call<E: Endpoint>(State(app): State<App>, request: Request) -> Response
where
    App: Handle<E>,
{
    match decode_and_handle::<E>(app, request).await {
        Ok(reply) => json(E::OK, &reply),
        Err(refusal) => refusal.into_response(),
    }
}

async fn decode_and_handle<E: Endpoint>(app: App, request: Request) -> Result<E::Reply, Refusal>
where
    App: Handle<E>,
{
    let (mut parts, body) = request.into_parts();
    // Who asks comes first: nobody learns from decoding errors what they may not call.
    let ctx = who::context(&parts)?;
    app.admit(&ctx, E::ACTION)?;
    let call = Call::<E> {
        path: decode::path(&mut parts).await?,
        query: decode::query(&parts)?,
        body: decode::body(&parts.headers, body).await?,
        idempotency_key: idempotency_key(&parts.headers)?,
    };
    let work = async move { app.handle(&ctx, call).await };
    let work = AssertUnwindSafe(work).catch_unwind().in_current_span();
    // A reader who goes away is not read for; a writer's request is finished even if the connection is dropped.
    let outcome = if E::WRITES {
        tokio::spawn(work).await.map_err(|_| Refusal::broken())?
    } else {
        work.await
    };
    match outcome {
        Ok(answer) => Ok(answer?),
        Err(_) => {
            tracing::error!(endpoint = E::ID, "a use-case panicked");
            Err(Refusal::broken())
        }
    }
}

/// The header `Idempotency-Key`: 1 to 200 visible ASCII characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(text.to_string()));
    }
    Err(Refusal::new(
        "request/idempotency-key",
        "the header Idempotency-Key must be 1 to 200 visible ASCII characters",
    ))
}
