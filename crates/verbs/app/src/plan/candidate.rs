//! What would be deployed: a new release or one that is there, with its configuration, replicas and salt.

use super::documents::{Folder, entry_for};
use crate::{App, AppError, OpCtx};
use std::collections::{BTreeMap, BTreeSet};
use tow_api::plan::create::{Body, ChangeRequest};
use tow_model::{
    Manifest, Spec,
    kinds::{delivery::DeliverySpec, environment::EnvironmentSpec},
};
use tow_names::{Digest, EntityRef, Id, Place};
use tow_record::{
    BuildSpec, Change, ConfigVersion, Deployment, Executes, Outcome, Reason, Release, Sealed,
    Source, State,
};
use tow_store::{Find, PlaceFacts};

/// A deployment as it would be.
pub(super) struct Candidate {
    pub(super) change: Change,
    /// Number 0: it gets a new one.
    pub(super) release: Release,
    pub(super) deployment: Deployment,
    pub(super) build: Option<BuildSpec>,
    pub(super) config: Option<ConfigVersion>,
    pub(super) scaled: BTreeMap<String, u32>,
    pub(super) creates: Vec<Manifest>,
}

pub(super) struct Asked<'a> {
    pub(super) ctx: &'a OpCtx,
    pub(super) place: &'a Place,
    pub(super) facts: &'a PlaceFacts,
    pub(super) environment: &'a EnvironmentSpec,
    pub(super) runtime: &'a Executes,
    pub(super) body: &'a Body,
    pub(super) folder: Option<&'a Folder>,
}

/// What a change of something that runs needs.
fn running<'a>(asked: &'a Asked<'_>) -> Result<&'a (Deployment, Release), AppError> {
    asked.facts.current.as_ref().ok_or_else(|| {
        AppError::new("plan/nothing-runs", format!("{} has never been live", asked.place.short()))
            .next("tow deploy")
    })
}

