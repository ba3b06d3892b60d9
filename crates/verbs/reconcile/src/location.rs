//! Locations: each is looked at when it is due or somebody asks, its files are read, and the catalog becomes as they say.
//! What is to be read and what comes of it is decided in `formats` and `plan`; here it is fetched and written.
//!
//! With 10,000 objects in one location a look reads them all and writes 500 a commit, so that a rollout is never held
//! up; [`AT_ONCE`] locations are looked at at a time. A death in between leaves whole objects, and the next look goes on
//! where it stopped: only once everything is written the location's state says so. What can't be read changes nothing.

use crate::driver::{ReconcileError, Reconciler, Ticked};
use futures::stream::{self, StreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use tow_model::Kind;
use tow_names::{EntityRef, Timestamp};
use tow_plan::LOCATION;
use tow_plan::location::{Changes, Named, Rules, changes, due, rules, source_of};
use tow_ports::LocationRead;
use tow_record::{
    Declaration, EventBody, Kept, Level, LocationAsk, LocationHook, LocationState, NewEvent,
    Operation, Placement, Verdict,
};
use tow_store::{Author, Batch, Find, ObjectRow, Row};

/// So many locations are looked at at a time.
const AT_ONCE: usize = 4;
/// More changes than this are written in several commits.
const PIECE: usize = 500;
/// Who acts.
const ACTOR: &str = "system:location";

impl Reconciler {
    pub(crate) async fn locations(&self) -> Result<Ticked, ReconcileError> {
        let store = &self.parts.store;
        let now = self.now();
        // Read by themselves are those that people declared; what was read of one is part of that one.
        let objects = store.objects(Some(Kind::Location)).await?;
        let roots: Vec<ObjectRow> =
            objects.into_iter().filter(|row| !row.source.starts_with(LOCATION)).collect();
        let rows = store.list::<LocationState>(Find::default()).await?;
        if roots.is_empty() && rows.is_empty() {
            return Ok(self.idle());
        }
        let mut states: BTreeMap<EntityRef, Row<LocationState>> =
            rows.into_iter().map(|row| (row.value.location.clone(), row)).collect();
        let asks = store.list::<LocationAsk>(Find::default()).await?;
        let mut asks: BTreeMap<EntityRef, Row<LocationAsk>> =
            asks.into_iter().map(|row| (row.value.location.clone(), row)).collect();
        let mut all = self.idle();
        let mut wanted = Vec::new();
        for root in roots {
            let location = root.manifest.entity();
            let (state, ask) = (states.remove(&location), asks.remove(&location));
            let late = state.as_ref().map_or(now, |row| {
                if row.value.version == root.version { row.value.due } else { now }
            });
            if ask.is_some() || late <= now {
                wanted.push((root, state, ask));
            } else {
                all = all.and(Ticked { progressed: false, until: late });
            }
        }
        // What is left belongs to locations that are there no more.
        for (location, state) in states {
            // Where something of it still runs it is looked at again at the usual time.
            all.progressed |= self.gone(&location, &state).await?;
        }
        for (_, ask) in asks {
            let mut batch = self.batch();
            batch.remove::<LocationAsk>(ask.value.location.to_string(), Some(ask.version));
            store.commit(batch).await?;
        }
        let more = wanted.len() > AT_ONCE;
        wanted.truncate(AT_ONCE);
        let mut looks = stream::iter(wanted)
            .map(|(root, state, ask)| self.look_at(root, state, ask))
            .buffer_unordered(AT_ONCE);
        let mut failed = None;
        while let Some(looked) = looks.next().await {
            match looked {
                Ok(due) => all = all.and(Ticked { progressed: more, until: due }),
                Err(lost @ ReconcileError::Lost(_)) => return Err(lost),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(all), Err)
    }

    /// One location: read, decided, written. When it is due again.
    async fn look_at(
        &self,
        root: ObjectRow,
        state: Option<Row<LocationState>>,
        ask: Option<Row<LocationAsk>>,
    ) -> Result<Timestamp, ReconcileError> {
        let location = root.manifest.entity();
        let rules = rules(&root.manifest);
        let known = state.as_ref().map(|row| &row.value).filter(|state| {
            state.version == root.version && !state.failed() && !state.revision.is_empty()
        });
        let known = known.map(|state| state.revision.as_str());
        let read = self.parts.locations.read(&root.manifest, known).await;
        let now = self.now();
        let before = state.as_ref().map(|row| row.value.clone());
        let mut after = before.clone().unwrap_or(LocationState {
            location: location.clone(),
            version: 0,
            revision: String::new(),
            looked_at: now,
            good_at: None,
            due: now,
            items: Vec::new(),
            objects: 0,
            files: 0,
            keep_orphans: rules.keep,
            failures: 0,
        });
        (after.version, after.looked_at, after.keep_orphans) = (root.version, now, rules.keep);
        match read {
            LocationRead::Unchanged => {}
            LocationRead::Nothing(items) => {
                after.items = rules.items.iter().cloned().chain(items).collect();
                after.revision = String::new();
            }
            LocationRead::Files(files) => {
                after.items = rules.items.iter().cloned().chain(files.items).collect();
                after.revision = files.revision;
                if !files.refused {
                    after.files = files.files;
                    let named = files.named.into_iter();
                    let named = named
                        .map(|(manifest, at)| (manifest.entity(), Named { manifest, at }))
                        .collect();
                    let decided =
                        self.decide_location(&location, &rules, named, files.complete).await?;
                    after.objects = decided.objects;
                    after.items.extend(decided.items);
                    self.declare_pieces(&location, decided.changes).await?;
                }
            }
        }
        after.items.truncate(200);
        if after.failed() {
            after.failures = after.failures.saturating_add(1);
        } else {
            (after.failures, after.good_at) = (0, Some(now));
        }
        after.due = due(&location, now, rules.every, after.failures);
        let due = after.due;
        let mut batch = self.batch();
        if let Some(event) = told(before.as_ref(), &after, now) {
            batch.event(event);
        }
        if before.as_ref().map(|state| &state.items) != Some(&after.items) {
            batch.status(&location, &after.items);
        }
        match state {
            Some(row) => batch.update(&after, row.version),
            None => batch.create(&after),
        }
        if let Some(ask) = ask {
            // Asked again meanwhile: then it is looked at again.
            let again =
                self.parts.store.get::<LocationAsk>(&ask.value.location.to_string()).await?;
            if again.is_some_and(|again| again.version == ask.version) {
                batch.remove::<LocationAsk>(ask.value.location.to_string(), Some(ask.version));
            }
        }
        self.parts.store.commit(batch).await?;
        Ok(due)
    }

    /// What becomes of the catalog.
    async fn decide_location(
        &self,
        location: &EntityRef,
        rules: &Rules,
        named: BTreeMap<EntityRef, Named>,
        complete: bool,
    ) -> Result<Changes, ReconcileError> {
        let store = &self.parts.store;
        let names: Vec<EntityRef> = named.keys().cloned().collect();
        let found = store.objects_by(&names).await?;
        let found = found.iter().map(|row| (row.manifest.entity(), kept(row))).collect();
        let held = store.objects_of(&source_of(location)).await?;
        let held = complete.then(|| held.iter().map(kept).collect());
        let running = self.running().await?;
        let (location, rules) = (location.clone(), rules.clone());
        // Comparing ten thousand objects takes a while, and others wait for this thread.
        tokio::task::spawn_blocking(move || {
            changes(&location, &rules, named, found, held, &running)
        })
        .await
        .map_err(|error| ReconcileError::Port(error.to_string()))
    }

    /// Components of which something runs or is being changed.
    async fn running(&self) -> Result<BTreeSet<EntityRef>, ReconcileError> {
        let store = &self.parts.store;
        let open = Find { open: Some(true), ..Find::default() };
        let operations = store.list::<Operation>(open).await?;
        let placements = store.list::<Placement>(Find::default()).await?;
        let busy = operations.into_iter().map(|row| row.value.place);
        let serving = placements.into_iter().filter(|row| !row.value.serving.is_empty());
        Ok(busy.chain(serving.map(|row| row.value.place)).map(|place| place.component).collect())
    }

    async fn declare_pieces(
        &self,
        location: &EntityRef,
        changes: Vec<Declaration>,
    ) -> Result<(), ReconcileError> {
        let author = Author { actor: ACTOR.into(), request: String::new(), at: self.now() };
        for piece in changes.chunks(PIECE) {
            let mut batch = self.batch();
            for change in piece {
                batch.declare(change, &author);
            }
            self.placements_of(piece, &mut batch).await?;
            self.parts.store.commit(batch).await.inspect_err(|error| {
                tracing::debug!(%location, %error, "a location is read anew");
            })?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Placements at rest go with their component, as they do when a person deletes it.
    async fn placements_of(
        &self,
        piece: &[Declaration],
        batch: &mut Batch,
    ) -> Result<(), ReconcileError> {
        let gone: BTreeSet<&EntityRef> = piece
            .iter()
            .filter(|change| change.verdict == Verdict::Removed)
            .map(|change| &change.entity)
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        for row in self.parts.store.list::<Placement>(Find::default()).await? {
            if gone.contains(&row.value.place.component) && row.value.serving.is_empty() {
                batch.remove::<Placement>(row.value.place.to_string(), Some(row.version));
            }
        }
        Ok(())
    }

    /// A location that is there no more: what came from it goes by its rule, then what is known of it. Is it all gone?
    async fn gone(
        &self,
        location: &EntityRef,
        state: &Row<LocationState>,
    ) -> Result<bool, ReconcileError> {
        let rules = Rules {
            allow: BTreeSet::new(),
            every: tow_plan::location::EVERY,
            keep: state.value.keep_orphans,
            items: Vec::new(),
        };
        let decided = self.decide_location(location, &rules, BTreeMap::new(), true).await?;
        self.declare_pieces(location, decided.changes).await?;
        if decided.items.is_empty() {
            let id = location.to_string();
            let mut batch = self.batch();
            batch.remove::<LocationState>(id.clone(), Some(state.version));
            batch.remove::<LocationHook>(id, None);
            self.parts.store.commit(batch).await?;
        }
        Ok(decided.items.is_empty())
    }
}

/// An event where it went wrong, or is right again.
fn told(before: Option<&LocationState>, after: &LocationState, at: Timestamp) -> Option<NewEvent> {
    let failed = before.is_some_and(LocationState::failed);
    let first = after.items.iter().find(|item| item.level == Level::Error);
    let old = before.and_then(|s| s.items.iter().find(|item| item.level == Level::Error));
    let (kind, summary) = match first {
        Some(item) if old != Some(item) => (
            "location.failed",
            format!("{} can't be read as it should: {}", after.location, item.message),
        ),
        None if failed => ("location.recovered", format!("{} is read again", after.location)),
        _ => return None,
    };
    let value = |state: Option<&LocationState>| {
        state.map_or(serde_json::Value::Null, |state| serde_json::json!({ "items": state.items }))
    };
    Some(NewEvent {
        at,
        actor: ACTOR.into(),
        request: String::new(),
        kind: kind.into(),
        subject: after.location.to_string(),
        body: EventBody { summary, before: value(before), after: value(Some(after)) },
    })
}

fn kept(row: &ObjectRow) -> Kept {
    Kept {
        manifest: row.manifest.clone(),
        version: row.version,
        generation: row.generation,
        source: row.source.clone(),
    }
}
