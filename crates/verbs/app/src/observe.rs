//! What is seen of the world just now, and what is known of places, for everything that tells how things are.

use crate::{App, AppError, OpCtx, handle::component_ref};
use std::collections::{BTreeMap, BTreeSet};
use tow_api::Action;
use tow_names::{EntityRef, Name, Place};
use tow_policy::Object;
use tow_record::Observed;
use tow_store::{PlaceFacts, Places};

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
        ctx: &OpCtx,
        component: Option<&str>,
        environment: Option<&str>,
    ) -> Result<Vec<PlaceFacts>, AppError> {
        let which = places_of(component, environment)?;
        if let Some(component) = &which.component {
            self.seen_row(ctx, component).await?;
        }
        if let Some(name) = &which.environment {
            self.environment_row(name).await?;
        }
        let mut places = self.store().places(&which).await?;
        let sight = self
            .seen(ctx, places.iter().map(|facts| &facts.placement.value.place.component))
            .await?;
        places.retain(|facts| sight.has(&facts.placement.value.place.component));
        Ok(places)
    }

    /// Refuses unless the actor may read what is private at each of these places.
    pub(crate) async fn authorize_private<'a>(
        &self,
        ctx: &OpCtx,
        places: impl IntoIterator<Item = &'a Place>,
    ) -> Result<(), AppError> {
        for object in self.owned(places).await?.into_values() {
            self.authorize(ctx, Action::ReadPrivate, &object)?;
        }
        Ok(())
    }

    /// Those of these places at which the actor may read what is private.
    pub(crate) async fn private<'a>(
        &self,
        ctx: &OpCtx,
        places: impl IntoIterator<Item = &'a Place> + Clone,
    ) -> Result<BTreeSet<String>, AppError> {
        let mut owned = self.owned(places.clone()).await?;
        owned.retain(|_, object| self.authorize(ctx, Action::ReadPrivate, object).is_ok());
        let may = places.into_iter().filter(|place| owned.contains_key(&place.component));
        Ok(may.map(ToString::to_string).collect())
    }

    /// What rights are held on: the components of these places.
    async fn owned<'a>(
        &self,
        places: impl IntoIterator<Item = &'a Place>,
    ) -> Result<BTreeMap<EntityRef, Object>, AppError> {
        let components: BTreeSet<&EntityRef> = places.into_iter().map(|p| &p.component).collect();
        let components: Vec<EntityRef> = components.into_iter().cloned().collect();
        let rows = self.store().objects_by(&components).await?;
        let mut owned: BTreeMap<EntityRef, Object> =
            rows.iter().map(|row| (row.manifest.entity(), Object::of(&row.manifest))).collect();
        for component in components {
            let missing = Object::owned(Some(&component), None);
            owned.entry(component).or_insert(missing);
        }
        Ok(owned)
    }
}

/// The places of a component, of an environment, of both, or all; by how people name them.
pub(crate) fn places_of(
    component: Option<&str>,
    environment: Option<&str>,
) -> Result<Places, AppError> {
    let environment = environment
        .map(|name| Name::new(name.to_ascii_lowercase()))
        .transpose()
        .map_err(|e| AppError::new("input/invalid", e.to_string()))?;
    Ok(Places { component: component.map(component_ref).transpose()?, environment })
}
