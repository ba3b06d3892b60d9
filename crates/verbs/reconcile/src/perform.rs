//! The effects: one port call a step, idempotent by the effect key. Returns when accepted; never waits for health.

use crate::{
    driver::{ReconcileError, Reconciler},
    rollout::Driven,
};
use std::collections::BTreeMap;
use tow_names::Place;
use tow_plan::SpecInput;
use tow_ports::PortError;
use tow_record::{BuildSpec, Effect, Instance, RouteSet, StepRow};
use tow_store::Row;

impl Reconciler {
    /// Performs a begun step. What can't ever succeed is noted as failed; what may succeed later is an error.
    pub(crate) async fn perform(
        &self,
        driven: &Driven,
        row: &Row<StepRow>,
    ) -> Result<(), ReconcileError> {
        let done = match &row.value.step.effect {
            Effect::Build { spec } => {
                let id = driven.op.value.build_id();
                let op = &driven.op.value;
                let secrets = self.build_secrets(&op.place, op.config, spec).await?;
                self.parts.builder.start(self.epoch, &id, spec, &secrets, self.now()).await
            }
            Effect::Start { instance } => return self.start(driven, row, instance).await,
            Effect::Switch { .. } => {
                let stored = self.parts.store.get::<RouteSet>("routes").await?;
                match stored {
                    Some(set) => self.parts.edge.apply(&set.value).await.map(|_| ()),
                    None => Ok(()),
                }
            }
            // It was made with the step; another controller carries it through.
            Effect::Run { .. } | Effect::Note => Ok(()),
            Effect::Stop { instance, grace } => {
                self.parts.runtime.stop(self.epoch, instance, *grace).await
            }
            Effect::Remove { instance } => self.parts.runtime.remove(self.epoch, instance).await,
        };
        match done {
            Ok(()) => Ok(()),
            Err(PortError::Refused(why))
                if matches!(row.value.step.effect, Effect::Build { .. }) =>
            {
                self.fail_step(driven, row, &why).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What of a place's configuration a build sees: what it names, and no more. A name that is not set is left out;
    /// the plan has refused it.
    pub(crate) async fn build_secrets(
        &self,
        place: &Place,
        version: i64,
        spec: &BuildSpec,
    ) -> Result<BTreeMap<String, String>, ReconcileError> {
        if spec.secrets.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut plain = self.plain_values(place, version).await?;
        plain.retain(|name, _| spec.secrets.contains(name));
        Ok(plain)
    }

    async fn start(
        &self,
        driven: &Driven,
        row: &Row<StepRow>,
        instance: &Instance,
    ) -> Result<(), ReconcileError> {
        let Some(deployed) = &driven.deployed else { return Ok(()) };
        let config = self.plain_config(driven, deployed.0.config).await?;
        let spec = tow_plan::instance_spec(SpecInput {
            instance,
            release: &deployed.1,
            deployment: &deployed.0,
            environment: &driven.environment,
            artifact: driven.artifact.as_ref(),
            config: &config,
        });
        let spec = match spec {
            Ok(spec) => spec,
            Err(why) => return self.fail_step(driven, row, &why.to_string()).await,
        };
        match self.parts.runtime.start(self.epoch, &spec).await {
            Ok(()) => Ok(()),
            Err(PortError::Refused(why) | PortError::NotThere(why)) => {
                self.fail_step(driven, row, &why).await
            }
            Err(error) => Err(error.into()),
        }
    }
}
