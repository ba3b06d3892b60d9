//! Places whose pods are gone for good get new ones: after a restart of the machine, or when a process and its shim died
//! together. Everything short of that is the runtime's own business.

use crate::{
    driver::{ReconcileError, Reconciler},
    snapshot::Snapshot,
};
use serde_json::{Value, json};
use tow_names::Duration;
use tow_record::{EventBody, NewEvent, Observed, Operation};
use tow_store::Find;

/// After a repair that failed, the next one waits.
const PAUSE: Duration = Duration::from_secs(30);

impl Reconciler {
    pub(crate) async fn heal(
        &self,
        snapshot: &Snapshot,
        observed: &Observed,
    ) -> Result<bool, ReconcileError> {
        let mut begun = false;
        for row in &snapshot.placements {
            let placement = &row.value;
            let place = &placement.place;
            let busy = snapshot.operations.iter().any(|op| op.value.place == *place);
            let Some(deployed) = snapshot.current.get(place) else { continue };
            let Some(counted) = snapshot.counted(place).filter(|_| !busy) else { continue };
            let wanted = tow_plan::pods(&deployed.1, &counted);
            let rows = snapshot.rows(place);
            let Some(ailment) = tow_plan::ailment(placement, &wanted, rows, observed) else {
                continue;
            };
            if self.paused(place).await? {
                continue;
            }
            let op = self.repair(placement, deployed);
            let mut batch = self.batch();
            batch.create(&op);
            batch.event(NewEvent {
                at: self.now(),
                actor: "system:heal".into(),
                request: String::new(),
                kind: "operation.healing".into(),
                subject: place.to_string(),
                body: EventBody {
                    summary: format!("{} is being repaired: {}", place.short(), ailment.message),
                    before: Value::Null,
                    after: json!({"operation": op.id}),
                },
            });
            match self.parts.store.commit(batch).await {
                Ok(_) => begun = true,
                // A person was quicker with a change of their own: it comes first.
                Err(tow_store::CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(begun)
    }

    async fn paused(&self, place: &tow_names::Place) -> Result<bool, ReconcileError> {
        let subject = Some(place.to_string());
        let find = Find { subject, newest_first: true, limit: Some(1), ..Find::default() };
        let last = self.parts.store.list::<Operation>(find).await?.into_iter().next();
        Ok(last.is_some_and(|row| {
            let op = row.value;
            op.heal
                && op.failure.is_some()
                && op.finished_at.is_some_and(|at| at.plus(PAUSE) > self.now())
        }))
    }
}
