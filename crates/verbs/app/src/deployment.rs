//! Deployments.

use crate::{App, AppError, Call, Handle, OpCtx, handle::component_ref};
use tow_api::deployment::list::{DeploymentView, ListDeployments, Reply};
use tow_record::Deployment;
use tow_store::Find;

impl Handle<ListDeployments> for App {
    async fn handle(&self, _: &OpCtx, call: Call<ListDeployments>) -> Result<Reply, AppError> {
        let component = call.query.component.as_deref().map(component_ref).transpose()?;
        if let Some(component) = &component {
            self.object_row(component).await?;
        }
        let subject = match (&component, &call.query.environment) {
            (Some(component), Some(environment)) => {
                Some(format!("{component}@{}", environment.to_ascii_lowercase()))
            }
            _ => None,
        };
        let find = Find { subject, newest_first: true, ..Find::default() };
        let mut items = Vec::new();
        for row in self.store().list::<Deployment>(find).await? {
            let d = row.value;
            let wanted = component.as_ref().is_none_or(|c| *c == d.place.component)
                && call
                    .query
                    .environment
                    .as_ref()
                    .is_none_or(|e| d.place.environment.as_str().eq_ignore_ascii_case(e));
            if !wanted {
                continue;
            }
            items.push(DeploymentView {
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
            });
        }
        items.sort_by_key(|d| std::cmp::Reverse(d.created_at));
        Ok(Reply { items })
    }
}
