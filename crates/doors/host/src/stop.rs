//! Why the platform ends: a person at the terminal, or a service manager; and the end of what it ran.

use crate::{error::HostError, upgrade};
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tow_names::Duration;
use tow_platform::Layout;

/// What ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Ctrl-C: platform and workloads stop.
    Interrupt,
    /// SIGTERM or SIGHUP: the control plane ends, workloads and gateway go on.
    Terminate,
    /// SIGUSR2: it ends as on SIGTERM, and becomes what it was ordered to.
    Upgrade,
}

/// The signals that end the platform, listened for from the moment this is made.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    upgrade: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, HostError> {
        let listen = |kind| {
            signal(kind).map_err(|e| HostError::new("host/signals", format!("signals: {e}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            upgrade: listen(SignalKind::user_defined2())?,
        })
    }

    /// The next that means anything.
    pub(crate) async fn wait(&mut self, layout: &Layout) -> Reason {
        loop {
            return tokio::select! {
                _ = self.interrupt.recv() => Reason::Interrupt,
                _ = self.terminate.recv() => Reason::Terminate,
                _ = self.hangup.recv() => Reason::Terminate,
                _ = self.upgrade.recv() => {
                    if !upgrade::is_ordered(layout) {
                        tracing::warn!("SIGUSR2 without an order of tow upgrade: passed by");
                        continue;
                    }
                    Reason::Upgrade
                }
            };
        }
    }
}

/// Ends everything that runs, through its shims, without a control plane; then what is left in a container engine.
pub(crate) async fn stop_all(layout: &Layout, tow: &Path) -> Result<usize, HostError> {
    let grace = Duration::from_secs(10);
    let stopped = tow_platform::stop_everything(&layout.instances(), tow, grace).await;
    let containers = tow_platform::stop_containers(&layout.containers()).await;
    let left = |e: &tow_ports::PortError| {
        HostError::new("host/not-stopped", e.to_string()).hint("tow down tries again")
    };
    let stopped = stopped.map_err(|e| left(&e))?;
    containers.map_err(|e| left(&e))?;
    Ok(stopped.len())
}

/// Ends where the controllers have ended already: on an interrupt, so does everything that runs.
pub(crate) fn leave(reason: Reason, layout: &Layout, tow: &Path) -> Result<(), HostError> {
    if reason != Reason::Interrupt {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| HostError::new("host/runtime", e.to_string()))?;
    runtime.block_on(stop_all(layout, tow)).map(drop)
}
