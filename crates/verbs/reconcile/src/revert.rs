//! Back where nothing of what was before is left: it is deployed again, through the same code as any deploy, by an operation
//! that begins in the commit in which the failed one ends. Once: what it brings is not watched.

use crate::{
    driver::{ReconcileError, Reconciler},
    rollout::Driven,
};
use serde_json::json;
use tow_names::Id;
use tow_record::{EventBody, NewEvent, Operation, Progress, Reason};
use tow_store::Batch;

/// Who does it.
const REVERTER: &str = "system:rollout";

impl Reconciler {
    pub(crate) async fn begin_again(
        &self,
        driven: &Driven,
        failed: &mut Operation,
        batch: &mut Batch,
    ) -> Result<(), ReconcileError> {
        let Some(before) = failed.progress.before.clone() else { return Ok(()) };
        let number = before.deployment;
        let found = self.immutable.deployed(&self.parts.store, &failed.place, number).await?;
        let Some(found) = found else { return Ok(()) };
        let (deployment, release) = (&found.0, &found.1);
        let op = Operation {
            id: Id::fresh("op"),
            place: failed.place.clone(),
            plan: None,
            reason: Reason::Rollback,
            heal: false,
            build: None,
            release: None,
            artifact: release.artifact.clone(),
            deployment: None,
            replicas: deployment.replicas.clone(),
            scaled: before.scaled,
            stops: false,
            config: before.config,
            variables: deployment.variables.clone(),
            runtime: deployment.runtime.clone(),
            salt: deployment.salt,
            release_number: Some(release.number),
            deadline: None,
            drain_until: None,
            switched: false,
            progress: Progress::default(),
            reverts: failed.deployment,
            cancelled_by: None,
            failure: None,
            remark: None,
            started_at: self.now(),
            finished_at: None,
            created_by: REVERTER.into(),
            request: failed.request.clone(),
        };
        failed.progress.again = Some(op.id.clone());
        batch.create(&op);
        let why = failed.failure.as_ref().map_or("", |failure| failure.message.as_str());
        batch.event(NewEvent {
            at: self.now(),
            actor: REVERTER.into(),
            request: failed.request.clone(),
            kind: "rollout.reverting".into(),
            subject: failed.place.to_string(),
            body: EventBody {
                summary: format!(
                    "release {} of {} is deployed again, as deployment {number} was: {why}",
                    release.number,
                    driven.op.value.place.short()
                ),
                before: json!({"deployment": failed.deployment}),
                after: json!({"operation": op.id, "release": release.number, "why": why}),
            },
        });
        Ok(())
    }
}