impl App {
    /// The candidate of a request; `None` where configuration is set before anything was deployed.
    pub(super) async fn candidate(
        &self,
        asked: &Asked<'_>,
    ) -> Result<(Option<Candidate>, Option<ConfigVersion>), AppError> {
        let placement = &asked.facts.placement.value;
        let mut salt = asked.facts.current.as_ref().map_or(0, |(d, _)| d.salt);
        let mut scaled = placement.replicas.clone();
        let mut config_number = placement.config;
        let mut replicas: Option<BTreeMap<String, u32>> = None;
        let mut config = None;
        let mut creates = Vec::new();
        let mut build = None;
        let (change, reason, release) = match &asked.body.change {
            ChangeRequest::Deploy { release: Some(number) } => {
                let found = self.store().release(&asked.place.component, *number).await?;
                let release = found.ok_or_else(|| {
                    AppError::not_found(format!("release {number}")).next("tow releases")
                })?;
                (Change::Deploy { release: Some(*number) }, Reason::Deploy, release)
            }
            ChangeRequest::Deploy { release: None } => {
                let folder = asked.folder.ok_or_else(|| {
                    AppError::new("input/missing", "there is no Score file to deploy")
                        .hint("a folder with a score.yaml, or --release N")
                })?;
                creates = self.catalog_entry(asked, folder).await?;
                let (release, needs) = self.new_release(asked, folder).await?;
                build = needs;
                (Change::Deploy { release: None }, Reason::Deploy, release)
            }
            ChangeRequest::Rollback { to } => {
                let target = self.rollback_target(asked, *to).await?;
                let number = target.number;
                let found = self.store().release(&asked.place.component, target.release).await?;
                let release = found
                    .ok_or_else(|| AppError::not_found(format!("release {}", target.release)))?;
                config_number = target.config;
                // What differs from what the release itself says was asked for, and is asked for again.
                let said = replicas_of(asked, &release, &BTreeMap::new());
                let differs = |(name, count): &(&String, &u32)| said.get(*name) != Some(*count);
                scaled =
                    target.replicas.iter().filter(differs).map(|(n, c)| (n.clone(), *c)).collect();
                salt = target.salt;
                replicas = Some(target.replicas);
                (Change::Rollback { to: Some(number) }, Reason::Rollback, release)
            }
            ChangeRequest::Config { set, unset } => {
                let version = self.config_version(asked, set, unset).await?;
                config_number = version.number;
                let change = Change::Config {
                    set: set.keys().cloned().collect(),
                    unset: unset.clone(),
                    version: version.number,
                };
                let Some((_, release)) = &asked.facts.current else {
                    return Ok((None, Some(version)));
                };
                config = Some(version);
                (change, Reason::Config, release.clone())
            }
            ChangeRequest::Scale { replicas } => {
                let (_, release) = running(asked)?;
                for (workload, count) in replicas {
                    if !release.workloads.contains_key(workload) {
                        let known: Vec<_> = release.workloads.keys().cloned().collect();
                        return Err(AppError::not_found(format!("workload {workload}"))
                            .hint(format!("workloads: {}", known.join(", "))));
                    }
                    let said = tow_plan::delivered(
                        &release.delivery,
                        &release.workloads[workload].score,
                        &asked.place.environment,
                        asked.environment,
                    );
                    if !tow_plan::meaning(said.kind).pods {
                        let kind = said.kind.as_str();
                        let what = format!("{workload} is a {kind}: it has runs, and no replicas");
                        return Err(AppError::new("input/invalid", what).next("tow job list"));
                    }
                    if let Some(bounds) = scales(asked, release, workload) {
                        return Err(scales_itself(workload, bounds));
                    }
                    if *count > 100 {
                        return Err(AppError::new("input/invalid", "at most 100 replicas"));
                    }
                    scaled.insert(workload.clone(), *count);
                }
                (Change::Scale { replicas: replicas.clone() }, Reason::Scale, release.clone())
            }
            ChangeRequest::Restart => {
                salt = placement.next_deployment;
                (Change::Restart, Reason::Restart, running(asked)?.1.clone())
            }
            ChangeRequest::Stop => (Change::Stop, Reason::Stop, running(asked)?.1.clone()),
            ChangeRequest::Start => (Change::Start, Reason::Start, running(asked)?.1.clone()),
        };
        let stops = reason == Reason::Stop || (placement.stopped && reason == Reason::Config);
        let replicas = if stops {
            release.workloads.keys().map(|name| (name.clone(), 0)).collect()
        } else {
            replicas.unwrap_or_else(|| replicas_of(asked, &release, &scaled))
        };
        let deployment = Deployment {
            place: asked.place.clone(),
            number: 0,
            release: release.number,
            config: config_number,
            variables: asked.environment.variables.clone(),
            runtime: asked.runtime.clone(),
            replicas,
            salt,
            reason,
            created_by: asked.ctx.actor.name.clone(),
            created_at: self.now(),
            plan: Id::fresh("plan"),
            operation: Id::fresh("op"),
            state: State::Waiting,
            outcome: None,
        };
        let candidate = Candidate { change, release, deployment, build, config, scaled, creates };
        Ok((Some(candidate), None))
    }

    /// The folder's catalog entry where the catalog has none or another one; one of our making where there is none.
    async fn catalog_entry(
        &self,
        asked: &Asked<'_>,
        folder: &Folder,
    ) -> Result<Vec<Manifest>, AppError> {
        let row = self.store().object(&asked.place.component).await?;
        Ok(match (&folder.entry, row) {
            (Some(entry), Some(row)) if row.manifest == *entry => Vec::new(),
            // What a location reads changes where it is read from, not by a deploy.
            (Some(_), Some(row)) if row.source.starts_with(tow_plan::LOCATION) => Vec::new(),
            (Some(entry), _) => vec![entry.clone()],
            (None, Some(_)) => Vec::new(),
            (None, None) => vec![entry_for(&asked.place.component, asked.ctx)],
        })
    }

