//! The log of a run: that of all its attempts, one after the other, until the run ended.

use crate::{App, AppError, OpCtx};
use futures::stream::{self, BoxStream, StreamExt as _};
use tow_api::log::stream::LogEvent;
use tow_names::{Duration, Timestamp};
use tow_ports::LogQuery;
use tow_record::{LogLine, Run};

/// Between two looks at a log that is followed.
const BETWEEN: Duration = Duration::from_millis(150);

/// How far somebody has read.
struct Reader {
    app: App,
    id: String,
    /// The attempt that is read, from 1.
    attempt: u32,
    /// The last line that was read of it.
    last: Option<LogLine>,
    tail: usize,
    follow: bool,
    more: bool,
}

impl App {
    /// The lines of a run; with `follow`, until it ended and all of them were read.
    pub(crate) async fn run_log(
        &self,
        ctx: &OpCtx,
        id: &str,
        tail: usize,
        follow: bool,
    ) -> Result<BoxStream<'static, LogEvent>, AppError> {
        let run = self.seen_run(ctx, id).await?.value;
        self.authorize_private(ctx, [&run.place]).await?;
        let reader = Reader {
            app: self.clone(),
            id: id.to_string(),
            attempt: 1,
            last: None,
            tail,
            follow,
            more: true,
        };
        let pages = stream::unfold(reader, |reader| async move {
            if !reader.more {
                return None;
            }
            Some(reader.page().await)
        });
        Ok(pages.flat_map(stream::iter).boxed())
    }
}

impl Reader {
    /// What is there and was not read. How far the run is is asked before its lines are, so that the last ones are never
    /// missed.
    async fn page(mut self) -> (Vec<LogEvent>, Self) {
        let Ok(Some(row)) = self.app.store().get::<Run>(&self.id).await else {
            self.more = false;
            return (Vec::new(), self);
        };
        let run = row.value;
        let instance = run.instance_id(self.attempt).to_string();
        let lines = self.lines(&run).await;
        self.last = lines.last().cloned().or(self.last);
        if self.attempt < run.attempt {
            self.attempt += 1;
            self.last = None;
        } else if run.state.is_terminal() || !self.follow {
            self.more = false;
        } else if lines.is_empty() {
            let soon = self.app.now().plus(BETWEEN);
            self.app.parts.clock.sleep_until(soon).await;
        }
        let source = format!("{} {}", run.kind.as_str(), run.workload);
        let events = lines.into_iter().map(|line| LogEvent {
            instance: instance.clone(),
            source: source.clone(),
            container: run.container.clone(),
            line,
        });
        (events.collect(), self)
    }

    async fn lines(&self, run: &Run) -> Vec<LogLine> {
        if run.attempt == 0 {
            return Vec::new();
        }
        // Lines of the same moment may have come since.
        let after = self.last.as_ref().map(|last| Timestamp(last.at.0 - 1));
        let tail = self.last.is_none().then_some(self.tail);
        let query = LogQuery { tail, after, follow: false };
        let id = run.instance_id(self.attempt);
        // Not there yet, or not any more.
        let Ok(lines) = self.app.parts.runtime.logs(&id, query).await else { return Vec::new() };
        let lines: Vec<LogLine> = lines.collect().await;
        let known = self.last.as_ref().and_then(|last| lines.iter().rposition(|line| line == last));
        lines.into_iter().skip(known.map_or(0, |at| at + 1)).collect()
    }
}
