//! The route table follows readiness: what is not ready is not routed to, and a gateway that is behind is told again.

use crate::{
    driver::{ReconcileError, Reconciler},
    journal::put,
    snapshot::Snapshot,
};
use tow_record::{Observed, RouteSet};

impl Reconciler {
    pub(crate) async fn route(
        &self,
        snapshot: &Snapshot,
        observed: &Observed,
    ) -> Result<bool, ReconcileError> {
        let stored = &snapshot.routes;
        let placed = snapshot.placed(None);
        if placed.is_empty() && stored.version == 0 {
            return Ok(false);
        }
        let routes = tow_plan::routes(&placed, observed);
        let mut progressed = false;
        let mut current = stored.value.clone();
        if routes != current.routes || current.epoch != self.epoch {
            current = RouteSet { epoch: self.epoch, revision: current.revision + 1, routes };
            let mut batch = self.batch();
            put(&mut batch, &current, stored.version);
            self.parts.store.commit(batch).await?;
            progressed = true;
        }
        let edge = &observed.edge;
        if progressed || (edge.reachable && edge.mark() < current.mark()) {
            let ack = self.parts.edge.apply(&current).await?;
            for row in &snapshot.placements {
                let mut placement = row.value.clone();
                let own = format!("{}/", placement.place);
                let ports = ack.ports.iter().filter(|(route, _)| route.starts_with(&own));
                placement.ports.extend(ports.map(|(route, port)| (route.clone(), *port)));
                if placement.ports != row.value.ports {
                    let mut batch = self.batch();
                    batch.update(&placement, row.version);
                    self.parts.store.commit(batch).await?;
                    progressed = true;
                }
            }
        }
        Ok(progressed)
    }
}