    async fn new_release(
        &self,
        asked: &Asked<'_>,
        folder: &Folder,
    ) -> Result<(Release, Option<BuildSpec>), AppError> {
        if folder.workloads.is_empty() {
            return Err(AppError::new("input/missing", "there is no Score file to deploy")
                .hint("a workload is a file with apiVersion score.dev/v1b1, as in score.yaml"));
        }
        let delivery = match &folder.delivery {
            Some(delivery) => delivery.clone(),
            None => self.stored_delivery(&folder.component).await?,
        };
        let builds = folder
            .workloads
            .values()
            .any(|file| file.score.containers.values().any(|c| c.image == "."));
        let mut source: Option<Source> = None;
        if builds {
            let text = asked.body.source.as_ref().ok_or_else(|| {
                AppError::new("input/missing", "image: . means this folder, and none was uploaded")
                    .hint("upload it with PUT /api/v1/sources and name its digest as source")
            })?;
            let digest: Digest = text.parse().map_err(|e: tow_names::DigestError| {
                AppError::new("input/invalid", e.to_string())
            })?;
            let row = self.store().get::<Source>(digest.as_str()).await?;
            source =
                Some(row.ok_or_else(|| AppError::not_found(format!("source {digest}")))?.value);
        }
        let build = match &source {
            Some(source) => {
                let spec =
                    super::building::spec(&folder.component, source, &delivery, asked.runtime);
                let config = asked.facts.placement.value.config;
                let spec = self.looked_at(spec, asked.place, config).await?;
                super::building::something_runs(&spec, &folder.workloads, |file| {
                    let environment = &asked.place.environment;
                    let said =
                        tow_plan::delivered(&delivery, &file.score, environment, asked.environment);
                    tow_plan::meaning(said.kind).served
                })?;
                Some(spec)
            }
            None => None,
        };
        let artifact = build.as_ref().map(BuildSpec::key);
        let commit = source.as_ref().and_then(|s| s.commit.clone());
        let files: BTreeMap<&String, &Digest> =
            folder.workloads.iter().map(|(n, w)| (n, &w.digest)).collect();
        let content = serde_json::json!([files, delivery, artifact]);
        let content = Digest::of(content.to_string().as_bytes());
        let last = self.store().last::<Release>(&folder.component.to_string()).await?;
        let built = match &artifact {
            Some(key) => self.store().get::<tow_record::Artifact>(key.as_str()).await?.is_some(),
            None => true,
        };
        let build = build.filter(|_| !built);
        if let Some(last) = last.map(|row| row.value).filter(|r| r.content == content) {
            return Ok((last, build));
        }
        let release = Release {
            component: folder.component.clone(),
            number: 0,
            workloads: folder.workloads.clone(),
            delivery,
            source: source.map(|s| s.digest),
            artifact,
            commit,
            content,
            created_by: asked.ctx.actor.name.clone(),
            created_at: self.now(),
        };
        Ok((release, build))
    }

    /// A `Delivery` that was applied counts where the folder brings none.
    async fn stored_delivery(&self, component: &EntityRef) -> Result<DeliverySpec, AppError> {
        let entity = EntityRef::new("delivery", component.namespace(), component.name());
        let row = self.store().object(&entity).await?;
        Ok(match row.map(|row| row.manifest.spec) {
            Some(Spec::Delivery(spec)) => spec,
            _ => DeliverySpec::default(),
        })
    }

    /// The deployment to go back to: the one that was asked for, or the last good one that differs from the current.
    async fn rollback_target(
        &self,
        asked: &Asked<'_>,
        to: Option<i64>,
    ) -> Result<Deployment, AppError> {
        let (current, _) = running(asked)?;
        let subject = Some(asked.place.to_string());
        let find = Find { subject, newest_first: true, ..Find::default() };
        let all = self.store().list::<Deployment>(find).await?;
        let good = |d: &Deployment| matches!(d.outcome, Some(Outcome { succeeded: true, .. }));
        if let Some(number) = to {
            let found = all.into_iter().map(|row| row.value).find(|d| d.number == number);
            let target = found.ok_or_else(|| {
                AppError::not_found(format!("deployment {number}")).next("tow deployments")
            })?;
            if !good(&target) || target.reason == Reason::Stop {
                return Err(AppError::new(
                    "plan/refused",
                    format!("deployment {number} never ran well: there is nothing to go back to"),
                )
                .next("tow deployments"));
            }
            return Ok(target);
        }
        all.into_iter()
            .map(|row| row.value)
            .find(|d| {
                d.number < current.number
                    && good(d)
                    && d.reason != Reason::Stop
                    && (current.reason == Reason::Stop
                        || (d.release, d.config) != (current.release, current.config))
            })
            .ok_or_else(|| {
                AppError::new("plan/refused", "there is no earlier good deployment to go back to")
                    .next("tow deployments")
            })
    }

