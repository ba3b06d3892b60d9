//! Instances, a line a container.

use crate::{App, AppError, Call, Handle, OpCtx};
use tow_api::instance::list::{InstanceView, ListInstances, Reply};
use tow_record::{Isolation, Phase};

impl Handle<ListInstances> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListInstances>) -> Result<Reply, AppError> {
        let query = &call.query;
        let places =
            self.places(ctx, query.component.as_deref(), query.environment.as_deref()).await?;
        let observed = self.observe().await?;
        let mut items = Vec::new();
        for facts in &places {
            let serving = &facts.placement.value.serving;
            for row in &facts.instances {
                let row = &row.value;
                let seen = observed.instances.get(&row.id);
                let serves = serving.iter().any(|pod| pod.instances.contains(&row.id));
                items.push(InstanceView {
                    instance: row.id.to_string(),
                    component: row.place.component.to_string(),
                    workload: row.workload.clone(),
                    container: row.container.clone(),
                    replica: row.replica,
                    environment: row.place.environment.to_string(),
                    release: row.release,
                    deployment: row.deployment,
                    pid: seen.and_then(|s| s.pid),
                    state: tow_plan::instance_state(row, serves, seen),
                    phase: seen.map_or(Phase::Unknown, |s| s.phase),
                    restarts: seen.map_or(0, |s| s.restarts),
                    isolation: seen.map_or(Isolation::None, |s| s.isolation),
                    usage: seen.and_then(|s| s.usage),
                    ports: row.ports.clone(),
                    message: seen.map(|s| s.message.clone()).unwrap_or_default(),
                });
            }
        }
        items.sort_by(|a, b| {
            let key = |i: &InstanceView| {
                (
                    i.component.clone(),
                    i.environment.clone(),
                    i.workload.clone(),
                    i.replica,
                    i.container.clone(),
                    i.deployment,
                )
            };
            key(a).cmp(&key(b))
        });
        Ok(Reply { items })
    }
}
