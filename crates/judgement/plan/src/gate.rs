//! What gates a switch, in this order: the readiness probe; else the declared port accepts; else alive for
//! `min_healthy_time`.

use crate::{Delivered, primary_port};
use tow_model::kinds::workload::{Protocol, Workload};
use tow_names::Duration;
use tow_record::{Gate, GateKind};

/// How long whatever can't be asked anything has to live at least, in every tier: that a program was started is no sign
/// that it can run, and most that can't end within this.
pub(crate) const ALIVE: Duration = Duration::from_millis(500);

/// The gate of one container. `None`: the workload has no such container.
pub fn gate(score: &Workload, container: &str, delivered: &Delivered) -> Option<Gate> {
    let this = score.containers.get(container)?;
    let declared = match (&this.readiness_probe, primary_port(score)) {
        (Some(probe), _) => match (&probe.http_get, &probe.exec) {
            (Some(get), _) => GateKind::Http { path: get.path.clone() },
            (None, Some(exec)) => GateKind::Exec { command: exec.command.clone() },
            (None, None) => GateKind::Alive,
        },
        // A port belongs to the pod, not to a container: the first container answers for it, unless another one of
        // the pod says by a probe that it is the one.
        (None, Some((name, port)))
            if port.protocol.unwrap_or_default() == Protocol::Tcp
                && answers_for_ports(score) == Some(container) =>
        {
            GateKind::Tcp { port: name.to_string() }
        }
        (None, _) => GateKind::Alive,
    };
    let min_healthy_time = match declared {
        GateKind::Alive => delivered.min_healthy_time.max(ALIVE),
        _ => delivered.min_healthy_time,
    };
    Some(Gate {
        workload: score.metadata.name.clone(),
        container: container.to_string(),
        probe: declared,
        interval: delivered.interval,
        timeout: delivered.timeout,
        successes: delivered.successes,
        min_healthy_time,
        deadline: delivered.deadline,
    })
}

/// The container that the pod's ports are taken to belong to: the only one; else none, where some container has an
/// HTTP readiness probe; else the last one to start.
fn answers_for_ports(score: &Workload) -> Option<&str> {
    let probed = |c: &tow_model::kinds::workload::Container| {
        c.readiness_probe.as_ref().is_some_and(|p| p.http_get.is_some())
    };
    if score.containers.len() > 1 && score.containers.values().any(probed) {
        return None;
    }
    let order = crate::container_order(score);
    let last = order.last()?.clone();
    score.containers.keys().find(|name| **name == last).map(String::as_str)
}
