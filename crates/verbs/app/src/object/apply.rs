//! Applying documents: read → authorize → admit → declare. What it makes of the catalog is decided in `plan`; the same
//! decision is made for locations.

use super::admit::{Admission, AtRest};
use super::documents::{Read, Source, declared, read_all};
use crate::{App, AppError, Call, Handle, OpCtx, handle::internal};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tow_api::object::apply::{self, Applied, Apply};
use tow_model::{Kind, Spec};
use tow_names::EntityRef;
use tow_plan::{Claim, Claimed, declarations, removals};
use tow_record::{Declaration, Kept, Verdict};
use tow_store::{Batch, CommitError, ObjectRow};

/// More changes than this are written in several commits, so that a rollout never waits long for its turn.
const PIECE: usize = 500;
/// How often an apply of several pieces begins anew where somebody else wrote between reading and writing.
const TRIES: usize = 4;

/// What is applied, read and ready to be judged.
struct Asked<'a> {
    read: Read<'a>,
    claim: Claim<'a>,
    prune: bool,
    /// Named by earlier parts of the same apply: not to be pruned.
    also: BTreeSet<EntityRef>,
}

/// Which changes, and what goes with those that are removed.
struct Judged {
    changes: Vec<Declaration>,
    at_rest: AtRest,
}

impl Handle<Apply> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<Apply>) -> Result<apply::Reply, AppError> {
        self.write(ctx, &call, async |batch| {
            let documents = Arc::new(call.body.documents.clone());
            // Reading many documents takes a while, and requests and rollouts go on meanwhile.
            let held = documents.clone();
            let read = tokio::task::spawn_blocking(move || read_all(&held)).await;
            let texts = read.map_err(internal)??;
            let sources = Source::pair(&documents, texts);
            let asked = asked(&call.body, &sources)?;
            let (changes, dry_run) =
                (self.apply(ctx, &asked, call.body.dry_run, batch).await?, call.body.dry_run);
            let objects = changes.into_values().collect();
            Ok(apply::Reply { objects, dry_run })
        })
        .await
    }
}

fn asked<'a>(body: &'a apply::Body, sources: &'a [Source<'a>]) -> Result<Asked<'a>, AppError> {
    let source = body.source.as_deref().unwrap_or_default();
    if source.starts_with(tow_plan::LOCATION) || source.len() > 500 {
        return Err(AppError::new("input/invalid", format!("{source:?} can't be a source's name"))
            .hint(
                "up to 500 characters, not beginning with location:, which are the platform's own",
            ));
    }
    if body.prune && source.is_empty() {
        return Err(AppError::new("input/missing", "what goes can't be told without a source")
            .hint("name the source, as in --source shop"));
    }
    let bad = |error: tow_names::NameError| AppError::new("input/invalid", error.to_string());
    let also = body.also.iter().cloned().map(EntityRef::try_from).collect::<Result<_, _>>();
    Ok(Asked {
        read: declared(sources)?,
        claim: Claim { source, take: body.take },
        prune: body.prune,
        also: also.map_err(bad)?,
    })
}

impl App {
    /// Writes all but the last piece and leaves that one in the batch; with `dry_run` nothing at all.
    async fn apply(
        &self,
        ctx: &OpCtx,
        asked: &Asked<'_>,
        dry_run: bool,
        batch: &mut Batch,
    ) -> Result<BTreeMap<EntityRef, Applied>, AppError> {
        let mut lines: BTreeMap<EntityRef, Applied> = BTreeMap::new();
        for attempt in 1.. {
            let Judged { changes, mut at_rest } = self.judged(ctx, asked).await?;
            for change in &changes {
                let line = Applied {
                    entity: change.entity.to_string(),
                    verdict: change.verdict,
                    generation: change.generation(),
                };
                // What an attempt before this one wrote is unchanged now; it was told what became of it.
                let known = lines.entry(change.entity.clone()).or_insert_with(|| line.clone());
                if line.verdict != Verdict::Unchanged {
                    *known = line;
                }
            }
            if dry_run {
                return Ok(lines);
            }
            let mut changes = changes;
            changes.retain(|change| change.verdict != Verdict::Unchanged);
            // Objects refer to kinds before theirs; what goes, goes last.
            changes
                .sort_by_key(|change| (change.verdict == Verdict::Removed, rank(&change.entity)));
            let by = self.author(ctx);
            let pieces = changes.chunks(PIECE).collect::<Vec<_>>();
            let Some((last, earlier)) = pieces.split_last() else { return Ok(lines) };
            let mut moved = None;
            for piece in earlier {
                let mut part = Batch::new();
                at_rest.go_with(piece.iter().map(|change| &change.entity), &mut part);
                piece.iter().for_each(|change| part.declare(change, &by));
                match self.store().commit(part).await {
                    Ok(_) => {}
                    Err(error @ CommitError::Conflict { .. }) if attempt < TRIES => {
                        moved = Some(error);
                        break;
                    }
                    Err(error) => {
                        return Err(AppError::from(error)
                            .untouched("nothing was written of the piece of up to 500 objects it stopped at, nor of what comes after it")
                            .hint("what comes before that is written, whole objects only; apply it again: it goes on where it stopped"));
                    }
                }
            }
            if let Some(error) = moved {
                tracing::debug!(%error, "an apply begins anew");
                continue;
            }
            at_rest.go_with(last.iter().map(|change| &change.entity), batch);
            last.iter().for_each(|change| batch.declare(change, &by));
            break;
        }
        Ok(lines)
    }

