//! Artifacts: what builds made, who uses it, and taking away what nothing needs.

use crate::handle::{body, component_ref, page};
use crate::{App, AppError, Call, Handle, OpCtx};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tow_api::Action;
use tow_api::artifact::{
    get::GetArtifact,
    list::{ArtifactView, ListArtifacts, Reply},
    prune::{self, PruneArtifacts},
};
use tow_names::{Digest, Duration, EntityRef};
use tow_policy::Object;
use tow_record::{Artifact, Build, Discarded, Operation, Release};
use tow_store::{Batch, Find, Places, Row};

/// So many releases of a component keep what they run, where nothing is said.
const KEPT: u32 = 10;
/// What no release runs yet is kept so long: somebody built it to look at it or to push it.
const FRESH: Duration = Duration::from_secs(24 * 3600);
/// Less of a key's beginning could be anything's.
const SHORTEST: usize = 6;

impl Handle<ListArtifacts> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListArtifacts>) -> Result<Reply, AppError> {
        let component = call.query.component.as_deref().map(component_ref).transpose()?;
        if let Some(component) = &component {
            self.seen_row(ctx, component).await?;
        }
        let mut rows = self.seen_artifacts(ctx, component.as_ref()).await?;
        rows.truncate(page(call.query.limit) as usize);
        let used = self.used().await?;
        Ok(Reply { items: rows.iter().map(|row| view(&row.value, &used)).collect() })
    }
}

impl Handle<GetArtifact> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<GetArtifact>) -> Result<ArtifactView, AppError> {
        let artifact = self.artifact_named(ctx, &call.path.artifact).await?;
        Ok(view(&artifact, &self.used().await?))
    }
}

impl Handle<PruneArtifacts> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<PruneArtifacts>,
    ) -> Result<prune::Reply, AppError> {
        self.write(ctx, &call, async |batch| self.pruned(ctx, &call.body, batch).await).await
    }
}

/// By an artifact's key: the releases that run it, and where it is deployed.
#[derive(Default)]
pub(crate) struct Used {
    releases: BTreeMap<Digest, Vec<(EntityRef, i64)>>,
    deployed: BTreeMap<Digest, Vec<String>>,
}

impl App {
    /// An artifact by its key or digest, or by how one begins, among those that may be seen.
    pub(crate) async fn artifact_named(
        &self,
        ctx: &OpCtx,
        named: &str,
    ) -> Result<Artifact, AppError> {
        let missing = || AppError::not_found(format!("artifact {named}")).next("tow artifact list");
        let hex = named.strip_prefix("sha256:").unwrap_or(named);
        if hex.len() < SHORTEST {
            return Err(missing().hint(format!("at least {SHORTEST} characters of its key")));
        }
        let mut rows = self.seen_artifacts(ctx, None).await?;
        rows.retain(|row| {
            row.value.key.hex().starts_with(hex) || row.value.digest.hex().starts_with(hex)
        });
        // The same bytes under two keys are the same to whoever asks; the newest comes first.
        let digests: BTreeSet<&Digest> = rows.iter().map(|row| &row.value.digest).collect();
        if digests.len() > 1 {
            return Err(AppError::new(
                "input/invalid",
                format!("{named} is the beginning of {} artifacts", digests.len()),
            )
            .hint("more of its key"));
        }
        rows.into_iter().next().map(|row| row.value).ok_or_else(missing)
    }

    /// The newest first.
    async fn seen_artifacts(
        &self,
        ctx: &OpCtx,
        component: Option<&EntityRef>,
    ) -> Result<Vec<Row<Artifact>>, AppError> {
        let subject = component.map(ToString::to_string);
        let find = Find { subject, ..Find::default() };
        let mut rows = self.store().list::<Artifact>(find).await?;
        let of = |row: &Row<Artifact>| row.value.component.clone();
        let components: Vec<EntityRef> = rows.iter().filter_map(of).collect();
        let sight = self.seen(ctx, components.iter()).await?;
        // What is of nobody any more is the platform's.
        let all = self.authorize(ctx, Action::Govern, &Object::platform()).is_ok();
        rows.retain(|row| match &row.value.component {
            Some(component) => sight.has(component),
            None => all,
        });
        rows.sort_by(|a, b| {
            let key = |row: &Row<Artifact>| (row.value.created_at, row.value.key.clone());
            key(b).cmp(&key(a))
        });
        Ok(rows)
    }

