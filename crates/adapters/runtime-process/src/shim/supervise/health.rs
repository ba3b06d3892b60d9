//! Ready and alive: what follows from the probes' verdicts.

use super::super::probe::Prober;
use super::{Supervisor, Why};
use crate::state::Stop;
use std::time::Duration;
use tokio::time::Instant;
use tow_record::ProbeReport;

/// Failures in a row until a ready program counts as unready, and a living one as dead.
const FAILURES: u32 = 3;
/// How often a probe that goes on failing is told.
const TELL: Duration = Duration::from_millis(500);

impl Supervisor {
    pub(super) fn probe(&mut self) {
        let prober = self.prober();
        self.probes = Some(tokio::spawn(async move { prober.run().await }).abort_handle());
    }

    /// Runs a command beside the program before it is told to end.
    pub(super) fn prepare(&mut self, argv: Vec<String>, limit: Duration) {
        let prober = self.prober();
        let preparing = tokio::spawn(async move { prober.prepare(argv, limit).await });
        self.probes = Some(preparing.abort_handle());
    }

    fn prober(&self) -> Prober {
        let own = self.file.confined.as_ref().is_some_and(|confined| confined.network.is_some());
        let first = self.state.process.filter(|_| own).map(|process| process.pid);
        Prober::new(
            self.folder.clone(),
            self.file.clone(),
            self.reaper.clone(),
            self.state.attempt,
            first,
            self.events.clone(),
        )
    }

    pub(super) fn readiness(&mut self, report: ProbeReport) {
        let was = (self.state.ready, self.state.probe.as_ref().map(|probe| probe.ok));
        if report.ok {
            self.held = self.held.saturating_add(1);
            self.failed = 0;
            if self.held >= self.file.spec.successes && !self.state.ready {
                self.state.ready = true;
                self.state.ready_since = Some(report.at);
                self.liveness_counts = true;
                self.state.message.clear();
            }
        } else {
            self.held = 0;
            self.failed = self.failed.saturating_add(1);
            if self.failed >= FAILURES {
                self.state.ready = false;
                self.state.ready_since = None;
            }
        }
        let now = (self.state.ready, Some(report.ok));
        self.state.probe = Some(report);
        if was != now {
            self.save(false);
        } else if now.1 == Some(false) && self.told.elapsed() > TELL {
            self.told = Instant::now();
            self.pushed.send_replace(self.state.clone());
        }
    }

    /// A program that was never ready or alive is still starting: that is no reason to start it again.
    pub(super) fn liveness(&mut self, report: &ProbeReport) {
        if report.ok {
            self.liveness_counts = true;
            self.liveness_failed = 0;
            return;
        }
        self.liveness_failed += 1;
        if self.liveness_counts && self.liveness_failed >= FAILURES {
            self.state.message = format!("not alive any more: {}", report.what);
            self.log.say(&self.state.message.clone());
            let by = crate::wall::now().plus(self.file.spec.grace);
            self.end(Why::Liveness, Stop { by });
        }
    }
}
