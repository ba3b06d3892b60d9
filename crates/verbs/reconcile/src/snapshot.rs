//! Everything the controllers read, in a handful of statements whatever the number of places.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tow_model::{Kind, Spec, kinds::environment::EnvironmentSpec};
use tow_names::{Id, Name, Place};
use tow_plan::Placed;
use tow_record::{Deployment, Instance, Operation, Placement, Release, RouteSet, Scale};
use tow_store::{Find, Row, Store, StoreError};

/// A deployment and its release, as far as they never change.
pub(crate) type Deployed = Arc<(Deployment, Release)>;

/// Deployments and releases are immutable, so reading one once is enough. (A deployment's `state` and `outcome` do
/// change; nothing that uses this looks at them.)
#[derive(Default)]
pub(crate) struct Immutable(Mutex<BTreeMap<(Place, i64), Deployed>>);

/// What the store says.
pub(crate) struct Snapshot {
    pub(crate) operations: Vec<Row<Operation>>,
    pub(crate) placements: Vec<Row<Placement>>,
    /// Those of pods.
    pub(crate) instances: BTreeMap<Place, Vec<Instance>>,
    /// Those of runs: nobody's pod.
    pub(crate) attempts: BTreeMap<Id, Instance>,
    pub(crate) environments: BTreeMap<Name, EnvironmentSpec>,
    pub(crate) current: BTreeMap<Place, Deployed>,
    /// How many there are of what scales by itself.
    pub(crate) scales: BTreeMap<Place, Row<Scale>>,
    pub(crate) routes: Row<RouteSet>,
}

impl Snapshot {
    pub(crate) async fn read(store: &Store, immutable: &Immutable) -> Result<Self, StoreError> {
        let open = Find { open: Some(true), ..Find::default() };
        let operations = store.list::<Operation>(open).await?;
        let placements = store.list::<Placement>(Find::default()).await?;
        let mut instances: BTreeMap<Place, Vec<Instance>> = BTreeMap::new();
        let mut attempts = BTreeMap::new();
        for row in store.list::<Instance>(Find::default()).await? {
            if row.value.run.is_some() {
                attempts.insert(row.value.id.clone(), row.value);
                continue;
            }
            instances.entry(row.value.place.clone()).or_default().push(row.value);
        }
        let mut environments = BTreeMap::new();
        for row in store.objects(Some(Kind::Environment)).await? {
            if let Spec::Environment(spec) = row.manifest.spec.clone() {
                environments.insert(row.manifest.entity().name().clone(), spec);
            }
        }
        let mut current = BTreeMap::new();
        for row in &placements {
            let place = &row.value.place;
            if let Some(found) = immutable.deployed(store, place, row.value.deployment).await? {
                current.insert(place.clone(), found);
            }
        }
        let scales = store.list::<Scale>(Find::default()).await?;
        let scales = scales.into_iter().map(|row| (row.value.place.clone(), row)).collect();
        let routes = store
            .get::<RouteSet>("routes")
            .await?
            .unwrap_or(Row { value: RouteSet::default(), version: 0 });
        Ok(Self {
            operations,
            placements,
            instances,
            attempts,
            environments,
            current,
            scales,
            routes,
        })
    }

    /// The wanted deployment of a place, with as many of each workload as there are to be just now.
    pub(crate) fn counted(&self, place: &Place) -> Option<Deployment> {
        let deployed = self.current.get(place)?;
        let environment = self.environments.get(&place.environment)?;
        let kept = self.scales.get(place).map(|row| &row.value);
        Some(tow_plan::scale::counted(&deployed.0, &deployed.1, environment, kept, false))
    }

    pub(crate) fn rows(&self, place: &Place) -> &[Instance] {
        self.instances.get(place).map_or(&[], Vec::as_slice)
    }

    /// All places that can be routed to; `instead` takes the place of the stored one of the same name.
    pub(crate) fn placed<'a>(
        &'a self,
        instead: Option<(&'a Placement, &'a Release)>,
    ) -> Vec<Placed<'a>> {
        let mut all = Vec::new();
        let stored = self.placements.iter().map(|row| &row.value);
        for placement in stored {
            let place = &placement.place;
            if instead.is_some_and(|(new, _)| new.place == *place) {
                continue;
            }
            if let (Some(deployed), Some(environment)) =
                (self.current.get(place), self.environments.get(&place.environment))
            {
                let instances = self.rows(place);
                all.push(Placed { placement, release: &deployed.1, environment, instances });
            }
        }
        if let Some((placement, release)) = instead
            && let Some(environment) = self.environments.get(&placement.place.environment)
        {
            let instances = self.rows(&placement.place);
            all.push(Placed { placement, release, environment, instances });
        }
        all
    }
}

impl Immutable {
    pub(crate) async fn deployed(
        &self,
        store: &Store,
        place: &Place,
        number: i64,
    ) -> Result<Option<Deployed>, StoreError> {
        let key = (place.clone(), number);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let found = store.deployed(place, number).await?.map(Arc::new);
        if let Some(found) = &found {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Only what is deployed now is asked for again and again.
            known.retain(|(other, n), _| other != place || number - n < 10);
            known.insert(key, found.clone());
        }
        Ok(found)
    }
}
