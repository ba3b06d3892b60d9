//! What runs, a line a workload.

use crate::{App, AppError, Call, Handle, OpCtx};
use std::collections::BTreeMap;
use tow_api::status::get::{GetStatus, Replicas, Reply, StatusView};
use tow_names::Place;
use tow_record::{Deployment, Instance, Mode, Observed, Outcome, Scale, State};
use tow_store::PlaceFacts;

impl Handle<GetStatus> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<GetStatus>) -> Result<Reply, AppError> {
        let query = &call.query;
        let places =
            self.places(ctx, query.component.as_deref(), query.environment.as_deref()).await?;
        let observed = self.observe().await?;
        let mut items = Vec::new();
        // Where nothing ever went live, the last try tells why.
        let never = places.iter().filter(|f| f.current.is_none() && f.operation.is_none());
        let last = never.map(|f| &f.placement.value).filter(|p| p.next_deployment > 1);
        let last = last.map(|p| format!("{}/{}", p.place, p.next_deployment - 1));
        let last = self.store().get_many::<Deployment>(last.collect::<Vec<_>>()).await?;
        let last: BTreeMap<Place, Deployment> =
            last.into_values().map(|row| (row.value.place.clone(), row.value)).collect();
        let all = places.iter().map(|facts| facts.placement.value.place.to_string());
        let scales = self.store().get_many::<Scale>(all.collect::<Vec<_>>()).await?;
        for facts in &places {
            let kept = scales.get(&facts.placement.value.place.to_string()).map(|row| &row.value);
            items.extend(self.place_status(facts, &last, kept, &observed));
        }
        Ok(Reply { items })
    }
}

impl App {
    fn place_status(
        &self,
        facts: &PlaceFacts,
        last: &BTreeMap<Place, Deployment>,
        kept: Option<&Scale>,
        observed: &Observed,
    ) -> Vec<StatusView> {
        let placement = &facts.placement.value;
        let place = &placement.place;
        let rolling = facts.operation.as_ref().is_some_and(|op| !op.value.heal);
        let line = |workload: &str| StatusView {
            component: place.component.to_string(),
            workload: workload.to_string(),
            environment: place.environment.to_string(),
            release: None,
            state: State::Unknown,
            mode: Mode::Serving,
            reason: String::new(),
            url: None,
            port_url: None,
            instances: Replicas { ready: 0, wanted: 0 },
        };
        let (Some((deployment, release)), Some(environment)) = (&facts.current, &facts.environment)
        else {
            return never_live(facts, last.get(place), observed, line).into_iter().collect();
        };
        let instances: Vec<Instance> = facts.instances.iter().map(|r| r.value.clone()).collect();
        let placed = tow_plan::Placed { placement, release, environment, instances: &instances };
        let counted = tow_plan::scale::counted(deployment, release, environment, kept, false);
        let mut lines = Vec::new();
        for name in release.workloads.keys() {
            let wanted = counted.replicas.get(name).copied().unwrap_or(0);
            let status = tow_plan::workload_status(&placed, name, wanted, rolling, observed);
            let urls = tow_plan::workload_urls(&placed, name, self.gateway_port());
            let mut view = line(name);
            view.release = Some(release.number);
            view.state = status.state;
            view.reason = status.reason;
            if view.reason.is_empty() {
                view.reason = under_way(facts, observed);
            }
            view.mode = placement.mode.clone();
            if let Some(mode) = in_words(&placement.mode) {
                let reason = std::mem::take(&mut view.reason);
                let rest = if reason.is_empty() { reason } else { format!("; {reason}") };
                view.reason = format!("{mode}{rest}");
            }
            view.port_url = urls.iter().find(|u| u.starts_with("http://127.0.0.1:")).cloned();
            view.url = urls.into_iter().next();
            view.instances = Replicas { ready: status.ready, wanted: status.wanted };
            lines.push(view);
        }
        lines
    }
}

/// What is done with requests, where they are not handed on.
fn in_words(mode: &Mode) -> Option<String> {
    match mode {
        Mode::Serving => None,
        Mode::Paused { limit } => Some(format!("paused: requests are held, up to {limit}")),
        Mode::Maintenance { retry_after, .. } => {
            Some(format!("maintenance: requests are refused, to come again after {retry_after}"))
        }
    }
}

/// What a change that is under way does just now, where it takes its time: it builds, or what runs it does not answer.
fn under_way(facts: &PlaceFacts, observed: &Observed) -> String {
    let Some(op) = facts.operation.as_ref().map(|row| &row.value) else { return String::new() };
    let environment = facts.environment.as_ref();
    let lasts = environment.and_then(|e| tow_plan::under_way(op, &facts.placement.value, e));
    if let Some(lasts) = lasts {
        return lasts;
    }
    if op.deployment.is_none() {
        return match op.build {
            Some(_) => format!("builds: tow logs --build {}", op.build_id()),
            None => String::new(),
        };
    }
    let instances: Vec<Instance> = facts.instances.iter().map(|row| row.value.clone()).collect();
    crate::operation::trouble(op, &instances, observed).unwrap_or_default()
}

/// A place where nothing ever went live: the first rollout is under way, or failed.
fn never_live(
    facts: &PlaceFacts,
    last: Option<&Deployment>,
    observed: &Observed,
    line: impl Fn(&str) -> StatusView,
) -> Option<StatusView> {
    let mut view = line(facts.placement.value.place.component.name().as_str());
    if let Some(op) = &facts.operation {
        let waiting = op.value.deployment.is_none();
        view.state = if waiting { State::Waiting } else { State::Rolling };
        view.reason = under_way(facts, observed);
        return Some(view);
    }
    let last = last?;
    view.release = Some(last.release);
    view.state = last.state;
    if let Some(Outcome { message, .. }) = &last.outcome {
        view.reason.clone_from(message);
    }
    Some(view)
}
