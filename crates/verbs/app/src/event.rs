//! What happened, from a cursor on, once or as it happens. Everybody sees what is for them: who may see which event is
//! said in `policy`; here the owners of what the events are about are found for it.

use crate::{App, AppError, Call, Handle, OpCtx};
use futures::stream::{self, BoxStream, StreamExt as _};
use std::collections::BTreeMap;
use tow_api::event::list::{ListEvents, Query, Reply};
use tow_names::{Duration, EntityRef};
use tow_policy::{Object, about, depends_on_object, may_see};
use tow_record::{Actor, Event};
use tow_store::Search;

const LIMIT: u32 = 100;
/// Whoever asks for the last events and may see few of them is answered from so many pages at most.
const PAGES: usize = 5;

impl Handle<ListEvents> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListEvents>) -> Result<Reply, AppError> {
        let query = call.query;
        let limit = query.limit.unwrap_or(LIMIT).clamp(1, 1000);
        let Some(after) = query.after else {
            return self.last_events(&ctx.actor, limit, query.subject).await;
        };
        let page = self.store().events(Some(after), limit, query.subject.as_deref()).await?;
        // What may not be seen is passed over all the same.
        let next = page.last().map_or(after, |event| event.seq);
        Ok(Reply { items: self.visible(&ctx.actor, page).await?, next })
    }
}

impl App {
    async fn last_events(
        &self,
        actor: &Actor,
        limit: u32,
        subject: Option<String>,
    ) -> Result<Reply, AppError> {
        let mut search = Search { newest_first: true, limit, subject, ..Search::default() };
        let (mut items, mut next) = (Vec::new(), 0);
        for _ in 0..PAGES {
            let page = self.store().search(&search).await?;
            next = page.events.first().map_or(next, |event| next.max(event.seq));
            items.extend(self.visible(actor, page.events).await?);
            search.from = page.next;
            if items.len() >= limit as usize || search.from.is_none() {
                break;
            }
        }
        items.truncate(limit as usize);
        items.reverse();
        Ok(Reply { items, next })
    }

    /// Those of these events that this actor may see.
    pub(crate) async fn visible(
        &self,
        actor: &Actor,
        events: Vec<Event>,
    ) -> Result<Vec<Event>, AppError> {
        let asked = events.iter().filter(|event| depends_on_object(actor, &event.kind));
        let mut entities: Vec<EntityRef> = asked.filter_map(|e| about(&e.subject)).collect();
        entities.sort_unstable();
        entities.dedup();
        let rows = self.store().objects_by(&entities).await?;
        let objects: BTreeMap<EntityRef, Object> =
            rows.iter().map(|row| (row.manifest.entity(), Object::of(&row.manifest))).collect();
        let seen = |event: &Event| {
            let object = about(&event.subject).and_then(|entity| objects.get(&entity));
            may_see(actor, event, object)
        };
        Ok(events.into_iter().filter(seen).collect())
    }

    /// Events as they happen. Without `after`, from the next one on. What the actor may see is judged with what they were
    /// when it began: whoever holds the stream ends it when that changes.
    pub async fn stream_events(
        &self,
        ctx: &OpCtx,
        query: Query,
    ) -> Result<BoxStream<'static, Event>, AppError> {
        let after = match query.after {
            Some(after) => after,
            None => self.store().head().await?,
        };
        let tail = self.store().tail(after, query.subject).await?;
        let begun = (self.clone(), ctx.actor.clone(), tail);
        let pages = stream::unfold(begun, |(app, actor, mut tail)| async move {
            loop {
                let found = async {
                    let page = tail.next().await?;
                    app.visible(&actor, page.iter().map(|event| (**event).clone()).collect()).await
                };
                match found.await {
                    Ok(page) if page.is_empty() => {}
                    Ok(page) => return Some((page, (app, actor, tail))),
                    Err(error) => {
                        tracing::error!(%error, "event stream");
                        return None;
                    }
                }
            }
        });
        Ok(pages.flat_map(stream::iter).boxed())
    }
}

/// Looked again at least this often: readiness changes without a commit.
const AT_LEAST: Duration = Duration::from_secs(2);
/// After a commit, so long for those that come with it.
const TOGETHER: Duration = Duration::from_millis(60);

impl App {
    /// For whoever shows how things are: worth a look now, and again after each burst of commits, which counts once, and
    /// after a while without any. Ends with the platform.
    pub fn glances(&self) -> BoxStream<'static, ()> {
        let mut commits = self.store().commits();
        commits.mark_unchanged();
        let later = stream::unfold((self.clone(), commits), |(app, mut commits)| async move {
            let clock = &app.parts.clock;
            tokio::select! {
                changed = commits.changed() => {
                    changed.ok()?;
                    clock.sleep_until(app.now().plus(TOGETHER)).await;
                    commits.mark_unchanged();
                }
                () = clock.sleep_until(app.now().plus(AT_LEAST)) => {}
            }
            Some(((), (app, commits)))
        });
        stream::once(async {}).chain(later).boxed()
    }
}
