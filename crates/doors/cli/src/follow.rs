//! Carries a change out and stays with it: plan, apply, the steps and the build's log, the outcome.

use crate::Exit;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render;
use crate::stay::{Course, Lines, Stands, Stayed, stay};
use owo_colors::OwoColorize;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tow_api::Nothing;
use tow_api::build::cancel::CancelBuild;
use tow_api::build::get::Path as BuildPath;
use tow_api::log::stream::{LogEvent, Query as LogQuery};
use tow_api::operation::get::{GetOperation, OperationView, Path as OperationPath, Query as After};
use tow_api::plan::apply::ApplyPlan;
use tow_api::plan::create::{Body, CreatePlan, PlanView};
use tow_api::plan::get::Path as PlanPath;
use tow_client::{Client, ClientError};
use tow_record::{State, StepState};

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
    let stayed = follow(cx, &operation).await?;
    let view = &stayed.view;
    let outcome = outcome(view, plan, began);
    if let Some(failure) = &view.failure {
        // Programs read the outcome whatever it is; people read the reason.
        if !cx.printer.is_text() {
            cx.printer.data(&outcome, String::new)?;
        }
        // What was shown as it came is not shown again.
        let shown = failure.gate == BUILD && stayed.lines > 0 && !cx.printer.is_quiet();
        for line in failure.log.iter().filter(|_| !shown) {
            cx.printer.error_line(&format!("  {} {line}", "│".dimmed()));
        }
        let after = after_it(cx, &outcome, view).await;
        let problem = Failure::new(
            &format!("rollout/{}", failure.gate),
            match failure.gate.as_str() {
                // It failed at nothing: somebody did not want it.
                "aborted" => format!("{}: {}", outcome.component, failure.message),
                gate => format!("{} failed at {gate}: {}", outcome.component, failure.message),
            },
        );
        let mut problem = problem.hint(tells_more(&outcome, view, &failure.gate));
        if let Failure::Problem(problem) = &mut problem {
            problem.untouched = after;
        }
        return Err(stayed.failed(cx, problem));
    }
    if let Some(remark) = &view.remark {
        for line in &remark.log {
            cx.printer.error_line(&format!("  {} {line}", "│".dimmed()));
        }
        let what = format!("{} failed, the release is live: {}", remark.gate, remark.message);
        cx.printer.error_line(&format!("  {} {what}", "!".yellow()));
    }
    cx.printer.data(&outcome, || live(&outcome, view))?;
    match view.state {
        State::Failed | State::Unknown => Err(Failure::Shown(Exit::Failed)),
        _ => Ok(()),
    }
}

/// What serves after a failure. Where what was before is deployed again, that is waited for: till then nobody can say.
async fn after_it(cx: &Context, outcome: &Outcome, view: &OperationView) -> String {
    if let Some(back) = view.back_to {
        return format!("deployment {back} serves again");
    }
    let Some(again) = &view.again else {
        return match outcome.deployment {
            Some(1) => "nothing ran before, and nothing runs now".into(),
            _ => "what ran before was left as it was".into(),
        };
    };
    cx.printer.say("  nothing of what was before is left to go back to: it is deployed again");
    // Whoever does not want to wait for that has the failure all the same.
    let Ok(stayed) = follow(cx, again).await else {
        return "what was before is being deployed again: `tow status` says how far it is".into();
    };
    let done = stayed.view;
    match (&done.failure, done.release, done.deployment) {
        (Some(failure), _, _) => {
            format!("what was before is not back: {}: {}", failure.gate, failure.message)
        }
        (None, Some(release), Some(number)) => {
            format!("release {release} serves again, as deployment {number}")
        }
        (None, _, _) => "what was before serves again".into(),
    }
}

/// What did not hold, where it was the build.
const BUILD: &str = "build";

