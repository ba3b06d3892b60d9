//! Deployments.

use crate::{App, AppError, Call, Handle, OpCtx, handle::page, observe::places_of};
use tow_api::deployment::list::{DeploymentView, ListDeployments, Reply};
use tow_record::Deployment;

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
