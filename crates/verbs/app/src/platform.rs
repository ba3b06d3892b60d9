//! The platform itself: what answers here, is it ready, its own numbers.

use crate::{
    App, AppError, Call, Handle, OpCtx,
    handle::{body, internal},
};
use std::fmt::Write as _;
use tow_api::platform::get::{GetPlatform, PlatformView};
use tow_names::Id;
use tow_record::Installation;
use tow_store::{Batch, CommitError};

impl Handle<GetPlatform> for App {
    async fn handle(&self, _: &OpCtx, _: Call<GetPlatform>) -> Result<PlatformView, AppError> {
        Ok(PlatformView {
            version: env!("CARGO_PKG_VERSION").into(),
            source: self.installation().await?.source(),
            boot: self.parts.boot.clone(),
            gateway: self.parts.gateway.get().cloned().unwrap_or_default(),
            started_at: self.started_at,
        })
    }
}

impl App {
    /// Which platform this is: said once, at the first question.
    pub async fn installation(&self) -> Result<Installation, AppError> {
        let one = Installation::ONE;
        if let Some(row) = self.store().get::<Installation>(one).await? {
            return Ok(row.value);
        }
        let made = Installation { id: Id::fresh("tow"), at: self.now(), build: String::new() };
        let mut batch = Batch::new();
        batch.create(&made);
        match self.store().commit(batch).await {
            Ok(_) => Ok(made),
            // Somebody else said it meanwhile.
            Err(CommitError::Conflict { .. }) => {
                let row = self.store().get::<Installation>(one).await?;
                row.map(|row| row.value).ok_or_else(|| internal("no installation"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Notes which build of tow runs the platform; where it is another than before, whoever brought it, that is an
    /// event.
    pub async fn note_build(&self, build: &str) -> Result<(), AppError> {
        self.installation().await?;
        let Some(row) = self.store().get::<Installation>(Installation::ONE).await? else {
            return Err(internal("no installation"));
        };
        if row.value.build == build {
            return Ok(());
        }
        let before = row.value.build.clone();
        let mut batch = Batch::new();
        batch.update(&Installation { build: build.into(), ..row.value }, row.version);
        if !before.is_empty() {
            let what = body(
                format!("the platform was upgraded to {build}"),
                serde_json::json!({ "build": before }),
                serde_json::json!({ "build": build }),
            );
            let ctx = OpCtx::system("upgrade");
            batch.event(self.event(&ctx, "platform.upgraded", "platform", what));
        }
        self.store().commit(batch).await?;
        Ok(())
    }

    /// Store and gateway answer.
    pub async fn ready(&self) -> Result<(), AppError> {
        self.store().head().await?;
        if self.parts.edge.observe().await?.reachable {
            return Ok(());
        }
        Err(AppError::new("platform/unavailable", "the gateway does not answer"))
    }

    /// The platform's own numbers in the Prometheus text format.
    pub async fn metrics(&self) -> Result<String, AppError> {
        let observed = self.observe().await?;
        let edge = &observed.edge;
        let total = |f: fn(&tow_record::TargetCounters) -> u64| {
            edge.targets.values().map(f).sum::<u64>() as i64
        };
        let mut text = String::new();
        for tow_api::Metric { name, kind, help } in tow_api::METRICS {
            let value = match *name {
                "tow_uptime_seconds" => self.now().since(self.started_at).millis() / 1000,
                "tow_events_total" => self.store().head().await?,
                "tow_instances" => observed.instances.len() as i64,
                "tow_instances_ready" => {
                    observed.instances.values().filter(|seen| seen.ready).count() as i64
                }
                "tow_instance_restarts" => {
                    observed.instances.values().map(|seen| i64::from(seen.restarts)).sum()
                }
                "tow_gateway_up" => i64::from(edge.reachable),
                "tow_gateway_revision" => edge.revision,
                "tow_gateway_requests" => total(|t| t.requests),
                "tow_gateway_errors" => total(|t| t.errors),
                "tow_gateway_in_flight" => total(|t| t.in_flight),
                // Named but not measured: its absence says so.
                _ => continue,
            };
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        }
        Ok(text)
    }
}
