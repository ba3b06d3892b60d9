//! Carries a change out and stays with it: plan, apply, the steps and the build's log as they come, the outcome.

use crate::Exit;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render;
use futures::stream::{self, BoxStream, StreamExt};
use owo_colors::OwoColorize;
use serde::Serialize;
use std::time::{Duration, Instant};
use tow_api::Nothing;
use tow_api::log::stream::{LogEvent, Query as LogQuery};
use tow_api::operation::get::{GetOperation, OperationView, Path as OperationPath, Query as After};
use tow_api::plan::apply::ApplyPlan;
use tow_api::plan::create::{Body, CreatePlan, PlanView};
use tow_api::plan::get::Path as PlanPath;
use tow_client::{Client, ClientError, logs};
use tow_record::{State, StepState};

/// As good as all lines of a build.
const WHOLE_LOG: usize = 100_000;
/// How long the platform may be away, as when it is started again, before following it is given up.
const AWAY: Duration = Duration::from_secs(45);

/// What a change came to; the shape that scripts read.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    component: String,
    environment: String,
    release: Option<i64>,
    deployment: Option<i64>,
    state: State,
    url: Option<String>,
    plan: String,
    duration_ms: u64,
}

/// How to carry it out.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct How {
    /// Don't wait for the outcome
    #[arg(long)]
    pub(crate) detach: bool,
}

/// When it began, for the time it took.
#[allow(
    clippy::disallowed_methods,
    reason = "a person's waiting is measured, nothing is decided by it"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Plans a change and carries it out.
pub(crate) async fn change(cx: &Context, began: Instant, body: &Body, how: &How) -> Verdict {
    cx.printer.wait("planning");
    let plan = cx.client()?.call::<CreatePlan>(&Nothing {}, &Nothing {}, body).await;
    cx.printer.waited();
    let plan = plan?;
    if cx.printer.is_text() {
        cx.printer.say(&crate::commands::plan::text(&plan));
    }
    apply(cx, began, &plan, how).await
}

/// Carries a saved plan out.
pub(crate) async fn apply(cx: &Context, began: Instant, plan: &PlanView, how: &How) -> Verdict {
    let client = cx.client()?;
    let path = PlanPath { plan: plan.id.clone() };
    let applied = client.call::<ApplyPlan>(&path, &Nothing {}, &Nothing {}).await?;
    let Some(operation) = applied.operation else {
        return unchanged(cx, began, plan).await;
    };
    if how.detach {
        let view = client
            .call::<GetOperation>(&OperationPath { operation }, &After { after: None }, &Nothing {})
            .await?;
        let outcome = outcome(&view, plan, began);
        let text = format!("{}  {}  {}", render::state(view.state), outcome.component, view.id);
        return cx.printer.data(&outcome, || text);
    }
    let view = follow(cx, &operation).await?;
    let outcome = outcome(&view, plan, began);
    if let Some(failure) = &view.failure {
        // Programs read the outcome whatever it is; people read the reason.
        if !cx.printer.is_text() {
            cx.printer.data(&outcome, String::new)?;
        }
        for line in &failure.log {
            cx.printer.error_line(&format!("  {} {line}", "│".dimmed()));
        }
        let problem = Failure::new(
            &format!("rollout/{}", failure.gate),
            format!("{} failed at {}: {}", outcome.component, failure.gate, failure.message),
        );
        let mut problem = problem.hint(format!(
            "`tow logs -c {0}` and `tow deployments -c {0}` tell more",
            outcome.component
        ));
        if let Failure::Problem(problem) = &mut problem {
            problem.untouched = "what ran before was left as it was".into();
        }
        return Err(problem);
    }
    cx.printer.data(&outcome, || live(&outcome, &view))?;
    match view.state {
        State::Failed | State::Unknown => Err(Failure::Shown(Exit::Failed)),
        _ => Ok(()),
    }
}

/// `live  http://web.localhost:7080  release 3, deployment 7 (2.4 s)`
fn live(outcome: &Outcome, view: &OperationView) -> String {
    let mut out = render::state(outcome.state);
    out.push_str("  ");
    match view.urls.split_first() {
        Some((first, more)) => {
            out.push_str(&first.bold().to_string());
            for url in more {
                out.push_str(&format!("  {url}"));
            }
        }
        None => out.push_str(&outcome.component),
    }
    let mut numbers = Vec::new();
    numbers.extend(outcome.release.map(|number| format!("release {number}")));
    numbers.extend(outcome.deployment.map(|number| format!("deployment {number}")));
    let seconds = outcome.duration_ms as f64 / 1000.0;
    out.push_str(&format!("  {} ({seconds:.1} s)", numbers.join(", ")));
    out
}

