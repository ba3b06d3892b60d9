//! Builds: somebody wants one, looks at them, does not want one any more. A controller carries them through. Those that a
//! deployment waits for stand in its operation, and are looked at and ended like any other.

use super::building;
use super::documents::folder;
use crate::artifact::view as artifact_view;
use crate::handle::{body, page};
use crate::observe::places_of;
use crate::{App, AppError, Call, Handle, OpCtx};
use serde_json::{Value, json};
use tow_api::Action;
use tow_api::build::{
    cancel::CancelBuild,
    create::{Body, CreateBuild},
    get::{BuildView, GetBuild, Path},
    list::{ListBuilds, Reply},
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
/// Among so many operations those that build are looked for.
const LOOKED_BACK: u32 = 1000;

fn no_build(id: &str) -> AppError {
    AppError::not_found(format!("build {id}"))
        .hint("tow build list shows them")
        .next("tow build list")
}

/// The build that a deployment waits for, or waited for.
fn waited_for(op: Operation) -> Option<Build> {
    let id = op.build_id();
    let spec = op.build?;
    // The deployment is numbered once the artifact is there.
    let made = op.deployment.is_some();
    let failure = op.failure.filter(|_| !made).map(|failure| failure.message);
    Some(Build {
        id,
        place: op.place,
        config: op.config,
        artifact: op.artifact.filter(|_| made),
        finished_at: if made { op.finished_at.or(Some(op.started_at)) } else { op.finished_at },
        spec,
        cancelled_by: op.cancelled_by,
        failure,
        started_at: op.started_at,
        created_by: op.created_by,
        request: op.request,
    })
}

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

impl Handle<ListBuilds> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListBuilds>) -> Result<Reply, AppError> {
        let query = &call.query;
        let places = places_of(query.component.as_deref(), query.environment.as_deref())?;
        if let Some(component) = &places.component {
            self.seen_row(ctx, component).await?;
        }
        if let Some(name) = &places.environment {
            self.environment_row(name).await?;
        }
        let limit = page(query.limit);
        let alone = self.store().latest::<Build>(&places, limit).await?;
        let mut builds: Vec<(Build, i64)> =
            alone.into_iter().map(|row| (row.value, row.version)).collect();
        // Which operation builds is no column: as many are looked through as may be kept of them.
        for row in self.store().latest::<Operation>(&places, LOOKED_BACK).await? {
            builds.extend(waited_for(row.value).map(|build| (build, row.version)));
        }
        let sight = self.seen(ctx, builds.iter().map(|(build, _)| &build.place.component)).await?;
        builds.retain(|(build, _)| sight.has(&build.place.component));
        builds.sort_by(|(a, _), (b, _)| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
        builds.truncate(limit as usize);
        let mut items = Vec::new();
        for (build, version) in &builds {
            items.push(self.build_view(build, *version).await?);
        }
        Ok(Reply { items })
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
        let missing = || no_build(&path.build);
        let operation = Id::parse(&path.build).and_then(|id| Operation::of_build(&id));
        let row = match operation {
            Some(operation) => {
                let row = self.store().get::<Operation>(operation.as_str()).await?;
                let row = row.ok_or_else(missing)?;
                let value = waited_for(row.value).ok_or_else(missing)?;
                Row { value, version: row.version }
            }
            None => self.store().get::<Build>(&path.build).await?.ok_or_else(missing)?,
        };
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
        let missing = || no_build(&format!("build-{operation}"));
        let row = self.store().get::<Operation>(operation.as_str()).await?.ok_or_else(missing)?;
        let object = self.owner_of(&row.value.place, &[]).await?;
        self.authorize(ctx, Action::Deploy, &object)?;
        let mut op = row.value;
        if op.build.is_none() {
            return Err(missing());
        }
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
        let build = waited_for(op).ok_or_else(missing)?;
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