/// Where more is to be read about a failure: commands that work as they stand here.
fn tells_more(outcome: &Outcome, view: &OperationView, gate: &str) -> String {
    if let (BUILD, Some(build)) = (gate, &view.build) {
        return format!("`tow logs --build {build}` shows all that the build said");
    }
    let at = match outcome.environment.as_str() {
        "development" => String::new(),
        other => format!(" -e {other}"),
    };
    match outcome.deployment {
        Some(number) => format!(
            "`tow deployments {} {number}{at}` shows it whole, with what its instances said last",
            outcome.component
        ),
        None => format!("`tow deployments -c {}{at}` tells more", outcome.component),
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

/// A deployment's operation: its steps, and the log of the build it waits for.
struct Operation {
    path: OperationPath,
    steps: usize,
    build: bool,
    told: BTreeSet<String>,
    /// Since when the same is waited for.
    waits: Option<(String, Instant)>,
}

/// Waiting that lasts this long is worth a line of its own.
const LASTS: Duration = Duration::from_secs(4);
/// What is waited for may say a little more each time; so many lines of it are enough.
const TOLD: usize = 5;

impl Course for Operation {
    type View = OperationView;

    async fn look(
        &self,
        client: &Client,
        after: Option<i64>,
    ) -> Result<OperationView, ClientError> {
        client.call::<GetOperation>(&self.path, &After { after }, &Nothing {}).await
    }

    fn stands(&self, view: &OperationView) -> Stands {
        // The release is numbered once its artifact is there.
        let builds = view.build.is_some() && view.release.is_none() && !view.finished;
        let log = LogQuery { build: view.build.clone(), ..LogQuery::default() };
        Stands {
            version: view.version,
            finished: view.finished,
            log: view.build.is_some().then_some(log),
            lines: match (builds, &view.failure) {
                (true, _) => Lines::Grow,
                (false, None) => Lines::Are,
                (false, Some(failure)) if failure.gate == BUILD => Lines::Are,
                // What a failed one said is shown with its failure.
                (false, Some(_)) => Lines::Left,
            },
        }
    }

    fn line(&self, cx: &Context, line: &LogEvent) -> Verdict {
        cx.printer.say(&format!("    {}", line.line.text.dimmed()));
        Ok(())
    }

    fn news(&mut self, cx: &Context, view: &OperationView) {
        for step in view.steps.iter().skip(self.steps) {
            cx.printer.say(&format!("  {} {}", "›".cyan(), step.title));
        }
        self.steps = self.steps.max(view.steps.len());
        let current =
            view.waiting.as_ref().map(|what| format!("waiting for {what}")).or_else(|| {
                view.steps
                    .iter()
                    .rev()
                    .find(|step| step.state == StepState::Started)
                    .map(|step| step.title.clone())
            });
        if let (Some(build), false) = (&view.build, self.build) {
            self.build = true;
            let ways = format!("tow logs --build {build}; tow build cancel {build}");
            cx.printer.say(&format!("    {}", ways.dimmed()));
        }
        if let Some(what) = &view.waiting {
            // What a probe says is told at once: nobody should wait for the deadline to learn it. Anything else, once it lasts.
            let since = match &self.waits {
                Some((known, since)) if known == what => *since,
                _ => self.waits.insert((what.clone(), now())).1,
            };
            let due = what.contains(": ") || since.elapsed() > LASTS;
            if due && self.told.len() < TOLD && self.told.insert(what.clone()) {
                cx.printer.say(&format!("    waiting for {what}"));
            }
        }
        cx.printer.wait(current.as_deref().unwrap_or(view.state.as_str()));
    }
}

/// Stays with an operation until it ends.
async fn follow(cx: &Context, id: &str) -> Verdict<Stayed<OperationView>> {
    let client = cx.client()?;
    let path = OperationPath { operation: id.to_string() };
    let mut course = Operation {
        path: path.clone(),
        steps: 0,
        build: false,
        told: BTreeSet::new(),
        waits: None,
    };
    stay(cx, &mut course, cancel(client, path)).await
}

/// Only a build is ended by a key: a rollout goes back by itself where it fails, and is broken off by a verb of its own.
async fn cancel(client: &Client, path: OperationPath) -> Result<String, ClientError> {
    let view = client.call::<GetOperation>(&path, &After { after: None }, &Nothing {}).await?;
    if let Some(build) = view.build.filter(|_| view.release.is_none() && !view.finished) {
        client.call::<CancelBuild>(&BuildPath { build }, &Nothing {}, &Nothing {}).await?;
        return Ok("asked to cancel: the build is ended, and what ran goes on".into());
    }
    Ok("it goes on without you, and goes back by itself where it fails; `tow rollout status` tells how far it is, and \
        `tow rollout abort` breaks it off"
        .into())
}