    /// Reads what is there, and judges: whose it is, who may, whether it holds.
    async fn judged(&self, ctx: &OpCtx, asked: &Asked<'_>) -> Result<Judged, AppError> {
        let mut wanted: BTreeSet<EntityRef> = asked.read.keys().cloned().collect();
        for item in asked.read.values() {
            wanted.extend(super::admit::needs(item.manifest));
        }
        let wanted: Vec<EntityRef> = wanted.into_iter().collect();
        let rows = self.store().objects_by(&wanted).await?;
        let there: BTreeMap<EntityRef, ObjectRow> =
            rows.into_iter().map(|row| (row.manifest.entity(), row)).collect();
        let found = asked
            .read
            .keys()
            .filter_map(|entity| there.get(entity).map(|row| (entity.clone(), kept(row))))
            .collect();
        let manifests = asked
            .read
            .iter()
            .map(|(entity, item)| (entity.clone(), item.manifest.clone()))
            .collect();
        let mut changes = declarations(manifests, found, asked.claim)
            .map_err(|claimed| claimed_elsewhere(&asked.read, &claimed))?;
        if asked.prune {
            let named: BTreeSet<EntityRef> =
                asked.read.keys().chain(&asked.also).cloned().collect();
            let held = self.store().objects_of(asked.claim.source).await?;
            changes.extend(removals(held.iter().map(kept).collect(), &named));
        }
        let mut admission = Admission::new(self, ctx, &asked.read, &there);
        admission.permitted(&changes)?;
        for change in &changes {
            admission.judge(change).await?;
        }
        Ok(Judged { changes, at_rest: admission.at_rest })
    }
}

pub(super) fn kept(row: &ObjectRow) -> Kept {
    Kept {
        manifest: row.manifest.clone(),
        version: row.version,
        generation: row.generation,
        source: row.source.clone(),
    }
}

/// A kind's place among those that refer to it.
fn rank(entity: &EntityRef) -> usize {
    Kind::ALL.iter().position(|k| k.as_str().eq_ignore_ascii_case(entity.kind())).unwrap_or(0)
}

fn claimed_elsewhere(read: &Read<'_>, claimed: &[Claimed]) -> AppError {
    let violations = claimed
        .iter()
        .filter_map(|claimed| {
            let item = read.get(&claimed.entity)?;
            let (entity, holder) = (&claimed.entity, &claimed.holder);
            let hint = if holder.starts_with(tow_plan::LOCATION) {
                format!("change it where {holder} reads it, or take it over with --take")
            } else {
                "apply it from there, or take it over with --take".to_string()
            };
            let message = format!("{entity} belongs to another source: {holder}");
            Some(item.violation(
                "/metadata/name",
                "apply/claimed",
                message,
                "an object of this source",
                hint,
            ))
        })
        .collect();
    AppError::invalid("apply/claimed", violations)
}

/// What a manifest says of its component, where it is one that belongs to a component.
pub(super) fn component_of(manifest: &tow_model::Manifest) -> Option<EntityRef> {
    matches!(manifest.spec, Spec::Delivery(_)).then(|| {
        EntityRef::new(
            Kind::Component.as_str(),
            &manifest.metadata.namespace,
            &manifest.metadata.name,
        )
    })
}
