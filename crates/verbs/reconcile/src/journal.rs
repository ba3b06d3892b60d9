//! The beginnings of steps: the journal row, and whatever must be there before the effect, in one commit.

use crate::{
    driver::{ReconcileError, Reconciler},
    rollout::Driven,
};
use tow_names::{Duration, Id};
use tow_plan::InstanceDraft;
use tow_record::{Desired, Effect, Instance, Operation, Run, Step, StepRow, StepState};
use tow_store::{Batch, Find, environment_ref};

impl Reconciler {
    pub(crate) fn batch(&self) -> Batch {
        let mut batch = Batch::new();
        batch.fence(self.fence());
        batch
    }

    /// A step begins: only while the operation is as it was read. Whoever deploys again may end a bake at any moment, and
    /// somebody may break the rollout off: what has ended begins nothing, and what goes back takes nothing over.
    pub(crate) fn beginning(&self, driven: &Driven) -> Batch {
        let mut batch = self.batch();
        batch.expect::<Operation>(driven.op.value.id.as_str(), driven.op.version);
        batch
    }

    /// Component and environment are still declared, and the batch holds only while they are as they are: nothing that
    /// was deleted in the instant in which a plan was applied gets a number or a route. What is gone is said.
    pub(crate) async fn still_declared(
        &self,
        driven: &Driven,
        batch: &mut Batch,
    ) -> Result<Option<String>, ReconcileError> {
        let place = &driven.op.value.place;
        let needed = [place.component.clone(), environment_ref(place)];
        let found = self.parts.store.objects_by(&needed).await?;
        for entity in needed {
            match found.iter().find(|row| row.manifest.entity() == entity) {
                Some(row) => batch.expect_object(&entity, row.version),
                None => return Ok(Some(format!("{entity} was deleted"))),
            }
        }
        Ok(None)
    }

    pub(crate) fn row(&self, driven: &Driven, effect: Effect, title: String) -> StepRow {
        let n = driven.journal.iter().map(|row| row.value.step.n).max().unwrap_or(0) + 1;
        StepRow {
            operation: driven.op.value.id.clone(),
            step: Step { n, effect, title },
            attempt: 1,
            state: StepState::Started,
            at: self.now(),
            note: String::new(),
        }
    }

    pub(crate) async fn begin_build(&self, driven: &Driven) -> Result<(), ReconcileError> {
        let Some(spec) = driven.op.value.build.clone() else {
            let why = "the artifact is gone and there is nothing to build it from";
            return self.fail(driven, failure("build", why)).await;
        };
        let title = format!("build source {}", spec.source.short());
        let row = self.row(driven, Effect::Build { spec }, title);
        let mut batch = self.beginning(driven);
        batch.create(&row);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// The step and the run that it points at are there together, or neither is.
    pub(crate) async fn begin_run(&self, driven: &Driven, run: &Run) -> Result<(), ReconcileError> {
        let command = run.command.as_ref().map(|argv| argv.join(" ")).unwrap_or_default();
        let title = format!("{} command of {}: {command}", run.kind.as_str(), run.workload);
        let row = self.row(driven, Effect::Run { run: run.id.clone() }, title);
        let mut batch = self.beginning(driven);
        batch.create(&row);
        batch.create(run);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// The row, then the process. Ports are taken by the row: unique on the node while it is there.
    pub(crate) async fn begin_start(
        &self,
        driven: &Driven,
        draft: InstanceDraft,
    ) -> Result<(), ReconcileError> {
        let Some(deployed) = &driven.deployed else { return Ok(()) };
        let ports = match draft.ports {
            Some(ports) => ports,
            None => {
                let rows = self.parts.store.list::<Instance>(Find::default()).await?;
                let taken: Vec<u16> =
                    rows.iter().flat_map(|row| row.value.ports.values().copied()).collect();
                let free = self.parts.runtime.free_ports(draft.port_names.len(), &taken).await?;
                draft.port_names.into_iter().zip(free).collect()
            }
        };
        let instance = Instance {
            id: Id::fresh("i"),
            place: driven.op.value.place.clone(),
            deployment: deployed.0.number,
            release: deployed.1.number,
            workload: draft.workload,
            container: draft.container,
            replica: draft.replica,
            revision: draft.revision,
            node: self.parts.runtime.node(),
            runtime: deployed.0.runtime.name.clone(),
            run: None,
            ports,
            desired: Desired::Running,
            created_at: self.now(),
        };
        let title =
            format!("start {}/{} {}", instance.workload, instance.replica, instance.container);
        let row = self.row(driven, Effect::Start { instance: Box::new(instance.clone()) }, title);
        let mut batch = self.beginning(driven);
        batch.create(&row);
        batch.create(&instance);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    pub(crate) async fn begin_stop(
        &self,
        driven: &Driven,
        id: &Id,
        grace: Duration,
    ) -> Result<(), ReconcileError> {
        let Some(found) = driven.instances.iter().find(|row| row.value.id == *id) else {
            return Ok(());
        };
        let mut instance = found.value.clone();
        instance.desired = Desired::Stopped;
        let title =
            format!("stop {}/{} {}", instance.workload, instance.replica, instance.container);
        let row = self.row(driven, Effect::Stop { instance: id.clone(), grace }, title);
        let mut batch = self.beginning(driven);
        batch.create(&row);
        batch.update(&instance, found.version);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    pub(crate) async fn begin_remove(
        &self,
        driven: &Driven,
        id: &Id,
    ) -> Result<(), ReconcileError> {
        let title = match driven.instances.iter().find(|row| row.value.id == *id) {
            Some(row) => format!(
                "remove {}/{} {}",
                row.value.workload, row.value.replica, row.value.container
            ),
            None => return Ok(()),
        };
        let row = self.row(driven, Effect::Remove { instance: id.clone() }, title);
        let mut batch = self.beginning(driven);
        batch.create(&row);
        self.parts.store.commit(batch).await?;
        Ok(())
    }
}

/// Creates or updates, by the version that was read.
pub(crate) fn put<R: tow_record::Record>(batch: &mut Batch, value: &R, version: i64) {
    match version {
        0 => batch.create(value),
        version => batch.update(value, version),
    }
}

pub(crate) fn failure(gate: &str, message: impl Into<String>) -> tow_record::Failure {
    tow_record::Failure {
        gate: gate.into(),
        message: message.into(),
        instance: None,
        log: Vec::new(),
    }
}
