//! Builds that no deployment waits for, and bytes that no artifact refers to any more.
//!
//! A build's id is its effect key: begun again it is the same build. Bytes go only while nothing is being built, because a
//! build may make the same bytes again and keep them before it says so.

use crate::driver::{ReconcileError, Reconciler, Ticked};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tow_names::Duration;
use tow_ports::PortError;
use tow_record::{Artifact, Build, Discarded, EventBody, NewEvent, Operation};
use tow_store::{Find, Row};

/// Between two looks at a build that runs.
const LOOK: Duration = Duration::from_millis(200);
/// So many bytes' worth of records a look.
const AT_ONCE: u32 = 100;

impl Reconciler {
    pub(crate) async fn builds(&self) -> Result<Ticked, ReconcileError> {
        let open = Find { open: Some(true), limit: Some(AT_ONCE), ..Find::default() };
        let builds = self.parts.store.list::<Build>(open).await?;
        let mut ticked = self.idle();
        for row in &builds {
            let one = self.carry(row).await?;
            ticked = ticked.and(one);
        }
        if builds.is_empty() {
            self.collect().await?;
        }
        Ok(ticked)
    }

    async fn carry(&self, row: &Row<Build>) -> Result<Ticked, ReconcileError> {
        let build = &row.value;
        if let Some(who) = &build.cancelled_by {
            let why = format!("it was cancelled by {who}");
            self.parts.builder.cancel(self.epoch, &build.id, &why).await?;
        }
        let seen = match self.parts.builder.observe(&build.id).await {
            Ok(seen) => seen,
            Err(PortError::NotThere(_)) if build.cancelled_by.is_some() => {
                return self.ended(row, None, "it was cancelled before it began").await;
            }
            Err(PortError::NotThere(_)) => {
                let secrets = self.build_secrets(&build.place, build.config, &build.spec).await?;
                let begun = self
                    .parts
                    .builder
                    .start(self.epoch, &build.id, &build.spec, &secrets, self.now())
                    .await;
                return match begun {
                    Ok(()) => Ok(self.soon()),
                    Err(PortError::Refused(why) | PortError::NotThere(why)) => {
                        self.ended(row, None, &why).await
                    }
                    Err(error) => Err(error.into()),
                };
            }
            Err(error) => return Err(error.into()),
        };
        if seen.running {
            return Ok(self.soon());
        }
        self.ended(row, seen.artifact, &seen.message).await
    }

    fn soon(&self) -> Ticked {
        Ticked { progressed: false, until: self.now().plus(LOOK) }
    }

    async fn ended(
        &self,
        row: &Row<Build>,
        artifact: Option<Artifact>,
        why: &str,
    ) -> Result<Ticked, ReconcileError> {
        let mut build = row.value.clone();
        build.finished_at = Some(self.now());
        let mut batch = self.batch();
        let (kind, summary, after) = match &artifact {
            Some(artifact) => {
                build.artifact = Some(artifact.key.clone());
                batch.upsert(artifact);
                let summary = format!(
                    "artifact {} was built, {} bytes",
                    artifact.digest.short(),
                    artifact.size
                );
                let after =
                    json!({"key": artifact.key, "digest": artifact.digest, "tool": artifact.tool});
                ("artifact.built", summary, after)
            }
            None => {
                build.failure = Some(why.to_string());
                ("build.failed", format!("{}: {why}", build.id), json!({"build": build.id}))
            }
        };
        batch.update(&build, row.version);
        batch.event(NewEvent {
            at: self.now(),
            actor: build.created_by.clone(),
            request: build.request.clone(),
            kind: kind.into(),
            subject: build.place.to_string(),
            body: EventBody { summary, before: Value::Null, after },
        });
        match self.parts.store.commit(batch).await {
            // Somebody cancelled it in this very moment: looked at again.
            Ok(_) | Err(tow_store::CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Ticked { progressed: true, until: self.now() })
    }

    /// Takes away bytes that nothing refers to.
    async fn collect(&self) -> Result<(), ReconcileError> {
        let store = &self.parts.store;
        let some = Find { limit: Some(AT_ONCE), ..Find::default() };
        let discarded = store.list::<Discarded>(some).await?;
        if discarded.is_empty() {
            return Ok(());
        }
        let open = Find { open: Some(true), ..Find::default() };
        let operations = store.list::<Operation>(open).await?;
        if operations.iter().any(|row| row.value.build.is_some()) {
            return Ok(());
        }
        let artifacts = store.list::<Artifact>(Find::default()).await?;
        let used: BTreeSet<_> = artifacts.iter().map(|row| &row.value.digest).collect();
        let mut batch = self.batch();
        for row in &discarded {
            if !used.contains(&row.value.digest) {
                self.parts.blobs.remove(&row.value.digest).await?;
            }
            batch.remove::<Discarded>(row.value.digest.as_str(), Some(row.version));
        }
        store.commit(batch).await?;
        Ok(())
    }
}
