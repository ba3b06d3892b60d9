//! Builds that no deployment waits for: somebody wants one, looks at it, does not want it any more. A controller carries
//! them through.

use super::building;
use super::documents::folder;
use crate::artifact::view as artifact_view;
use crate::handle::body;
use crate::{App, AppError, Call, Handle, OpCtx};
use serde_json::{Value, json};
use tow_api::Action;
use tow_api::build::{
    cancel::CancelBuild,
    create::{Body, CreateBuild},
    get::{BuildView, GetBuild, Path},
};
use tow_model::{Spec, kinds::delivery::DeliverySpec};
use tow_names::{Digest, Duration, EntityRef, Id, Name, Place};
use tow_policy::Object;
use tow_record::{Artifact, Build, Operation, Source};
use tow_store::{Batch, Row};

/// How long a long poll waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a cancel is tried again where the build moved meanwhile.
const TRIES: u32 = 5;

impl Handle<CreateBuild> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<CreateBuild>) -> Result<BuildView, AppError> {
        self.write(ctx, &call, async |batch| self.build_created(ctx, &call.body, batch).await).await
    }
}

impl Handle<GetBuild> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<GetBuild>) -> Result<BuildView, AppError> {
        let until = self.now().plus(PATIENCE);
        let mut commits = self.store().commits();
        loop {
            commits.mark_unchanged();
            let row = self.own_build(ctx, &call.path, Action::ReadPrivate).await?;
            let finished = row.value.finished_at.is_some();
            let news = call.query.after.is_none_or(|after| row.version > after);
            if news || finished || self.now() >= until {
                return self.build_view(&row.value, row.version).await;
            }
            tokio::select! {
                _ = commits.changed() => {}
                () = self.parts.clock.sleep_until(until) => {}
            }
        }
    }
}

impl Handle<CancelBuild> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<CancelBuild>) -> Result<BuildView, AppError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let done = self
                .write(ctx, &call, async |batch| self.build_cancelled(ctx, &call.path, batch).await)
                .await;
            match done {
                Err(error) if error.is("object/moved") && tries < TRIES => {}
                done => return done,
            }
        }
    }
}

impl App {
    async fn build_created(
        &self,
        ctx: &OpCtx,
        asked: &Body,
        batch: &mut Batch,
    ) -> Result<BuildView, AppError> {
        let folder = folder(&asked.documents, asked.component.as_deref())?;
        let name = asked.environment.as_deref().unwrap_or("development");
        let name = Name::new(name).map_err(|e| AppError::new("input/invalid", e.to_string()))?;
        let runtime = match self.environment_row(&name).await?.manifest.spec {
            Spec::Environment(environment) => self.runtime_of(&environment).await?.0,
            _ => return Err(AppError::not_found(format!("environment {name}"))),
        };
        let place = Place::new(folder.component.clone(), &name);
        let row = self.store().object(&place.component).await?;
        let object = match (&row, &folder.entry) {
            (Some(row), _) => Object::of(&row.manifest),
            (None, Some(entry)) => Object::of(entry),
            (None, None) => Object::owned(Some(&place.component), Some(ctx.actor.name.clone())),
        };
        self.authorize(ctx, Action::Deploy, &object)?;
        let delivery = match &folder.delivery {
            Some(delivery) => delivery.clone(),
            None => self.delivery_of(&folder.component).await?,
        };
        let digest: Digest = asked
            .source
            .parse()
            .map_err(|e: tow_names::DigestError| AppError::new("input/invalid", e.to_string()))?;
        let source = self.store().get::<Source>(digest.as_str()).await?;
        let source = source.ok_or_else(|| AppError::not_found(format!("source {digest}")))?.value;
        let config = self.store().place(&place).await?.placement.value.config;
        let spec = building::spec(&folder.component, &source, &delivery, &runtime);
        let spec = self.looked_at(spec, &place, config).await?;
        if let Some(why) = spec.found.as_ref().and_then(|found| found.missing.clone()) {
            return Err(AppError::new("build/refused", why).untouched("nothing was built"));
        }
        let known = self.store().get::<Artifact>(spec.key().as_str()).await?;
        let now = self.now();
        let build = Build {
            id: Id::fresh("bld"),
            place: place.clone(),
            config,
            artifact: known.as_ref().map(|row| row.value.key.clone()),
            finished_at: known.is_some().then_some(now),
            spec,
            cancelled_by: None,
            failure: None,
            started_at: now,
            created_by: ctx.actor.name.clone(),
            request: ctx.request.clone(),
        };
        batch.create(&build);
        let what = body(
            format!("{} is to be built", place.component.short()),
            Value::Null,
            json!({"build": build.id, "source": build.spec.source}),
        );
        batch.event(self.event(ctx, "build.created", place.to_string(), what));
        self.build_view(&build, 1).await
    }

