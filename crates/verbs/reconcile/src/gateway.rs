//! The gateway is there: started where it is not, started anew where it ended for good, renewed where another build of it
//! runs. It is run like any instance, so killing the control plane drops no request.

use crate::driver::{ReconcileError, Reconciler};
use tow_record::{Observed, Phase};

impl Reconciler {
    pub(crate) async fn gateway(&self, observed: &Observed) -> Result<bool, ReconcileError> {
        let Some(spec) = &self.parts.gateway else { return Ok(false) };
        match observed.instances.get(&spec.id) {
            None => {}
            Some(seen) if matches!(seen.phase, Phase::Exited | Phase::Lost) => {
                self.parts.runtime.remove(self.epoch, &spec.id).await?;
            }
            Some(_) => {
                self.parts.runtime.renew(self.epoch, spec).await?;
                return Ok(false);
            }
        }
        self.parts.runtime.start(self.epoch, spec).await?;
        Ok(true)
    }
}
