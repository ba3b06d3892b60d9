//! The numbers of `/metrics`, by name: part of the contract, because dashboards and alerts are built on them.

/// A number the platform tells of itself, in Prometheus' text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Such as `tow_uptime_seconds`.
    pub name: &'static str,
    /// `gauge` or `counter`.
    pub kind: &'static str,
    /// What it counts, as a sentence.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($name:ident $kind:ident $help:literal)*) => {
        /// All of them, in the order in which they are answered.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: stringify!($name), kind: stringify!($kind), help: $help,
        }),*];
    };
}

metrics! {
    tow_uptime_seconds gauge "Time since the control plane started."
    tow_events_total counter "Events ever written."
    tow_instances gauge "Instances the runtime knows."
    tow_instances_ready gauge "Instances that are ready."
    tow_instance_restarts gauge "Restarts of the instances there are."
    tow_gateway_up gauge "The gateway answers."
    tow_gateway_revision gauge "The route set it serves."
    tow_gateway_requests gauge "Requests to the instances there are, since the gateway's start."
    tow_gateway_errors gauge "Their answers of 500 and above."
    tow_gateway_in_flight gauge "Requests under way."
}
