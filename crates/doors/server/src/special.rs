//! The endpoints with a form of their own: an archive as body, and server-sent events as answer.

use crate::answer::{Refusal, json};
use crate::decode;
use crate::layers::who;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response};
use axum::routing;
use futures::{Stream, StreamExt, stream};
use http::{HeaderValue, header};
use std::convert::Infallible;
use std::time::Duration;
use tow_api::event::stream::StreamEvents;
use tow_api::instance::exec::ExecInstance;
use tow_api::location::push::{PushLocation, SIGNATURE};
use tow_api::log::stream::StreamLogs;
use tow_api::source::upload::UploadSource;
use tow_api::{Endpoint, Nothing};
use tow_app::App;
use tow_ports::{ByteStream, PortError};
use tracing::Instrument;

/// Adds them to the others.
pub(crate) fn routes(router: Router<App>) -> Router<App> {
    router
        .route(UploadSource::PATH, routing::put(upload))
        .route(PushLocation::PATH, routing::post(push))
        .route(ExecInstance::PATH, routing::get(crate::exec::exec))
        .route(StreamLogs::PATH, routing::get(logs))
        .route(StreamEvents::PATH, routing::get(events))
}

async fn upload(State(app): State<App>, request: Request) -> Response {
    let work = async move {
        let (parts, body) = request.into_parts();
        let ctx = who::context(&parts)?;
        app.admit(&ctx, UploadSource::ACTION)?;
        let query = decode::query(&parts)?;
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if kind != Some("application/x-tar") {
            return Err(Refusal::new(
                "request/content-type",
                format!(
                    "the body is said to be {:?}, expected application/x-tar",
                    kind.unwrap_or("")
                ),
            ));
        }
        let bytes: ByteStream = body
            .into_data_stream()
            .map(|piece| {
                piece.map_err(|e| PortError::Refused(format!("the upload broke off: {e}")))
            })
            .boxed();
        let answer = app.upload_source(&ctx, query, bytes).await;
        answer.map_err(Refusal::from)
    };
    // As with every write: finished even if the answer can't be delivered.
    match tokio::spawn(work.in_current_span()).await {
        Ok(Ok(source)) => json(UploadSource::OK, &source),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => Refusal::broken().into_response(),
    }
}

/// Needs no token: the signature is the right. The body is the forge's own and only its bytes count.
async fn push(State(app): State<App>, request: Request) -> Response {
    let work = async move {
        let (mut parts, body) = request.into_parts();
        let path = decode::path(&mut parts).await?;
        let query = decode::query(&parts)?;
        let bytes = decode::collect(body).await?;
        let signature = parts.headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
        let request = who::request(&parts);
        let pushed = app.push_location(&request, &path, &query, &bytes, signature).await;
        pushed.map_err(Refusal::from)
    };
    match tokio::spawn(work.in_current_span()).await {
        Ok(Ok(())) => json(PushLocation::OK, &Nothing {}),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => Refusal::broken().into_response(),
    }
}

async fn logs(State(app): State<App>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let open = async {
        let ctx = who::context(&parts)?;
        app.admit(&ctx, StreamLogs::ACTION)?;
        let query = decode::query(&parts)?;
        app.stream_logs(&ctx, query).await.map_err(Refusal::from)
    };
    match open.await {
        Ok(lines) => {
            let lines = lines.map(|line| data(Sse::default(), &line));
            // Says that this was all, so that a client knows an end from a broken connection.
            let end = stream::once(async { Ok(Sse::default().event("end").data("{}")) });
            sse(who::while_it_holds(app.clone(), &parts, lines.chain(end)))
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn events(State(app): State<App>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let open = async {
        let ctx = who::context(&parts)?;
        app.admit(&ctx, StreamEvents::ACTION)?;
        let mut query: tow_api::event::list::Query = decode::query(&parts)?;
        if let Some(value) = parts.headers.get("last-event-id") {
            let last = value.to_str().ok().and_then(|text| text.trim().parse().ok());
            query.after = Some(last.ok_or_else(|| {
                Refusal::new(
                    "request/last-event-id",
                    "the header Last-Event-ID is not the number of an event",
                )
            })?);
        }
        app.stream_events(&ctx, query).await.map_err(Refusal::from)
    };
    match open.await {
        Ok(events) => {
            let events = events.map(|event| data(Sse::default().id(event.seq.to_string()), &event));
            sse(who::while_it_holds(app.clone(), &parts, events))
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn data<T: serde::Serialize>(sse: Sse, value: &T) -> Result<Sse, Infallible> {
    // JSON text holds no line break, so it is one `data:` line.
    Ok(sse.data(serde_json::to_string(value).unwrap_or_default()))
}

fn sse(stream: impl Stream<Item = Result<Sse, Infallible>> + Send + 'static) -> Response {
    let alive = KeepAlive::new().interval(Duration::from_secs(15)).text("still here");
    let mut response = axum::response::Sse::new(stream).keep_alive(alive).into_response();
    // Proxies that would hold the stream back are told not to.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
