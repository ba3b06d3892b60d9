//! Logs of instances and builds, for owners.

use crate::{App, AppError, OpCtx, observe::places_of};
use futures::stream::{self, BoxStream, StreamExt as _};
use std::collections::BTreeMap;
use tow_api::log::stream::{LogEvent, Query};
use tow_names::{Duration, Id, Place};
use tow_ports::LogQuery;
use tow_record::{Instance, LogLine, LogStream, Operation};

/// Nothing of a component was ever started there, or not anywhere.
fn never(component: &str, environment: Option<&str>) -> String {
    match environment {
        Some(environment) => format!("{component} was never deployed in {environment}"),
        None => format!("{component} was never deployed"),
    }
}

const TAIL: usize = 100;
/// Among so many operations the last one of each place is looked for.
const LOOKED_BACK: u32 = 1000;

impl App {
    /// Log lines of one build, or of the instances that the query names. With `follow`, instances that come later join
    /// in, and the stream ends only when its reader goes.
    pub async fn stream_logs(
        &self,
        ctx: &OpCtx,
        query: Query,
    ) -> Result<BoxStream<'static, LogEvent>, AppError> {
        let tail = query.tail.unwrap_or(TAIL);
        if let Some(build) = &query.build {
            return self.build_log(ctx, build, tail, query.follow).await;
        }
        if let Some(run) = &query.run {
            return self.run_log(ctx, run, query.tail.unwrap_or(usize::MAX), query.follow).await;
        }
        let rows = self.log_instances(ctx, &query).await?;
        if rows.is_empty() && !query.follow {
            return Ok(stream::iter(self.last_words(ctx, &query).await?).boxed());
        }
        let mut streams = Vec::new();
        for row in &rows {
            streams.push(self.instance_log(row, tail, query.follow).await?);
        }
        let first = stream::select_all(streams);
        if !query.follow || query.instance.is_some() {
            return Ok(first.boxed());
        }
        Ok(stream::select(first, self.newcomers(ctx.clone(), query, rows)).boxed())
    }

    /// Where nothing runs: the lines that were kept of the last rollout, if it failed. Its instances are gone.
    async fn last_words(&self, ctx: &OpCtx, query: &Query) -> Result<Vec<LogEvent>, AppError> {
        let (component, environment) = (query.component.as_deref(), query.environment.as_deref());
        let places = self.places(ctx, component, environment).await?;
        let places: Vec<Place> = places.into_iter().map(|f| f.placement.value.place).collect();
        let which = places_of(component, environment)?;
        let mut last: BTreeMap<Place, Operation> = BTreeMap::new();
        for row in self.store().latest::<Operation>(&which, LOOKED_BACK).await? {
            last.entry(row.value.place.clone()).or_insert(row.value);
        }
        let failed = |place| Some((place, last.get(place)?)).filter(|(_, op)| op.failure.is_some());
        let failed: Vec<(&Place, &Operation)> = places.iter().filter_map(failed).collect();
        self.authorize_private(ctx, failed.iter().map(|(place, _)| *place)).await?;
        let mut events = Vec::new();
        for (_, op) in failed {
            let Some(failure) = &op.failure else { continue };
            let instance = failure.instance.as_ref().map(ToString::to_string).unwrap_or_default();
            let at = op.finished_at.unwrap_or(op.started_at);
            events.extend(failure.log.iter().map(|text| LogEvent {
                instance: instance.clone(),
                source: failure.gate.clone(),
                container: String::new(),
                line: LogLine { at, stream: LogStream::Stdout, text: text.clone(), partial: false },
            }));
        }
        Ok(events)
    }

    async fn log_instances(&self, ctx: &OpCtx, query: &Query) -> Result<Vec<Instance>, AppError> {
        let mut found = Vec::new();
        if let Some(id) = &query.instance {
            let missing = || AppError::not_found(format!("instance {id}"));
            let row = self.store().get::<Instance>(id).await?.ok_or_else(missing)?;
            found.push(row.value);
        } else {
            let places =
                self.places(ctx, query.component.as_deref(), query.environment.as_deref()).await?;
            if let (true, Some(component)) = (places.is_empty(), &query.component) {
                return Err(
                    AppError::new("object/not-found", never(component, query.environment.as_deref()))
                        .hint("nothing of it was started there yet; a build that failed has a log of its own: \
                               tow logs --build ID")
                        .next("tow build list")
                );
            }
            for facts in places {
                found.extend(facts.instances.into_iter().map(|row| row.value).filter(|row| {
                    query.workload.as_ref().is_none_or(|name| *name == row.workload)
                }));
            }
        }
        self.authorize_private(ctx, found.iter().map(|row| &row.place)).await?;
        Ok(found)
    }

    async fn instance_log(
        &self,
        row: &Instance,
        tail: usize,
        follow: bool,
    ) -> Result<BoxStream<'static, LogEvent>, AppError> {
        let query = LogQuery { tail: Some(tail), after: None, follow };
        let lines = self.parts.runtime.logs(&row.id, query).await?;
        let (id, source, container) = (
            row.id.to_string(),
            format!("{}/{}", row.workload, row.replica),
            row.container.clone(),
        );
        Ok(lines
            .map(move |line| LogEvent {
                instance: id.clone(),
                source: source.clone(),
                container: container.clone(),
                line,
            })
            .boxed())
    }

    /// Logs of instances that start after the stream did.
    fn newcomers(
        &self,
        ctx: OpCtx,
        query: Query,
        known: Vec<Instance>,
    ) -> impl futures::Stream<Item = LogEvent> + Send + 'static {
        let app = self.clone();
        let known: Vec<Id> = known.into_iter().map(|row| row.id).collect();
        let commits = self.store().commits();
        stream::unfold(
            (app, ctx, query, known, commits),
            |(app, ctx, query, mut known, mut commits)| async move {
                loop {
                    commits.changed().await.ok()?;
                    let rows = app.log_instances(&ctx, &query).await.unwrap_or_default();
                    let mut fresh = Vec::new();
                    for row in rows.iter().filter(|row| !known.contains(&row.id)) {
                        // The row comes before the process: what has no log yet is asked again later.
                        if let Ok(lines) = app.instance_log(row, usize::MAX, true).await {
                            fresh.push((row.id.clone(), lines));
                        }
                    }
                    if !fresh.is_empty() {
                        known.extend(fresh.iter().map(|(id, _)| id.clone()));
                        let lines: Vec<_> = fresh.into_iter().map(|(_, lines)| lines).collect();
                        return Some((
                            stream::select_all(lines),
                            (app, ctx, query, known, commits),
                        ));
                    }
                }
            },
        )
        .flatten_unordered(None)
    }

    async fn build_log(
        &self,
        ctx: &OpCtx,
        build: &str,
        tail: usize,
        follow: bool,
    ) -> Result<BoxStream<'static, LogEvent>, AppError> {
        let missing = || AppError::not_found(format!("build {build}")).next("tow build list");
        let id = Id::parse(build).ok_or_else(missing)?;
        let place = match Operation::of_build(&id) {
            Some(operation) => {
                let row = self.store().get::<Operation>(operation.as_str()).await?;
                row.ok_or_else(missing)?.value.place
            }
            None => {
                let row = self.store().get::<tow_record::Build>(id.as_str()).await?;
                row.ok_or_else(missing)?.value.place
            }
        };
        self.authorize_private(ctx, [&place]).await?;
        let app = self.clone();
        let start = (app, id, None::<LogLine>, true);
        let pages = stream::unfold(start, move |(app, id, last, more)| async move {
            if !more {
                return None;
            }
            // Whether it runs is asked before its lines are, so that the last lines are never missed.
            let running = app.parts.builder.observe(&id).await.is_ok_and(|seen| seen.running);
            let ask = if last.is_none() { tail } else { usize::MAX };
            let lines = app.parts.builder.log(&id, ask).await.unwrap_or_default();
            let fresh: Vec<LogLine> = match &last {
                None => lines,
                Some(last) => {
                    let seen = lines.iter().rposition(|line| line == last);
                    lines.into_iter().skip(seen.map_or(0, |at| at + 1)).collect()
                }
            };
            let next = fresh.last().cloned().or(last);
            let more = follow && running;
            if more {
                let soon = app.now().plus(Duration::from_millis(200));
                app.parts.clock.sleep_until(soon).await;
            }
            let events: Vec<LogEvent> = fresh
                .into_iter()
                .map(|line| LogEvent {
                    instance: id.to_string(),
                    source: "build".into(),
                    container: String::new(),
                    line,
                })
                .collect();
            Some((events, (app, id, next, more)))
        });
        Ok(pages.flat_map(stream::iter).boxed())
    }
}
