//! Everything that is known of one place, read together: what both a use-case and a controller decide from.

use crate::{Find, Row, Store, StoreError};
use tow_model::{Kind, Spec, kinds::environment::EnvironmentSpec};
use tow_names::{EntityRef, Place};
use tow_record::{Artifact, Deployment, Instance, Operation, Placement, Release};

/// What is known of a place.
#[derive(Debug, Clone)]
pub struct PlaceFacts {
    /// Where things stand; version 0 where nothing was ever deployed.
    pub placement: Row<Placement>,
    /// All rows of the place that are a pod's; not those of runs.
    pub instances: Vec<Row<Instance>>,
    /// The wanted deployment and its release.
    pub current: Option<(Deployment, Release)>,
    /// What is under way.
    pub operation: Option<Row<Operation>>,
    /// The environment; none where it was deleted.
    pub environment: Option<EnvironmentSpec>,
    /// The environment's uid and generation; generation 0 where it is not there.
    pub environment_seen: (String, i64),
}

impl Store {
    /// Reads a place.
    pub async fn place(&self, place: &Place) -> Result<PlaceFacts, StoreError> {
        let id = place.to_string();
        let subject = || Some(id.clone());
        let placement = match self.get::<Placement>(&id).await? {
            Some(row) => row,
            None => {
                // A place that was deleted and comes back goes on with its numbers.
                let mut empty = Placement::empty(place.clone());
                if let Some(last) = self.last::<Deployment>(&id).await? {
                    empty.next_deployment = last.value.number + 1;
                }
                Row { value: empty, version: 0 }
            }
        };
        let mut instances =
            self.list::<Instance>(Find { subject: subject(), ..Find::default() }).await?;
        instances.retain(|row| row.value.run.is_none());
        let open = Find { subject: subject(), open: Some(true), ..Find::default() };
        let operation = self.list::<Operation>(open).await?.into_iter().next();
        let current = self.deployed(place, placement.value.deployment).await?;
        let entity = environment_ref(place);
        let row = self.object(&entity).await?;
        let environment_seen =
            row.as_ref().map_or((String::new(), 0), |row| (row.uid.clone(), row.generation));
        let environment = row.and_then(|row| match row.manifest.spec {
            Spec::Environment(spec) => Some(spec),
            _ => None,
        });
        Ok(PlaceFacts { placement, instances, current, operation, environment, environment_seen })
    }

    /// A deployment with its release.
    pub async fn deployed(
        &self,
        place: &Place,
        number: i64,
    ) -> Result<Option<(Deployment, Release)>, StoreError> {
        if number == 0 {
            return Ok(None);
        }
        let Some(deployment) = self.get::<Deployment>(&format!("{place}/{number}")).await? else {
            return Ok(None);
        };
        let release = self.release(&place.component, deployment.value.release).await?;
        Ok(release.map(|release| (deployment.value, release)))
    }

    /// A release by its number.
    pub async fn release(
        &self,
        component: &EntityRef,
        number: i64,
    ) -> Result<Option<Release>, StoreError> {
        Ok(self.get::<Release>(&format!("{component}/{number}")).await?.map(|row| row.value))
    }

    /// The artifact of a release, where it has one and it is there.
    pub async fn artifact(&self, release: &Release) -> Result<Option<Artifact>, StoreError> {
        match &release.artifact {
            None => Ok(None),
            Some(key) => Ok(self.get::<Artifact>(key.as_str()).await?.map(|row| row.value)),
        }
    }
}

/// The reference of a place's environment.
pub fn environment_ref(place: &Place) -> EntityRef {
    Kind::Environment.named(&place.environment)
}
