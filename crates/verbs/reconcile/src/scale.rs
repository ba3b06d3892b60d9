//! Workloads that scale by themselves: their load is looked at, and where there are to be more or fewer, an operation
//! makes it so, as it makes a repair. The count is kept beside the place, so no deployment is made.

use crate::{
    driver::{IDLE, ReconcileError, Reconciler, Ticked},
    journal::put,
    rollout::Driven,
    snapshot::{Deployed, Snapshot},
};
use serde_json::json;
use tow_names::Id;
use tow_plan::scale::Step;
use tow_record::{EventBody, NewEvent, Observed, Operation, Placement, Progress, Reason, Scale};
use tow_store::{Batch, CommitError};

/// Who scales.
const SCALER: &str = "system:scale";

impl Reconciler {
    /// Looks at the load of all places where nothing is under way.
    pub(crate) async fn scale(
        &self,
        snapshot: &Snapshot,
        observed: &Observed,
    ) -> Result<Ticked, ReconcileError> {
        let mut until = self.now().plus(IDLE);
        let mut progressed = false;
        let mut samples = self.batch();
        let mut sampled = false;
        for placed in snapshot.placed(None) {
            let placement = placed.placement;
            let place = &placement.place;
            let busy = snapshot.operations.iter().any(|op| op.value.place == *place);
            let Some(deployed) = snapshot.current.get(place).filter(|_| !busy) else { continue };
            let kept = snapshot.scales.get(place);
            let before = kept.map(|row| &row.value);
            let looked = tow_plan::scale::look(&placed, &deployed.0, before, observed, self.now());
            until = looked.until.map_or(until, |at| at.min(until));
            let Some(keep) = looked.keep else { continue };
            let version = kept.map_or(0, |row| row.version);
            if looked.steps.is_empty() {
                put(&mut samples, &keep, version);
                sampled = true;
                continue;
            }
            progressed |=
                self.make_it_so(placement, deployed, &keep, version, &looked.steps).await?;
        }
        if sampled {
            self.parts.store.commit(samples).await?;
        }
        Ok(Ticked { progressed, until })
    }

    /// The new counts and the operation that brings them are there together, or neither is.
    async fn make_it_so(
        &self,
        placement: &Placement,
        deployed: &Deployed,
        keep: &Scale,
        version: i64,
        steps: &[Step],
    ) -> Result<bool, ReconcileError> {
        let place = &placement.place;
        let mut op = self.repair(placement, deployed);
        op.reason = Reason::Scale;
        op.created_by = SCALER.into();
        let mut batch = self.batch();
        batch.create(&op);
        put(&mut batch, keep, version);
        for step in steps {
            let Step { workload, from, to, why, load } = step;
            batch.event(NewEvent {
                at: self.now(),
                actor: SCALER.into(),
                request: String::new(),
                kind: "workload.scaled".into(),
                subject: place.to_string(),
                body: EventBody {
                    summary: format!("{workload} of {}: {from} → {to}: {why}", place.short()),
                    before: json!({"workload": workload, "count": from}),
                    after: json!({
                        "workload": workload, "count": to, "why": why, "operation": op.id,
                        "waiting": load.waiting, "in_flight": load.in_flight,
                        "requests_per_second_millis": load.requests_millis,
                        "cpu_millis": load.cpu_millis,
                    }),
                },
            });
        }
        match self.parts.store.commit(batch).await {
            Ok(_) => Ok(true),
            // A person was quicker with a change of their own: it comes first.
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// An operation that makes a place what it is to be, and changes nothing of that.
    pub(crate) fn repair(&self, placement: &Placement, deployed: &Deployed) -> Operation {
        Operation {
            id: Id::fresh("op"),
            place: placement.place.clone(),
            plan: None,
            reason: Reason::Restart,
            heal: true,
            build: None,
            release: None,
            artifact: deployed.1.artifact.clone(),
            deployment: Some(placement.deployment),
            replicas: deployed.0.replicas.clone(),
            scaled: placement.replicas.clone(),
            stops: placement.stopped,
            config: deployed.0.config,
            variables: deployed.0.variables.clone(),
            runtime: deployed.0.runtime.clone(),
            salt: deployed.0.salt,
            release_number: Some(deployed.1.number),
            deadline: None,
            drain_until: None,
            switched: false,
            progress: Progress::default(),
            reverts: None,
            cancelled_by: None,
            failure: None,
            remark: None,
            started_at: self.now(),
            finished_at: None,
            created_by: "system:heal".into(),
            request: String::new(),
        }
    }

    /// What a deployment that goes live begins with, in the commit that begins its switch.
    pub(crate) fn keep_counts(&self, driven: &Driven, batch: &mut Batch) {
        let (Some(counted), Some(deployed)) = (&driven.counted, &driven.deployed) else { return };
        let environment = &driven.environment;
        let scale =
            tow_plan::scale::made_live(&deployed.0, counted, &deployed.1, environment, self.now());
        let known = driven.scale.as_ref();
        if known.is_some() || !scale.workloads.is_empty() {
            put(batch, &scale, known.map_or(0, |row| row.version));
        }
    }
}
