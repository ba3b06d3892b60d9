//! How doors reach the use-cases: `app.handle(ctx, call)` for every endpoint of the contract; and what each use-case
//! needs first: rights, and the memory of requests that were answered before.

use crate::AppError;
use std::{future::Future, sync::Arc};
use tow_api::Endpoint;
use tow_names::{Digest, EntityRef, Namespace, Timestamp};
use tow_ports::{Blobs, Builder, Certifier, Clock, Edge, Images, Keys, Locations, Runtime, Web};
use tow_record::{Actor, EventBody, NewEvent};
use tow_store::{Author, Batch, CommitError, Idempotent, Store};

/// What the use-cases stand on.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port of its name")]
pub struct Parts {
    pub store: Store,
    pub runtime: Arc<dyn Runtime>,
    pub edge: Arc<dyn Edge>,
    pub builder: Arc<dyn Builder>,
    pub blobs: Arc<dyn Blobs>,
    pub images: Arc<dyn Images>,
    pub keys: Arc<dyn Keys>,
    pub clock: Arc<dyn Clock>,
    pub web: Arc<dyn Web>,
    pub locations: Arc<dyn Locations>,
    pub certifier: Arc<dyn Certifier>,
    /// Changes with each start.
    pub boot: String,
    /// The gateway's address, once bound.
    pub gateway: Arc<std::sync::OnceLock<String>>,
}

/// The use-cases. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) parts: Arc<Parts>,
    pub(crate) started_at: Timestamp,
    /// Who was found to hold which token.
    pub(crate) who: Arc<crate::access::Known>,
    pub(crate) passwords: Arc<crate::access::Passwords>,
}

/// Who asks, and by which request. The first argument of every use-case.
#[derive(Debug, Clone)]
pub struct OpCtx {
    /// Who asks.
    pub actor: Actor,
    /// The request's id.
    pub request: String,
}

/// Where a request came from, as its door saw it; in the request's extensions, for doors that are no endpoint.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The request's id.
    pub request: String,
    /// The asker's address, where it is known.
    pub address: Option<String>,
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

