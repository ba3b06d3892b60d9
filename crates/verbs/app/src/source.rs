//! Sources: folders as they are uploaded, kept once by what they are.

use crate::{App, AppError, OpCtx, handle::body};
use serde_json::{Value, json};
use tow_api::Action;
use tow_api::source::upload::Query;
use tow_policy::Object;
use tow_ports::{ByteStream, PortError};
use tow_record::Source;
use tow_store::{Batch, CommitError};

/// At most so large.
const LIMIT: u64 = 512 * 1024 * 1024;

impl App {
    /// Keeps an archive. Whoever may deploy anything may upload; what it is for is decided by the plan.
    pub async fn upload_source(
        &self,
        ctx: &OpCtx,
        query: Query,
        bytes: ByteStream,
    ) -> Result<Source, AppError> {
        let own = Object::personal("source", &ctx.actor.name);
        self.authorize(ctx, Action::Deploy, &own)?;
        let (digest, size) = match self.parts.blobs.put(bytes, LIMIT).await {
            Err(PortError::Refused(why)) if why.contains("disk is full") => {
                return Err(
                    AppError::new("store/full", why).hint("free some space; nothing was lost")
                );
            }
            Err(PortError::Refused(why)) => return Err(AppError::new("source/too-large", why)),
            other => other?,
        };
        let source = Source {
            digest,
            size,
            created_by: ctx.actor.name.clone(),
            created_at: self.now(),
            commit: query.commit,
        };
        if let Some(row) = self.store().get::<Source>(source.digest.as_str()).await? {
            // Who else has the same bytes, and at which commit, is theirs to know.
            let own = row.value.created_by == source.created_by;
            return Ok(if own { row.value } else { source });
        }
        let mut batch = Batch::new();
        batch.create(&source);
        let what = body(
            format!("source {} was uploaded, {size} bytes", source.digest.short()),
            Value::Null,
            json!({"digest": source.digest, "size": size, "commit": source.commit}),
        );
        batch.event(self.event(ctx, "source.uploaded", source.digest.to_string(), what));
        match self.store().commit(batch).await {
            // The same folder, uploaded by two at once.
            Ok(_) | Err(CommitError::Conflict { .. }) => Ok(source),
            Err(error) => Err(error.into()),
        }
    }
}
