//! Deployments.

use crate::{
    App, AppError, Call, Handle, OpCtx,
    handle::{component_ref, page},
    observe::places_of,
};
use tow_api::deployment::get::{GetDeployment, Path, WholeDeployment};
use tow_api::deployment::list::{DeploymentView, ListDeployments, Reply};
use tow_names::{Name, Place};
use tow_record::{Deployment, Operation};

impl Handle<ListDeployments> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListDeployments>) -> Result<Reply, AppError> {
        let query = &call.query;
        let places = places_of(query.component.as_deref(), query.environment.as_deref())?;
        if let Some(component) = &places.component {
            self.seen_row(ctx, component).await?;
        }
        let rows = self.store().latest::<Deployment>(&places, page(query.limit)).await?;
        let sight = self.seen(ctx, rows.iter().map(|row| &row.value.place.component)).await?;
        let seen = rows.into_iter().filter(|row| sight.has(&row.value.place.component));
        let mut items: Vec<DeploymentView> = seen.map(|row| view(row.value)).collect();
        items.sort_by_key(|d| std::cmp::Reverse(d.created_at));
        Ok(Reply { items })
    }
}

impl Handle<GetDeployment> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<GetDeployment>,
    ) -> Result<WholeDeployment, AppError> {
        let Path { component, environment, number } = &call.path;
        let component = component_ref(component)?;
        self.seen_row(ctx, &component).await?;
        let name =
            Name::new(environment).map_err(|e| AppError::new("input/invalid", e.to_string()))?;
        let place = Place::new(component, &name);
        let row = self.store().get::<Deployment>(&format!("{place}/{number}")).await?;
        let row = row.ok_or_else(|| {
            AppError::not_found(format!("deployment {number} of {}", place.short()))
                .next("tow deployments")
        })?;
        let deployment = row.value;
        let id = deployment.operation.to_string();
        let operation = match self.store().get::<Operation>(&id).await? {
            Some(_) => {
                let mut operation = self.operation_view(&id).await?;
                self.hide_log(ctx, &mut operation).await?;
                Some(operation)
            }
            None => None,
        };
        Ok(WholeDeployment {
            replicas: deployment.replicas.clone(),
            ended_at: deployment.outcome.as_ref().map(|outcome| outcome.at),
            operation,
            deployment: view(deployment),
        })
    }
}

fn view(d: Deployment) -> DeploymentView {
    DeploymentView {
        number: d.number,
        component: d.place.component.to_string(),
        environment: d.place.environment.to_string(),
        release: d.release,
        config: d.config,
        state: d.state,
        reason: d.reason,
        message: d.outcome.map(|o| o.message).unwrap_or_default(),
        created_at: d.created_at,
        created_by: d.created_by,
    }
}
