//! Reading many at once: so many statements, whatever the number of what is read.

use crate::{PlaceFacts, Row, Store, StoreError, commit, environment_ref, read, sql};
use std::collections::{BTreeMap, BTreeSet};
use tow_model::{Kind, Spec};
use tow_names::{EntityRef, Name, Place};
use tow_record::{Deployment, Instance, Operation, Placement, Record, Release};

/// Of which places: of a component, of an environment, of both, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Only of this component.
    pub component: Option<EntityRef>,
    /// Only in this environment.
    pub environment: Option<Name>,
}

impl Places {
    /// Is the place one of them?
    pub fn has(&self, place: &Place) -> bool {
        self.component.as_ref().is_none_or(|c| *c == place.component)
            && self.environment.as_ref().is_none_or(|e| *e == place.environment)
    }
}

impl Store {
    /// Those of these records that there are, by id; one statement per hundred.
    pub async fn get_many<R: Record>(
        &self,
        ids: impl IntoIterator<Item = String>,
    ) -> Result<BTreeMap<String, Row<R>>, StoreError> {
        let ids: Vec<String> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut session = self.inner.db.reader().await?;
        let mut reader = session.read().await?;
        let rows = commit::read_rows(&mut reader, &sql::RECORD_BY, &ids, |args, id| {
            args.extend([R::KIND.into(), id.into()]);
        });
        let rows = rows.await?;
        rows.iter().map(|row| read::record::<R>(row).map(|row| (row.value.id(), row))).collect()
    }

    /// Records that are about places, those made last first.
    pub async fn latest<R: Record>(
        &self,
        places: &Places,
        limit: u32,
    ) -> Result<Vec<Row<R>>, StoreError> {
        let limit = i64::from(limit);
        let (component, environment) = (&places.component, &places.environment);
        let kind = R::KIND.into();
        let rows = match (component, environment) {
            (None, None) => self.inner.db.fetch(sql::BY_KIND_NEWEST, &[kind, limit.into()]).await?,
            (Some(component), None) => {
                let of = component.to_string();
                let args = [kind, of.into(), limit.into()];
                self.inner.db.fetch(sql::BY_COMPONENT_NEWEST, &args).await?
            }
            (None, Some(environment)) => {
                // `_` stands for any character there, and names may have it.
                let at = format!("%@{}", environment.as_str().replace('_', "\\_"));
                let args = [kind, at.into(), limit.into()];
                self.inner.db.fetch(sql::BY_ENVIRONMENT_NEWEST, &args).await?
            }
            (Some(component), Some(environment)) => {
                let of = Place::new(component.clone(), environment).to_string();
                let args = [kind, of.into(), limit.into()];
                self.inner.db.fetch(sql::BY_SUBJECT_NEWEST, &args).await?
            }
        };
        rows.iter().map(read::record).collect()
    }

    /// What is known of every place where something stands or is under way, by place. [`Store::place`] for many; the
    /// deployment that counts where nothing ever went live is the last one.
    pub async fn places(&self, places: &Places) -> Result<Vec<PlaceFacts>, StoreError> {
        let placements = self.stands_at(places).await?;
        let operations = self.under_way_at(places).await?;
        let mut facts: BTreeMap<Place, PlaceFacts> = BTreeMap::new();
        let known = placements.into_iter().map(|row| (row.value.place.clone(), row));
        // A first rollout has no placement yet.
        let first = operations.iter().map(|row| {
            let place = row.value.place.clone();
            (place.clone(), Row { value: Placement::empty(place), version: 0 })
        });
        for (place, placement) in known.chain(first) {
            if places.has(&place) {
                facts.entry(place).or_insert_with(|| PlaceFacts {
                    placement,
                    instances: Vec::new(),
                    current: None,
                    operation: None,
                    environment: None,
                    environment_seen: (String::new(), 0),
                });
            }
        }
        for row in operations {
            if let Some(facts) = facts.get_mut(&row.value.place) {
                facts.operation = Some(row);
            }
        }
        for row in self.latest::<Instance>(places, u32::MAX).await? {
            let of_run = row.value.run.is_some();
            if let Some(facts) = facts.get_mut(&row.value.place).filter(|_| !of_run) {
                facts.instances.push(row);
            }
        }
        self.fill_deployed(&mut facts).await?;
        self.fill_environments(&mut facts).await?;
        Ok(facts.into_values().collect())
    }

    async fn stands_at(&self, places: &Places) -> Result<Vec<Row<Placement>>, StoreError> {
        let subject = places.component.as_ref().map(ToString::to_string);
        self.list(crate::Find { subject, ..crate::Find::default() }).await
    }

    async fn under_way_at(&self, places: &Places) -> Result<Vec<Row<Operation>>, StoreError> {
        let open = crate::Find { open: Some(true), ..crate::Find::default() };
        let mut rows = self.list::<Operation>(open).await?;
        rows.retain(|row| places.has(&row.value.place));
        Ok(rows)
    }

    async fn fill_deployed(
        &self,
        facts: &mut BTreeMap<Place, PlaceFacts>,
    ) -> Result<(), StoreError> {
        let wanted = |facts: &PlaceFacts| {
            let placement = &facts.placement.value;
            (placement.deployment != 0)
                .then(|| format!("{}/{}", placement.place, placement.deployment))
        };
        let ids = facts.values().filter_map(wanted);
        let mut deployments = self.get_many::<Deployment>(ids).await?;
        let release = |d: &Deployment| format!("{}/{}", d.place.component, d.release);
        let ids = deployments.values().map(|row| release(&row.value));
        let releases = self.get_many::<Release>(ids.collect::<Vec<_>>()).await?;
        for facts in facts.values_mut() {
            let Some(row) = wanted(facts).and_then(|id| deployments.remove(&id)) else { continue };
            if let Some(found) = releases.get(&release(&row.value)) {
                facts.current = Some((row.value, found.value.clone()));
            }
        }
        Ok(())
    }

    async fn fill_environments(
        &self,
        facts: &mut BTreeMap<Place, PlaceFacts>,
    ) -> Result<(), StoreError> {
        let names: BTreeSet<EntityRef> = facts.keys().map(environment_ref).collect();
        let names: Vec<EntityRef> = names.into_iter().collect();
        let mut found = BTreeMap::new();
        for row in self.objects_by(&names).await? {
            if row.manifest.kind == Kind::Environment {
                found.insert(row.manifest.entity(), row);
            }
        }
        for (place, facts) in facts {
            let Some(row) = found.get(&environment_ref(place)) else { continue };
            facts.environment_seen = (row.uid.clone(), row.generation);
            if let Spec::Environment(spec) = &row.manifest.spec {
                facts.environment = Some(spec.clone());
            }
        }
        Ok(())
    }
}