fn outcome(view: &OperationView, plan: &PlanView, began: Instant) -> Outcome {
    Outcome {
        component: render::short(&view.component),
        environment: view.environment.clone(),
        release: view.release,
        deployment: view.deployment,
        state: view.state,
        url: view.urls.first().cloned(),
        plan: plan.id.clone(),
        duration_ms: millis(began),
    }
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The plan had nothing to do: says how things are.
async fn unchanged(cx: &Context, began: Instant, plan: &PlanView) -> Verdict {
    let client = cx.client()?;
    let (component, environment) = match plan.targets.first() {
        Some(target) => (target.component.clone(), target.environment.clone()),
        None => (String::new(), String::new()),
    };
    let component = render::short(&component);
    let query = tow_api::status::get::Query {
        component: Some(component.clone()),
        environment: Some(environment.clone()),
    };
    let status =
        client.call::<tow_api::status::get::GetStatus>(&Nothing {}, &query, &Nothing {}).await?;
    let query = tow_api::deployment::list::Query {
        component: Some(component.clone()),
        environment: Some(environment.clone()),
        limit: None,
    };
    let deployments = client
        .call::<tow_api::deployment::list::ListDeployments>(&Nothing {}, &query, &Nothing {})
        .await?;
    let current = deployments.items.iter().find(|d| d.state != State::Failed);
    let state = status.items.iter().map(|line| line.state).next();
    let outcome = Outcome {
        component,
        environment,
        release: current.map(|deployment| deployment.release),
        deployment: current.map(|deployment| deployment.number),
        state: state.or(current.map(|deployment| deployment.state)).unwrap_or(State::Unknown),
        url: status.items.iter().find_map(|line| line.url.clone()),
        plan: plan.id.clone(),
        duration_ms: millis(began),
    };
    cx.printer.data(&outcome, || {
        let url = outcome.url.clone().unwrap_or_else(|| outcome.component.clone());
        format!("{}  {url}  nothing to do", render::state(outcome.state))
    })
}

type Lines = BoxStream<'static, Result<LogEvent, ClientError>>;

/// Stays with an operation until it ends.
pub(crate) async fn follow(cx: &Context, id: &str) -> Verdict<OperationView> {
    let shown = watch(cx, id).await;
    cx.printer.waited();
    shown
}

async fn watch(cx: &Context, id: &str) -> Verdict<OperationView> {
    let client = cx.client()?;
    let path = OperationPath { operation: id.to_string() };
    let mut after = None;
    let mut steps = 0;
    let mut build: Option<String> = None;
    let mut building = false;
    let mut shown = 0;
    let mut read = false;
    let mut lines: Option<Lines> = None;
    let mut away: Option<Instant> = None;
    let mut told = false;
    loop {
        let query = After { after };
        let poll = client.call::<GetOperation>(&path, &query, &Nothing {});
        tokio::pin!(poll);
        let answer = loop {
            tokio::select! {
                biased;
                line = next(&mut lines) => match line {
                    Some(line) => {
                        shown += 1;
                        show(cx, &line);
                    }
                    // It was asked for before the build began to write, perhaps: once more, after a moment.
                    None => {
                        lines = build
                            .as_ref()
                            .filter(|_| building)
                            .map(|build| build_log(client, build, shown, Listen::Later));
                    }
                },
                answer = &mut poll => break answer,
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
        after = Some(view.version);
        if view.build.is_some() && view.build != build {
            build.clone_from(&view.build);
            (shown, read) = (0, false);
            lines = build.as_ref().map(|build| build_log(client, build, shown, Listen::On));
        }
        // The release is numbered once its artifact is there.
        building = view.build.is_some() && view.release.is_none() && !view.finished;
        // A quick one is over before anybody listened; what a failed one said is shown with its failure.
        if let Some(build) = build.as_ref().filter(|_| !building && !read && view.failure.is_none())
        {
            read = true;
            lines = None;
            let mut rest = build_log(client, build, shown, Listen::Once);
            while let Some(Ok(line)) = rest.next().await {
                show(cx, &line);
            }
        }
        for step in view.steps.iter().skip(steps) {
            cx.printer.say(&format!("  {} {}", "›".cyan(), step.title));
        }
        steps = steps.max(view.steps.len());
        let current =
            view.waiting.as_ref().map(|what| format!("waiting for {what}")).or_else(|| {
                view.steps
                    .iter()
                    .rev()
                    .find(|step| step.state == StepState::Started)
                    .map(|step| step.title.clone())
            });
        // What a probe says is worth a line of its own, once: nobody should wait for the deadline to learn it.
        if let Some(what) = view.waiting.as_ref().filter(|what| !told && what.contains(": ")) {
            told = true;
            cx.printer.say(&format!("    waiting for {what}"));
        }
        cx.printer.wait(current.as_deref().unwrap_or(view.state.as_str()));
        if view.finished {
            return Ok(view);
        }
    }
}

/// How long a build's lines are listened to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listen {
    /// Until it ends.
    On,
    /// The same, after a moment.
    Later,
    /// What there is.
    Once,
}

/// A build's lines, but for those that were shown already.
fn build_log(client: &Client, build: &str, shown: usize, listen: Listen) -> Lines {
    let client = client.clone();
    let query = LogQuery {
        build: Some(build.to_string()),
        tail: Some(WHOLE_LOG),
        follow: listen != Listen::Once,
        ..LogQuery::default()
    };
    let open = async move {
        if listen == Listen::Later {
            pause().await;
        }
        logs(client, query)
    };
    stream::once(open).flatten().skip(shown).boxed()
}

/// The build's next line; never, where there is no log to read.
async fn next(lines: &mut Option<Lines>) -> Option<LogEvent> {
    match lines {
        None => std::future::pending().await,
        // A log that can't be read is no reason to stop following.
        Some(stream) => stream.next().await.and_then(Result::ok),
    }
}

fn show(cx: &Context, line: &LogEvent) {
    cx.printer.say(&format!("    {}", line.line.text.dimmed()));
}

#[allow(
    clippy::disallowed_methods,
    reason = "between two attempts to reach a platform that is away"
)]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}
