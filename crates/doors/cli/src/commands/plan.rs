//! `tow plan`: what a deploy would do, printed and saved.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::render::{line, short};
use owo_colors::OwoColorize;
use serde::Serialize;
use std::path::PathBuf;
use tow_api::Nothing;
use tow_api::plan::create::{CreatePlan, PlanView};
use tow_record::{Action, Gate, GateKind, PlanStep};

/// Say what a deploy would do, and save it as a plan
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder that holds score.yaml (else this one)
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,
    #[command(flatten)]
    at: Where,
    /// Plan this earlier release instead of the folder
    #[arg(long, value_name = "N")]
    release: Option<i64>,
}

/// The shape that scripts read.
#[derive(Serialize)]
struct View<'a> {
    id: &'a str,
    targets: Vec<Target<'a>>,
    steps: &'a [PlanStep],
    changes: u32,
    gates: &'a [Gate],
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Target<'a> {
    component: String,
    environment: &'a str,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = super::deploy::request(cx, &args.dir, &args.at, args.release).await?;
    cx.printer.wait("planning");
    let plan = cx.client()?.call::<CreatePlan>(&Nothing {}, &Nothing {}, &body).await;
    cx.printer.waited();
    let plan = plan?;
    let targets = plan.targets.iter().map(|target| Target {
        component: short(&target.component),
        environment: &target.environment,
    });
    let view = View {
        id: &plan.id,
        targets: targets.collect(),
        steps: &plan.steps,
        changes: plan.changes,
        gates: &plan.gates,
        warnings: &plan.warnings,
    };
    cx.printer.data(&view, || text(&plan))?;
    if plan.changes > 0 {
        cx.printer.hint(&format!("`tow deploy --plan {}` does exactly this", plan.id));
    }
    Ok(())
}

/// A plan for people.
pub(crate) fn text(plan: &PlanView) -> String {
    let mut out = String::new();
    for target in &plan.targets {
        let name = short(&target.component);
        let id = plan.id.dimmed();
        line(&mut out, format_args!("{} → {}  {id}", name.bold(), target.environment.bold()));
    }
    let width = plan.steps.iter().map(|step| step.subject.chars().count()).max().unwrap_or(0);
    for step in &plan.steps {
        let subject = format!("{:width$}", step.subject);
        let reason = step.reason.dimmed();
        let line_out = match step.action {
            Action::Create => format!("  {} {subject}  {reason}", "+ create ".green()),
            Action::UpdateInPlace => format!("  {} {subject}  {reason}", "~ update ".yellow()),
            Action::Replace => format!("  {} {subject}  {reason}", "± replace".yellow()),
            Action::Destroy => format!("  {} {subject}  {reason}", "- destroy".red()),
            Action::Watch => format!("  {} {subject}  {reason}", "◷ watch  ".cyan()),
            Action::None => format!("  {} {subject}  {reason}", "= none   ".dimmed()),
        };
        line(&mut out, format_args!("{}", line_out.trim_end()));
    }
    for gate in &plan.gates {
        line(&mut out, format_args!("  {} {}", "gate     ".cyan(), self::gate(gate)));
    }
    for warning in &plan.warnings {
        line(&mut out, format_args!("  {} {warning}", "warning  ".yellow()));
    }
    let changes = match plan.changes {
        0 => "nothing to do".to_string(),
        1 => "1 change".to_string(),
        n => format!("{n} changes"),
    };
    line(&mut out, format_args!("  {changes}"));
    out.trim_end().to_string()
}

/// What must hold, and by which numbers.
fn gate(gate: &Gate) -> String {
    let what = match &gate.probe {
        GateKind::Http { path } => format!("GET {path} answers 2xx or 3xx"),
        GateKind::Exec { command } => format!("`{}` exits 0", command.join(" ")),
        GateKind::Tcp { port } => format!("port {port} accepts"),
        GateKind::Alive => "it is alive".to_string(),
    };
    let mut out = format!("{}/{}: {what}", gate.workload, gate.container);
    out.push_str(&format!(", asked every {}", gate.interval));
    if gate.successes > 1 {
        out.push_str(&format!(", {} times in a row", gate.successes));
    }
    if gate.min_healthy_time.micros() > 0 {
        out.push_str(&format!(", for {}", gate.min_healthy_time));
    }
    out.push_str(&format!(", within {}", gate.deadline));
    out
}
