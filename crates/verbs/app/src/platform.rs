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
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, value: i64| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        };
        let uptime = self.now().since(self.started_at).millis() / 1000;
        metric("tow_uptime_seconds", "gauge", "Time since the control plane started.", uptime);
        let head = self.store().head().await?;
        metric("tow_events_total", "counter", "Events ever written.", head);
        let instances = observed.instances.len() as i64;
        metric("tow_instances", "gauge", "Instances the runtime knows.", instances);
        let ready = observed.instances.values().filter(|seen| seen.ready).count() as i64;
        metric("tow_instances_ready", "gauge", "Instances that are ready.", ready);
        let restarts: i64 = observed.instances.values().map(|s| i64::from(s.restarts)).sum();
        metric("tow_instance_restarts", "gauge", "Restarts of the instances there are.", restarts);
        let edge = &observed.edge;
        metric("tow_gateway_up", "gauge", "The gateway answers.", i64::from(edge.reachable));
        metric("tow_gateway_revision", "gauge", "The route set it serves.", edge.revision);
        let total = |f: fn(&tow_record::TargetCounters) -> u64| {
            edge.targets.values().map(f).sum::<u64>() as i64
        };
        metric(
            "tow_gateway_requests",
            "gauge",
            "Requests to the instances there are, since the gateway's start.",
            total(|t| t.requests),
        );
        metric(
            "tow_gateway_errors",
            "gauge",
            "Their answers of 500 and above.",
            total(|t| t.errors),
        );
        metric("tow_gateway_in_flight", "gauge", "Requests under way.", total(|t| t.in_flight));
        Ok(text)
    }
}
