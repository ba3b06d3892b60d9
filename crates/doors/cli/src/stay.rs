//! Staying with what goes on on the platform: its lines as they come, its state by long polls, patience while the platform is
//! away, and Ctrl-C. One loop for deployments, builds and runs, so that all three behave the same. What it is that goes on,
//! and what is shown of it, says whoever stays.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::follow::now;
use futures::stream::{self, BoxStream, StreamExt};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tow_api::log::stream::{LogEvent, Query as LogQuery};
use tow_client::{Client, ClientError, logs};

/// As good as all lines of a log.
const WHOLE_LOG: usize = 100_000;
/// How long the platform may be away, as when it is started again, before staying is given up.
const AWAY: Duration = Duration::from_secs(45);
/// The last lines are on their way for less than this once the end is known.
const LAST: Duration = Duration::from_secs(2);
/// What a terminal's Ctrl-C comes to, as with any program.
const LEFT: i32 = 130;

/// Something that goes on.
pub(crate) trait Course {
    /// How it stands.
    type View;

    /// How it stands, as soon as that is another version than this one, or after some seconds.
    async fn look(&self, client: &Client, after: Option<i64>) -> Result<Self::View, ClientError>;

    /// What of it matters for staying.
    fn stands(&self, view: &Self::View) -> Stands;

    /// A line of its log.
    fn line(&self, cx: &Context, line: &LogEvent) -> Verdict;

    /// It stands otherwise than before, perhaps.
    fn news(&mut self, _: &Context, _: &Self::View) {}
}

/// How something stands, as far as it matters for staying with it.
pub(crate) struct Stands {
    pub(crate) version: i64,
    pub(crate) finished: bool,
    /// Which log is shown.
    pub(crate) log: Option<LogQuery>,
    pub(crate) lines: Lines,
}

/// What is to be had of a log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// More and more.
    Grow,
    /// All there will be.
    Are,
    /// Nothing that is to be shown now.
    Left,
}

/// How it went, and whether somebody asked for its end meanwhile.
pub(crate) struct Stayed<View> {
    pub(crate) view: View,
    pub(crate) asked: bool,
    /// So many lines of its log were shown.
    pub(crate) lines: usize,
}

impl<View> Stayed<View> {
    /// What a failure comes to: where somebody asked for it, its reason is shown and the exit status is that of Ctrl-C.
    pub(crate) fn failed(&self, cx: &Context, failure: Failure) -> Failure {
        if !self.asked {
            return failure;
        }
        cx.printer.failure(&failure);
        Failure::Ended(LEFT)
    }
}

/// Stays until it has ended. The first Ctrl-C asks for its end by `cancel`, whose answer is what is said of it; the second
/// leaves at once.
pub(crate) async fn stay<C: Course>(
    cx: &Context,
    course: &mut C,
    cancel: impl Future<Output = Result<String, ClientError>>,
) -> Verdict<Stayed<C::View>> {
    // From now on for as long as this runs: no moment in which a key is lost, or does what it does by itself.
    let mut keys = signal(SignalKind::interrupt())
        .map_err(|error| Failure::new("cli/runtime", error.to_string()))?;
    let client = cx.client()?;
    let stayed = async {
        let watching = watch(cx, client, course);
        tokio::pin!(watching);
        tokio::select! {
            seen = &mut watching => return seen.map(|(view, lines)| Stayed { view, asked: false, lines }),
            _ = keys.recv() => {}
        }
        let telling = async {
            match cancel.await {
                Ok(said) => cx.printer.error_line(&said),
                Err(error) => cx.printer.error_line(&format!("it can't be cancelled: {error}")),
            }
            // Whoever pressed a key is answered, however little they wanted to hear.
            cx.printer.error_line("Ctrl-C once more leaves it");
            std::future::pending::<()>().await;
        };
        tokio::select! {
            seen = &mut watching => seen.map(|(view, lines)| Stayed { view, asked: true, lines }),
            _ = keys.recv() => Err(Failure::Ended(LEFT)),
            () = telling => Err(Failure::Ended(LEFT)),
        }
    };
    let stayed = stayed.await;
    cx.printer.waited();
    stayed
}

