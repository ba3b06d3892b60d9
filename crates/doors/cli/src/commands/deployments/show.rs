//! `tow deployments NUMBER`: one of them, whole.

use crate::context::Context;
use crate::failure::Verdict;
use crate::render::{short, state, time};
use owo_colors::OwoColorize;
use tow_api::Nothing;
use tow_api::deployment::get::{GetDeployment, Path, WholeDeployment};
use tow_api::operation::get::OperationView;
use tow_record::StepState;

pub(super) async fn run(cx: &Context, path: Path) -> Verdict {
    let mut view = cx.client()?.call::<GetDeployment>(&path, &Nothing {}, &Nothing {}).await?;
    view.deployment.component = short(&view.deployment.component);
    cx.printer.data(&view, || text(&view))?;
    if view.operation.is_none() {
        cx.printer.hint("how it was carried out is not kept any more; `tow events` may tell");
    }
    Ok(())
}

/// A line for each thing to know, then the steps, then the last words.
fn text(view: &WholeDeployment) -> String {
    let one = &view.deployment;
    let failure = view.operation.as_ref().and_then(|operation| operation.failure.as_ref());
    let why = match (failure, one.message.as_str()) {
        (Some(failure), _) => format!("{}: {}", failure.gate, failure.message),
        (None, message) => message.to_string(),
    };
    let replicas: Vec<String> =
        view.replicas.iter().map(|(workload, count)| format!("{workload} {count}")).collect();
    let config = if one.config > 0 { one.config.to_string() } else { String::new() };
    let rows = [
        ("deployment", format!("{} of {}", one.number, one.component)),
        ("in", one.environment.clone()),
        ("state", state(one.state)),
        ("why", why),
        ("then", view.operation.as_ref().map(then).unwrap_or_default()),
        ("made for", one.reason.as_str().to_string()),
        ("release", one.release.to_string()),
        ("config", config),
        ("pods", replicas.join(", ")),
        ("by", short(&one.created_by)),
        ("made", format!("{} UTC", time(one.created_at))),
        ("ended", view.ended_at.map(|at| format!("{} UTC", time(at))).unwrap_or_default()),
    ];
    let shown = rows.iter().filter(|(_, text)| !text.is_empty());
    let mut out: String = shown.map(|(name, text)| format!("{name:<11}{text}\n")).collect();
    let Some(operation) = &view.operation else { return out };
    for step in &operation.steps {
        let mark = match step.state {
            StepState::Done => "›".cyan().to_string(),
            StepState::Started => "…".cyan().to_string(),
            StepState::Failed | StepState::Unknown => "✗".red().to_string(),
        };
        out.push_str(&format!("  {mark} {}\n", step.title));
    }
    for told in operation.failure.iter().chain(&operation.remark) {
        if told.log.is_empty() {
            continue;
        }
        out.push_str("what it said last\n");
        for line in &told.log {
            out.push_str(&format!("  {} {line}\n", "│".dimmed()));
        }
    }
    out
}

/// What served after a failure.
fn then(operation: &OperationView) -> String {
    match (operation.back_to, &operation.again, &operation.failure) {
        (Some(back), _, _) => format!("deployment {back} served again"),
        (None, Some(_), _) => "what was before was deployed again".into(),
        (None, None, Some(_)) if operation.finished => "what was before stayed as it was".into(),
        _ => String::new(),
    }
}
