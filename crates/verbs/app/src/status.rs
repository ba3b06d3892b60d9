//! What runs, a line a workload.

use crate::{App, AppError, Call, Handle, OpCtx};
use tow_api::status::get::{GetStatus, Replicas, Reply, StatusView};
use tow_record::{Instance, Observed, Outcome, State};
use tow_store::PlaceFacts;

impl Handle<GetStatus> for App {
    async fn handle(&self, _: &OpCtx, call: Call<GetStatus>) -> Result<Reply, AppError> {
        let query = &call.query;
        let places = self.places(query.component.as_deref(), query.environment.as_deref()).await?;
        let observed = self.observe().await?;
        let mut items = Vec::new();
        for facts in &places {
            items.extend(self.place_status(facts, &observed).await?);
        }
        Ok(Reply { items })
    }
}

impl App {
    async fn place_status(
        &self,
        facts: &PlaceFacts,
        observed: &Observed,
    ) -> Result<Vec<StatusView>, AppError> {
        let placement = &facts.placement.value;
        let place = &placement.place;
        let rolling = facts.operation.as_ref().is_some_and(|op| !op.value.heal);
        let line = |workload: &str| StatusView {
            component: place.component.to_string(),
            workload: workload.to_string(),
            environment: place.environment.to_string(),
            release: None,
            state: State::Unknown,
            reason: String::new(),
            url: None,
            port_url: None,
            instances: Replicas { ready: 0, wanted: 0 },
        };
        let (Some((deployment, release)), Some(environment)) = (&facts.current, &facts.environment)
        else {
            return self.never_live(facts, line).await;
        };
        let instances: Vec<Instance> = facts.instances.iter().map(|r| r.value.clone()).collect();
        let placed = tow_plan::Placed { placement, release, environment, instances: &instances };
        let mut lines = Vec::new();
        for name in release.workloads.keys() {
            let wanted = deployment.replicas.get(name).copied().unwrap_or(0);
            let status = tow_plan::workload_status(&placed, name, wanted, rolling, observed);
            let urls = tow_plan::workload_urls(&placed, name, self.gateway_port());
            let mut view = line(name);
            view.release = Some(release.number);
            view.state = status.state;
            view.reason = status.reason;
            view.port_url = urls.iter().find(|u| u.starts_with("http://127.0.0.1:")).cloned();
            view.url = urls.into_iter().next();
            view.instances = Replicas { ready: status.ready, wanted: status.wanted };
            lines.push(view);
        }
        Ok(lines)
    }

    /// A place where nothing ever went live: the first rollout is under way, or failed.
    async fn never_live(
        &self,
        facts: &PlaceFacts,
        line: impl Fn(&str) -> StatusView,
    ) -> Result<Vec<StatusView>, AppError> {
        let place = &facts.placement.value.place;
        let mut view = line(place.component.name().as_str());
        if let Some(op) = &facts.operation {
            let waiting = op.value.deployment.is_none();
            view.state = if waiting { State::Waiting } else { State::Rolling };
            return Ok(vec![view]);
        }
        let last = self.store().last::<tow_record::Deployment>(&place.to_string()).await?;
        let Some(last) = last else { return Ok(Vec::new()) };
        view.release = Some(last.value.release);
        view.state = last.value.state;
        if let Some(Outcome { message, .. }) = last.value.outcome {
            view.reason = message;
        }
        Ok(vec![view])
    }
}
