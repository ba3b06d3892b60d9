//! A release's own commands: before the switch, which they gate, and after it.

use super::{Next, Rollout, brings};
use crate::{
    delivered,
    run::{RunOrder, ordered},
};
use tow_model::kinds::environment::EnvironmentSpec;
use tow_names::Id;
use tow_record::{Effect, Operation, Release, Run, RunKind, StepRow, StepState};

/// Does this operation run commands of its release at all?
fn commands(op: &Operation) -> bool {
    !op.heal && !op.stops && brings(op.reason)
}

/// The last that was done about such a command.
fn begun<'a>(journal: &'a [StepRow], id: &Id) -> Option<&'a StepRow> {
    journal.iter().rfind(|row| matches!(&row.step.effect, Effect::Run { run } if run == id))
}

/// Is a command still to be run that comes after the switch? Whoever ends the operation before would take it away.
pub fn is_to_run(
    op: &Operation,
    journal: &[StepRow],
    release: &Release,
    environment: &EnvironmentSpec,
) -> bool {
    let place = &op.place.environment;
    let mut files = release.workloads.iter();
    commands(op)
        && files.any(|(workload, file)| {
            let said = delivered(&release.delivery, &file.score, place, environment);
            let id = Run::of_operation(&op.id, op.started_at, workload, RunKind::PostDeploy);
            said.post_deploy.is_some() && begun(journal, &id).is_none()
        })
}

impl Rollout<'_> {
    /// The commands of a release before or after its switch, one after the other: begins the next one, or waits for one
    /// that is under way. `None`: there are none, or all ended.
    pub(super) fn command(&self, kind: RunKind) -> Option<Next> {
        let op = self.op;
        if !commands(op) {
            return None;
        }
        for (workload, delivered) in &self.deliveries {
            let said = match kind {
                RunKind::Release => delivered.release.as_ref(),
                _ => delivered.post_deploy.as_ref(),
            };
            let Some(argv) = said else { continue };
            let id = Run::of_operation(&op.id, op.started_at, workload, kind);
            match begun(self.journal, &id) {
                Some(row) if row.state == StepState::Started => {
                    return Some(Next::Wait(None, row.step.title.clone()));
                }
                Some(_) => {}
                None => {
                    let run = ordered(RunOrder {
                        id,
                        deployment: self.deployment,
                        release: self.release,
                        environment: self.view.environment,
                        workload,
                        kind,
                        command: Some(argv.clone()),
                        cause: format!("deployment {}", self.deployment.number),
                        by: &op.created_by,
                        request: &op.request,
                        due: None,
                        at: self.now,
                    })?;
                    return Some(Next::Run(Box::new(run)));
                }
            }
        }
        None
    }
}
