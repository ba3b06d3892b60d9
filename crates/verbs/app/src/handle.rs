//! How doors reach the use-cases: `app.handle(ctx, call)` for every endpoint of the contract.

use crate::AppError;
use futures::stream::BoxStream;
use std::future::Future;
use tow_api::{Endpoint, event, log, source};
use tow_names::Timestamp;
use tow_ports::ByteStream;
use tow_record::{Actor, Event, Source};

/// The use-cases. Cheap to clone.
#[derive(Clone)]
pub struct App {}

/// Who asks, and by which request. The first argument of every use-case.
#[derive(Debug, Clone)]
pub struct OpCtx {
    /// Who asks.
    pub actor: Actor,
    /// The request's id.
    pub request: String,
}

/// One decoded call.
#[derive(Debug, Clone)]
pub struct Call<E: Endpoint> {
    /// Path parameters.
    pub path: E::Path,
    /// Query parameters.
    pub query: E::Query,
    /// The body.
    pub body: E::Body,
    /// The header `Idempotency-Key`, where it was sent.
    pub idempotency_key: Option<String>,
}

/// Answers the calls of one endpoint.
pub trait Handle<E: Endpoint> {
    /// Authorises, does it, and answers.
    fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<E>,
    ) -> impl Future<Output = Result<E::Reply, AppError>> + Send;
}

/// A browser's session, fresh.
#[derive(Debug, Clone)]
pub struct Session {
    /// For the cookie.
    pub token: String,
    /// Who it is.
    pub actor: Actor,
    /// When it ends.
    pub expires_at: Timestamp,
}

macro_rules! stub {
    (plain: [$($e:ty),* $(,)?], special: [$($s:ty),* $(,)?]) => {
        $(impl Handle<$e> for App {
            async fn handle(&self, _: &OpCtx, _: Call<$e>) -> Result<<$e as Endpoint>::Reply, AppError> {
                unimplemented!()
            }
        })*
    };
}
tow_api::endpoints!(stub);

#[expect(missing_docs, reason = "being built")]
#[expect(clippy::unimplemented, unused_variables, reason = "being built")]
impl App {
    pub async fn authenticate(&self, token: &str) -> Result<Actor, AppError> {
        unimplemented!()
    }
    pub async fn redeem_sign_in(&self, secret: &str) -> Result<Session, AppError> {
        unimplemented!()
    }
    pub async fn upload_source(
        &self,
        ctx: &OpCtx,
        query: source::upload::Query,
        bytes: ByteStream,
    ) -> Result<Source, AppError> {
        unimplemented!()
    }
    pub async fn stream_logs(
        &self,
        ctx: &OpCtx,
        query: log::stream::Query,
    ) -> Result<BoxStream<'static, log::stream::LogEvent>, AppError> {
        unimplemented!()
    }
    pub async fn stream_events(
        &self,
        ctx: &OpCtx,
        query: event::list::Query,
    ) -> Result<BoxStream<'static, Event>, AppError> {
        unimplemented!()
    }
    pub async fn ready(&self) -> Result<(), AppError> {
        unimplemented!()
    }
    pub fn metrics(&self) -> String {
        unimplemented!()
    }
}
