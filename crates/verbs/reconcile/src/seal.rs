//! The sealer: events that have waited long enough get a seal, which holds to the seal before and is signed. It goes on
//! from the last seal there is, so a death anywhere leaves either the seal and its cursor, or nothing. At 10,000 new
//! events it writes ten seals, one a look.

use crate::driver::{ReconcileError, Reconciler, Ticked};
use tow_plan::audit;
use tow_record::Seal;
use tow_store::Batch;

impl Reconciler {
    pub(crate) async fn seal(&self) -> Result<Ticked, ReconcileError> {
        let (store, now) = (&self.parts.store, self.now());
        // Cheap while there is nothing to do: no seal is read.
        let (sealed, head) = (store.cursor(Seal::CONSUMER).await?, store.head().await?);
        if head <= sealed {
            return Ok(self.idle());
        }
        let first = store.events(Some(sealed), 1, None).await?.first().map(|event| event.at);
        if let Some(until) = audit::due(head - sealed, first, now) {
            return Ok(Ticked { progressed: false, until });
        }
        let last = store.last::<Seal>("").await?.map(|row| row.value);
        let from = audit::next_from(last.as_ref(), sealed);
        let to = head.min(from + audit::FULL - 1);
        if from > to {
            // The cursor was lost behind the seals: it catches up.
            let mut batch = Batch::new();
            batch.fence(self.fence());
            batch.cursor(Seal::CONSUMER, from - 1);
            store.commit(batch).await?;
            return Ok(self.idle());
        }
        let events = store.logged(from, to).await?;
        let mut seal = audit::seal(last.as_ref(), from, to, &events, now);
        seal.signature = self.parts.keys.sign(seal.statement().as_bytes())?;
        let mut batch = Batch::new();
        batch.fence(self.fence());
        batch.create(&seal);
        batch.cursor(Seal::CONSUMER, to);
        store.commit(batch).await?;
        Ok(Ticked { progressed: true, until: now })
    }
}