impl App {
    /// On these parts.
    pub fn new(parts: Parts) -> Self {
        let started_at = parts.clock.now();
        Self { parts: Arc::new(parts), started_at, who: Arc::default(), passwords: Arc::default() }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.parts.store
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// The port of the gateway's address; 0 before it is bound.
    pub(crate) fn gateway_port(&self) -> u16 {
        let address = self.parts.gateway.get();
        address.and_then(|a| a.rsplit(':').next()).and_then(|p| p.parse().ok()).unwrap_or(0)
    }

    /// Every use-case that writes goes through here: the answer given before to the same request; else `work`, which
    /// authorizes first thing, puts its writes into the batch and answers; then all of it in one commit, together with
    /// the memory of the answer. `work` itself commits nothing. Where it writes nothing, nothing is committed and
    /// nothing remembered: such a request may as well be done again.
    pub(crate) async fn write<E: Endpoint>(
        &self,
        ctx: &OpCtx,
        call: &Call<E>,
        work: impl AsyncFnOnce(&mut Batch) -> Result<E::Reply, AppError>,
    ) -> Result<E::Reply, AppError> {
        let work = async |batch: &mut Batch| Ok((work(batch).await?, ()));
        Ok(self.write_showing(ctx, call, work).await?.0)
    }

    /// [`App::write`] for answers with a secret in them: `work` gives the answer without it, which is remembered, and
    /// the secret beside it, which comes back only to the request that made it, and only once it is committed.
    pub(crate) async fn write_showing<E: Endpoint, T>(
        &self,
        ctx: &OpCtx,
        call: &Call<E>,
        work: impl AsyncFnOnce(&mut Batch) -> Result<(E::Reply, T), AppError>,
    ) -> Result<(E::Reply, Option<T>), AppError> {
        if let Some(before) = self.replayed(ctx, call).await? {
            return Ok((before, None));
        }
        let mut batch = Batch::new();
        let (reply, shown) = work(&mut batch).await?;
        if batch.is_empty() {
            return Ok((reply, Some(shown)));
        }
        self.remember(&mut batch, ctx, call, &reply)?;
        match self.store().commit(batch).await {
            Ok(_) => Ok((reply, Some(shown))),
            // The same request came twice at once, and the other one was quicker: its answer counts.
            Err(conflict) if about_memory(&conflict) => match self.replayed(ctx, call).await? {
                Some(before) => Ok((before, None)),
                None => Err(conflict.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// The answer that was given to the same request before; an error where the key was used for another one.
    async fn replayed<E: Endpoint>(
        &self,
        ctx: &OpCtx,
        call: &Call<E>,
    ) -> Result<Option<E::Reply>, AppError> {
        let Some(key) = &call.idempotency_key else { return Ok(None) };
        let found = self.store().replay(&ctx.actor.name, E::ID, key, self.now()).await?;
        match found {
            None => Ok(None),
            Some(replay) if replay.body_sha256 != fingerprint(call) => Err(AppError::new(
                "idempotency/differs",
                format!("the idempotency key {key} came with another request before"),
            )
            .hint("use a fresh key for each request")),
            Some(replay) => serde_json::from_str(&replay.reply).map(Some).map_err(internal),
        }
    }

    /// Adds the answer to the batch, to be given again to the same request for 24 hours.
    fn remember<E: Endpoint>(
        &self,
        batch: &mut Batch,
        ctx: &OpCtx,
        call: &Call<E>,
        reply: &E::Reply,
    ) -> Result<(), AppError> {
        if let Some(key) = &call.idempotency_key {
            batch.idempotency(Idempotent {
                actor: ctx.actor.name.clone(),
                route: E::ID.into(),
                key: key.clone(),
                body_sha256: fingerprint(call),
                status: E::OK,
                reply: serde_json::to_string(reply).map_err(internal)?,
                at: self.now(),
            });
        }
        Ok(())
    }

    /// In whose name a request declares.
    pub(crate) fn author(&self, ctx: &OpCtx) -> Author {
        Author { actor: ctx.actor.name.clone(), request: ctx.request.clone(), at: self.now() }
    }

    /// An event of this request.
    pub(crate) fn event(
        &self,
        ctx: &OpCtx,
        kind: &str,
        subject: impl Into<String>,
        body: EventBody,
    ) -> NewEvent {
        NewEvent {
            at: self.now(),
            actor: ctx.actor.name.clone(),
            request: ctx.request.clone(),
            kind: kind.into(),
            subject: subject.into(),
            body,
        }
    }
}

/// A conflict about the remembered answer, and nothing else.
fn about_memory(error: &CommitError) -> bool {
    matches!(error, CommitError::Conflict { kind, .. } if kind == "idempotency")
}

/// What the body and the path of a call are told from another's by.
fn fingerprint<E: Endpoint>(call: &Call<E>) -> String {
    let parts = serde_json::json!([&call.path, &call.query, &call.body]);
    Digest::of(parts.to_string().as_bytes()).hex().to_string()
}

pub(crate) fn internal(error: impl std::fmt::Display) -> AppError {
    tracing::error!(%error, "internal");
    AppError::new("platform/internal", "an answer could not be put together; the log says more")
}

/// A component as people name it: `web`, `namespace/web`, `component:namespace/web`.
pub(crate) fn component_ref(text: &str) -> Result<EntityRef, AppError> {
    let parsed = EntityRef::parse(text, Some("component"), &Namespace::default())
        .map_err(|e| AppError::new("input/invalid", e.to_string()))?;
    if parsed.kind() != "component" {
        return Err(AppError::new("input/invalid", format!("{parsed} is not a component")));
    }
    Ok(parsed)
}

/// At most so many items of a list that only grows.
pub(crate) fn page(asked: Option<u32>) -> u32 {
    asked.unwrap_or(100).clamp(1, 1000)
}

/// Before and after in one line for people.
pub(crate) fn body(
    summary: impl Into<String>,
    before: serde_json::Value,
    after: serde_json::Value,
) -> EventBody {
    EventBody { summary: summary.into(), before, after }
}