    async fn delivery_of(&self, component: &EntityRef) -> Result<DeliverySpec, AppError> {
        let entity = EntityRef::new("delivery", component.namespace(), component.name());
        let row = self.store().object(&entity).await?;
        Ok(match row.map(|row| row.manifest.spec) {
            Some(Spec::Delivery(spec)) => spec,
            _ => DeliverySpec::default(),
        })
    }

    async fn own_build(
        &self,
        ctx: &OpCtx,
        path: &Path,
        action: Action,
    ) -> Result<Row<Build>, AppError> {
        let missing = || AppError::not_found(format!("build {}", path.build));
        let row = self.store().get::<Build>(&path.build).await?.ok_or_else(missing)?;
        let object = self.owner_of(&row.value.place, &[]).await?;
        self.authorize(ctx, action, &object)?;
        Ok(row)
    }

    async fn build_cancelled(
        &self,
        ctx: &OpCtx,
        path: &Path,
        batch: &mut Batch,
    ) -> Result<BuildView, AppError> {
        let operation = Id::parse(&path.build).and_then(|id| Operation::of_build(&id));
        if let Some(operation) = operation {
            return self.operations_build_cancelled(ctx, &operation, batch).await;
        }
        let row = self.own_build(ctx, path, Action::Deploy).await?;
        let mut build = row.value;
        if build.finished_at.is_some() || build.cancelled_by.is_some() {
            return self.build_view(&build, row.version).await;
        }
        build.cancelled_by = Some(ctx.actor.name.clone());
        batch.update(&build, row.version);
        let what = body(
            format!("{} is to end before it is done", build.id),
            Value::Null,
            json!({"build": build.id}),
        );
        batch.event(self.event(ctx, "build.cancelled", build.place.to_string(), what));
        self.build_view(&build, row.version + 1).await
    }

    /// A build that a deployment waits for: the wish stands in the operation, whose controller ends the build.
    async fn operations_build_cancelled(
        &self,
        ctx: &OpCtx,
        operation: &Id,
        batch: &mut Batch,
    ) -> Result<BuildView, AppError> {
        let missing = || AppError::not_found(format!("build build-{operation}"));
        let row = self.store().get::<Operation>(operation.as_str()).await?.ok_or_else(missing)?;
        let object = self.owner_of(&row.value.place, &[]).await?;
        self.authorize(ctx, Action::Deploy, &object)?;
        let mut op = row.value;
        let spec = op.build.clone().ok_or_else(missing)?;
        if op.finished_at.is_none() && op.deployment.is_none() && op.cancelled_by.is_none() {
            op.cancelled_by = Some(ctx.actor.name.clone());
            batch.update(&op, row.version);
            let what = body(
                format!("{} is to end before it is done", op.build_id()),
                Value::Null,
                json!({"build": op.build_id()}),
            );
            batch.event(self.event(ctx, "build.cancelled", op.place.to_string(), what));
        }
        let build = Build {
            id: op.build_id(),
            place: op.place.clone(),
            config: op.config,
            spec,
            cancelled_by: op.cancelled_by.clone(),
            artifact: None,
            failure: op.failure.as_ref().map(|failure| failure.message.clone()),
            started_at: op.started_at,
            finished_at: op.finished_at,
            created_by: op.created_by.clone(),
            request: op.request.clone(),
        };
        self.build_view(&build, row.version).await
    }

    async fn build_view(&self, build: &Build, version: i64) -> Result<BuildView, AppError> {
        let artifact = match &build.artifact {
            Some(key) => self.store().get::<Artifact>(key.as_str()).await?,
            None => None,
        };
        let artifact = match artifact {
            Some(row) => Some(artifact_view(&row.value, &self.used().await?)),
            None => None,
        };
        Ok(BuildView {
            id: build.id.to_string(),
            component: build.place.component.to_string(),
            environment: build.place.environment.to_string(),
            found: build.spec.found.clone(),
            finished: build.finished_at.is_some(),
            artifact,
            failure: build.failure.clone(),
            version,
            started_at: build.started_at,
            finished_at: build.finished_at,
            created_by: build.created_by.clone(),
        })
    }
}
