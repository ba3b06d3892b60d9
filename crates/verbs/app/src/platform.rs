//! The platform itself: what answers here, is it ready, its own numbers.

use crate::{App, AppError, Call, Handle, OpCtx};
use std::fmt::Write as _;
use tow_api::platform::get::{GetPlatform, PlatformView};

impl Handle<GetPlatform> for App {
    async fn handle(&self, _: &OpCtx, _: Call<GetPlatform>) -> Result<PlatformView, AppError> {
        Ok(PlatformView {
            version: env!("CARGO_PKG_VERSION").into(),
            boot: self.parts.boot.clone(),
            gateway: self.parts.gateway.get().cloned().unwrap_or_default(),
            started_at: self.started_at,
        })
    }
}

impl App {
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