    pub(crate) async fn used(&self) -> Result<Used, AppError> {
        let mut used = Used::default();
        for row in self.store().list::<Release>(Find::default()).await? {
            if let Some(key) = row.value.artifact {
                let release = (row.value.component, row.value.number);
                used.releases.entry(key).or_default().push(release);
            }
        }
        for releases in used.releases.values_mut() {
            releases.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        }
        for facts in self.store().places(&Places::default()).await? {
            let Some((deployment, release)) = facts.current else { continue };
            if let Some(key) = release.artifact {
                used.deployed.entry(key).or_default().push(deployment.place.short());
            }
        }
        Ok(used)
    }

    async fn pruned(
        &self,
        ctx: &OpCtx,
        asked: &prune::Body,
        batch: &mut Batch,
    ) -> Result<prune::Reply, AppError> {
        let component = asked.component.as_deref().map(component_ref).transpose()?;
        match &component {
            Some(component) => {
                let row = self.seen_row(ctx, component).await?;
                self.authorize(ctx, Action::Deploy, &Object::of(&row.manifest))?;
            }
            None => self.authorize(ctx, Action::Govern, &Object::platform())?,
        }
        let keep = i64::from(asked.keep.unwrap_or(KEPT).max(1));
        let used = self.used().await?;
        let mut last: BTreeMap<&EntityRef, i64> = BTreeMap::new();
        for (component, number) in used.releases.values().flatten() {
            let last = last.entry(component).or_default();
            *last = (*last).max(*number);
        }
        let open = || Find { open: Some(true), ..Find::default() };
        let operations = self.store().list::<Operation>(open()).await?;
        let builds = self.store().list::<Build>(open()).await?;
        let busy: BTreeSet<Digest> = operations
            .iter()
            .filter_map(|row| row.value.artifact.clone())
            .chain(builds.iter().map(|row| row.value.spec.key()))
            .collect();
        let now = self.now();
        let needed = |artifact: &Artifact| {
            let releases = used.releases.get(&artifact.key);
            let recent = |(component, number): &(EntityRef, i64)| {
                last.get(component).is_some_and(|last| *number > last - keep)
            };
            used.deployed.contains_key(&artifact.key)
                || busy.contains(&artifact.key)
                || releases.is_some_and(|all| all.iter().any(recent))
                || (releases.is_none() && artifact.created_at.plus(FRESH) > now)
        };
        let all = self.store().list::<Artifact>(Find::default()).await?;
        let whose = |artifact: &Artifact| component.is_none() || artifact.component == component;
        let (gone, kept): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|row| whose(&row.value) && !needed(&row.value));
        let stay: BTreeSet<&Digest> = kept.iter().map(|row| &row.value.digest).collect();
        let mut bytes: BTreeMap<Digest, u64> = BTreeMap::new();
        for row in &gone {
            if !stay.contains(&row.value.digest) {
                bytes.insert(row.value.digest.clone(), row.value.size);
            }
        }
        let reply = prune::Reply {
            removed: gone.iter().map(|row| view(&row.value, &used)).collect(),
            kept: kept.len() as u64,
            freed: bytes.values().sum(),
        };
        if asked.dry_run || gone.is_empty() {
            return Ok(reply);
        }
        for row in &gone {
            batch.remove::<Artifact>(row.value.key.as_str(), Some(row.version));
        }
        for digest in bytes.keys() {
            batch.upsert(&Discarded { digest: digest.clone(), at: now });
        }
        let subject = component.map_or_else(|| "platform".to_string(), |c| c.to_string());
        let keys: Vec<&Digest> = gone.iter().map(|row| &row.value.key).collect();
        let what = body(
            format!("{} artifacts were pruned, {} bytes", gone.len(), reply.freed),
            json!({"artifacts": keys}),
            Value::Null,
        );
        batch.event(self.event(ctx, "artifact.pruned", subject, what));
        Ok(reply)
    }
}

/// An artifact for people.
pub(crate) fn view(artifact: &Artifact, used: &Used) -> ArtifactView {
    let releases = used.releases.get(&artifact.key).into_iter().flatten();
    ArtifactView {
        key: artifact.key.to_string(),
        digest: artifact.digest.to_string(),
        size: artifact.size,
        tool: artifact.tool,
        toolchain: artifact.toolchain.clone(),
        platform: artifact.platform.clone(),
        component: artifact.component.as_ref().map(ToString::to_string),
        entry: artifact.entry.clone(),
        is_static: artifact.is_static,
        source: artifact.source.as_ref().map(ToString::to_string),
        build: artifact.build.to_string(),
        created_at: artifact.created_at,
        releases: releases.map(|(of, number)| format!("{}/{number}", of.short())).collect(),
        deployed: used.deployed.get(&artifact.key).cloned().unwrap_or_default(),
    }
}
