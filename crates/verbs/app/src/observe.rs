//! What is seen of the world just now, and what is known of places, for everything that tells how things are.

use crate::{App, AppError, handle::component_ref};
use std::collections::BTreeMap;
use tow_names::{Name, Place};
use tow_record::{Observed, Placement};
use tow_store::{Find, PlaceFacts};

impl App {
    /// Asks runtime and gateway. Builds are not asked: nobody tells how they are from here.
    pub(crate) async fn observe(&self) -> Result<Observed, AppError> {
        let (instances, edge) =
            tokio::join!(self.parts.runtime.observe(), self.parts.edge.observe());
        let instances = instances?.into_iter().map(|seen| (seen.id.clone(), seen)).collect();
        Ok(Observed { instances, builds: BTreeMap::new(), edge: edge? })
    }

    /// The places of a component, of an environment, of both, or all.
    pub(crate) async fn places(
        &self,
        component: Option<&str>,
        environment: Option<&str>,
    ) -> Result<Vec<PlaceFacts>, AppError> {
        let component = component.map(component_ref).transpose()?;
        let environment = environment
            .map(|name| Name::new(name.to_ascii_lowercase()))
            .transpose()
            .map_err(|e| AppError::new("input/invalid", e.to_string()))?;
        if let Some(component) = &component {
            self.object_row(component).await?;
        }
        if let Some(name) = &environment {
            self.environment_row(name).await?;
        }
        let subject = component.as_ref().map(ToString::to_string);
        let mut wanted: Vec<Place> = Vec::new();
        for row in self.store().list::<Placement>(Find { subject, ..Find::default() }).await? {
            wanted.push(row.value.place);
        }
        // A first rollout has no placement yet.
        let open = Find { open: Some(true), ..Find::default() };
        for row in self.store().list::<tow_record::Operation>(open).await? {
            if !wanted.contains(&row.value.place) {
                wanted.push(row.value.place);
            }
        }
        wanted.sort();
        wanted.retain(|place| {
            component.as_ref().is_none_or(|c| *c == place.component)
                && environment.as_ref().is_none_or(|e| *e == place.environment)
        });
        let mut facts = Vec::new();
        for place in wanted {
            facts.push(self.store().place(&place).await?);
        }
        Ok(facts)
    }
}
