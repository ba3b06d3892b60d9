//! Answers and errors in Backstage's form: `{"error": {name, message}, "request": …, "response": {statusCode}}`.

use crate::answer::{Refusal, json};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::{StatusCode, header};
use serde_json::json;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use tow_app::{App, AppError, OpCtx};
use tow_record::Right;
use tracing::Instrument as _;

use crate::layers::who;

/// Why a request was refused.
#[derive(Debug)]
pub(super) struct Refused {
    status: u16,
    message: String,
}

impl Refused {
    /// The request is not as it should be.
    pub(super) fn input(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    /// It is there already.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self { status: 409, message: message.into() }
    }

    const fn name(status: u16) -> &'static str {
        match status {
            400 => "InputError",
            401 => "AuthenticationError",
            403 => "NotAllowedError",
            404 => "NotFoundError",
            409 => "ConflictError",
            501 => "NotImplementedError",
            503 => "ServiceUnavailableError",
            _ => "Error",
        }
    }

    fn response(self, method: &str, url: &str) -> Response {
        let body = json!({
            "error": { "name": Self::name(self.status), "message": self.message },
            "request": { "method": method, "url": url },
            "response": { "statusCode": self.status },
        });
        let mut response = json(self.status, &body);
        if self.status == 401 {
            let value = http::HeaderValue::from_static("Bearer realm=\"towpath\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

impl From<AppError> for Refused {
    fn from(error: AppError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let problem = refusal.0;
        // What is not as it should be is one status there.
        let status = match problem.status {
            413 | 415 | 422 => 400,
            other => other,
        };
        let message = match &problem.hint {
            Some(hint) if status < 500 => format!("{}; {hint}", problem.detail),
            _ => problem.detail,
        };
        Self { status, message }
    }
}

/// A request once it is known who asks.
pub(super) struct Asked {
    pub(super) app: App,
    pub(super) ctx: OpCtx,
    pub(super) request: Request,
}

/// Answers a request of somebody who may read; the work of one that writes is finished even if the asker goes away.
pub(super) async fn answer<F>(
    State(app): State<App>,
    request: Request,
    writes: bool,
    work: impl FnOnce(Asked) -> F,
) -> Response
where
    F: Future<Output = Result<Response, Refused>> + Send + 'static,
{
    let method = request.method().to_string();
    let url = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let url = url.strip_prefix("/api/catalog").unwrap_or(url).to_string();
    let (parts, body) = request.into_parts();
    let admitted = who::context(&parts).map_err(Refused::from).and_then(|ctx| {
        app.admit(&ctx, Right::Read)?;
        Ok(ctx)
    });
    let ctx = match admitted {
        Ok(ctx) => ctx,
        Err(refused) => return refused.response(&method, &url),
    };
    let work = work(Asked { app, ctx, request: Request::from_parts(parts, body) });
    let work = AssertUnwindSafe(work).catch_unwind().in_current_span();
    let done = if writes {
        tokio::spawn(work).await.unwrap_or_else(|error| Err(Box::new(error)))
    } else {
        work.await
    };
    match done {
        Ok(Ok(response)) => response,
        Ok(Err(refused)) => refused.response(&method, &url),
        Err(_) => {
            tracing::error!(%url, "a use-case panicked");
            Refused::from(Refusal::broken()).response(&method, &url)
        }
    }
}

/// A JSON text as it is.
pub(super) fn text(status: StatusCode, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}

/// No body at all.
pub(super) fn empty(status: StatusCode) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")]).into_response()
}