    async fn config_version(
        &self,
        asked: &Asked<'_>,
        set: &BTreeMap<String, String>,
        unset: &[String],
    ) -> Result<ConfigVersion, AppError> {
        if set.is_empty() && unset.is_empty() {
            return Err(AppError::new("input/missing", "nothing to set or unset")
                .hint("tow config set NAME=VALUE"));
        }
        for name in set.keys() {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let ok = (1..=200).contains(&name.len())
                && name.chars().all(word)
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.starts_with("TOW_")
                && name != "PORT";
            if !ok {
                return Err(AppError::new("input/invalid", format!("{name:?} can't be set")).hint(
                    "letters, digits and _, not beginning with a digit; PORT and TOW_… are the platform's own",
                ));
            }
        }
        let id = |number: i64| format!("{}/{number}", asked.place);
        let base =
            self.store().get::<ConfigVersion>(&id(asked.facts.placement.value.config)).await?;
        let mut values: BTreeMap<String, Sealed> = base.map(|r| r.value.values).unwrap_or_default();
        for name in unset {
            if values.remove(name).is_none() {
                return Err(
                    AppError::not_found(format!("configuration {name}")).next("tow config list")
                );
            }
        }
        for (name, value) in set {
            let context = ConfigVersion::context(asked.place, name);
            values.insert(name.clone(), self.parts.keys.seal(&context, value.as_bytes())?);
        }
        let last = self.store().last::<ConfigVersion>(&asked.place.to_string()).await?;
        Ok(ConfigVersion {
            place: asked.place.clone(),
            number: last.map_or(0, |row| row.value.number) + 1,
            values,
            created_by: asked.ctx.actor.name.clone(),
            created_at: self.now(),
        })
    }

    /// The names of configuration a workload can refer to.
    pub(super) async fn config_keys(
        &self,
        candidate: &Candidate,
        place: &Place,
    ) -> Result<BTreeSet<String>, AppError> {
        let mut keys: BTreeSet<String> = candidate.deployment.variables.keys().cloned().collect();
        match &candidate.config {
            Some(version) => keys.extend(version.values.keys().cloned()),
            None => {
                let id = format!("{place}/{}", candidate.deployment.config);
                if let Some(row) = self.store().get::<ConfigVersion>(&id).await? {
                    keys.extend(row.value.values.into_keys());
                }
            }
        }
        Ok(keys)
    }
}

fn replicas_of(
    asked: &Asked<'_>,
    release: &Release,
    scaled: &BTreeMap<String, u32>,
) -> BTreeMap<String, u32> {
    let environment = &asked.place.environment;
    release
        .workloads
        .iter()
        .map(|(name, file)| {
            let said =
                tow_plan::delivered(&release.delivery, &file.score, environment, asked.environment);
            let asked = scaled.get(name).filter(|_| tow_plan::meaning(said.kind).pods);
            (name.clone(), asked.copied().unwrap_or(said.replicas))
        })
        .collect()
}

/// Between how many and how many a workload scales by itself.
fn scales(asked: &Asked<'_>, release: &Release, workload: &str) -> Option<tow_plan::scale::Bounds> {
    let score = &release.workloads.get(workload)?.score;
    let name = &asked.place.environment;
    tow_plan::delivered(&release.delivery, score, name, asked.environment).scale
}

/// A number that somebody says would hold until the next look at the load, so none is taken.
fn scales_itself(workload: &str, bounds: tow_plan::scale::Bounds) -> AppError {
    let tow_plan::scale::Bounds { min, max, .. } = bounds;
    AppError::new(
        "plan/refused",
        format!("{workload} scales by itself, between {min} and {max}: nothing was changed"),
    )
    .hint("say other bounds in tow.yaml (scale.min, scale.max) and deploy; tow stop stops it whatever comes")
}
