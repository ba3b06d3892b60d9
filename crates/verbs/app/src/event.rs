//! What happened, from a cursor on, once or as it happens.

use crate::{App, AppError, Call, Handle, OpCtx};
use futures::stream::{self, BoxStream, StreamExt as _};
use tow_api::event::list::{ListEvents, Query, Reply};
use tow_record::Event;

const LIMIT: u32 = 100;

impl Handle<ListEvents> for App {
    async fn handle(&self, _: &OpCtx, call: Call<ListEvents>) -> Result<Reply, AppError> {
        let query = call.query;
        let limit = query.limit.unwrap_or(LIMIT).clamp(1, 1000);
        let subject = query.subject.as_deref();
        let items = self.store().events(query.after, limit, subject).await?;
        let next = items.last().map_or(query.after.unwrap_or(0), |e| e.seq);
        Ok(Reply { items, next })
    }
}

impl App {
    /// Events as they happen. Without `after`, from the next one on.
    pub async fn stream_events(
        &self,
        _: &OpCtx,
        query: Query,
    ) -> Result<BoxStream<'static, Event>, AppError> {
        let after = match query.after {
            Some(after) => after,
            None => self.store().head().await?,
        };
        let store = self.store().clone();
        let commits = store.commits();
        let subject = query.subject;
        let pages = stream::unfold(
            (after, store, commits, subject),
            |(after, store, mut commits, subject)| async move {
                loop {
                    commits.mark_unchanged();
                    match store.events(Some(after), LIMIT, subject.as_deref()).await {
                        Ok(page) if !page.is_empty() => {
                            let next = page.last().map_or(after, |e| e.seq);
                            return Some((page, (next, store, commits, subject)));
                        }
                        Ok(_) => commits.changed().await.ok()?,
                        Err(error) => {
                            tracing::error!(%error, "event stream");
                            return None;
                        }
                    }
                }
            },
        );
        Ok(pages.flat_map(stream::iter).boxed())
    }
}