type Log = BoxStream<'static, Result<LogEvent, ClientError>>;

/// How it stood in the end, and how many lines were shown.
async fn watch<C: Course>(
    cx: &Context,
    client: &Client,
    course: &mut C,
) -> Verdict<(C::View, usize)> {
    let mut after = None;
    let mut log: Option<LogQuery> = None;
    let mut grows = false;
    let mut shown = 0;
    let mut read = false;
    let mut lines: Option<Log> = None;
    let mut away: Option<Instant> = None;
    loop {
        let answer = {
            let look = course.look(client, after);
            tokio::pin!(look);
            loop {
                tokio::select! {
                    biased;
                    line = next(&mut lines) => match line {
                        Some(line) => {
                            shown += 1;
                            course.line(cx, &line)?;
                        }
                        // It was asked for before anything was written, perhaps: once more, after a moment.
                        None => {
                            lines = log
                                .as_ref()
                                .filter(|_| grows)
                                .map(|log| listen(client, log, shown, Listen::Later));
                        }
                    },
                    answer = &mut look => break answer,
                }
            }
        };
        let view = match answer {
            Ok(view) => view,
            Err(error) if error.passing() => {
                // The platform may be being started again; what it was doing goes on then.
                if away.is_none() {
                    cx.printer.say("    the platform does not answer; trying again for a while");
                }
                let since = *away.get_or_insert_with(now);
                if since.elapsed() > AWAY {
                    return Err(error.into());
                }
                cx.printer.wait("the platform does not answer; trying again");
                pause().await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        away = None;
        let stands = course.stands(&view);
        after = Some(stands.version);
        if stands.log.is_some() && stands.log != log {
            log.clone_from(&stands.log);
            (shown, read) = (0, false);
            lines = log.as_ref().map(|log| listen(client, log, shown, Listen::On));
        }
        grows = stands.lines == Lines::Grow && !stands.finished;
        if let Some(log) = log.as_ref().filter(|_| stands.lines == Lines::Are && !read) {
            read = true;
            if !rest(cx, course, lines.take(), &mut shown).await? {
                let mut whole = Some(listen(client, log, shown, Listen::Once));
                while let Some(line) = next(&mut whole).await {
                    shown += 1;
                    course.line(cx, &line)?;
                }
            }
        }
        course.news(cx, &view);
        if stands.finished {
            return Ok((view, shown));
        }
    }
}

/// The last lines of a log that was listened to; true: it was heard to its end. A quick thing is over before anybody
/// listened, so that a log without a line says nothing.
async fn rest<C: Course>(
    cx: &Context,
    course: &C,
    lines: Option<Log>,
    shown: &mut usize,
) -> Verdict<bool> {
    let Some(mut lines) = lines else { return Ok(false) };
    loop {
        match tokio::time::timeout(LAST, lines.next()).await {
            Ok(Some(Ok(line))) => {
                *shown += 1;
                course.line(cx, &line)?;
            }
            Ok(None) => return Ok(*shown > 0),
            Ok(Some(Err(_))) | Err(_) => return Ok(false),
        }
    }
}

/// How long a log is listened to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listen {
    /// Until it ends.
    On,
    /// The same, after a moment.
    Later,
    /// What there is.
    Once,
}

/// A log's lines, but for those that were shown already.
fn listen(client: &Client, log: &LogQuery, shown: usize, listen: Listen) -> Log {
    let client = client.clone();
    let query = LogQuery { tail: Some(WHOLE_LOG), follow: listen != Listen::Once, ..log.clone() };
    let open = async move {
        if listen == Listen::Later {
            pause().await;
        }
        logs(client, query)
    };
    stream::once(open).flatten().skip(shown).boxed()
}

/// The log's next line; never, where there is no log to read.
async fn next(lines: &mut Option<Log>) -> Option<LogEvent> {
    match lines {
        None => std::future::pending().await,
        // A log that can't be read is no reason to stop staying.
        Some(stream) => stream.next().await.and_then(Result::ok),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "between two attempts to reach a platform that is away"
)]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}
