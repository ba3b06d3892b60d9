//! What leads out of a sandbox's own network: that it lives while the program does, and not longer.

use super::{Event, Stage, Supervisor, Why, begin};
use crate::proc;
use crate::sandbox::network;
use crate::state::{Process, Stop};
use rustix::process::Signal;

/// One that lasted less, in milliseconds, is not started again: it would go on like that.
const TOO_SHORT: u128 = 1000;

impl Supervisor {
    /// Tells when it has ended.
    pub(super) fn watch_network(&self) {
        let Some(process) = self.state.network else { return };
        let events = self.events.clone();
        tokio::spawn(async move {
            begin::ended(process).await;
            let _ = events.send(Event::Detached { pid: process.pid }).await;
        });
    }

    /// It ended. With a living program it is started again; where that can't be, the program is, with its network.
    pub(super) fn detached(&mut self, pid: u32) {
        let Some(was) = self.state.network.filter(|was| was.pid == pid) else { return };
        if !matches!(self.stage, Stage::Up(_)) || self.ended.is_some() {
            return;
        }
        self.log.say("what leads out of its network ended");
        let lasted = crate::wall::now().since(was.at).std().as_millis();
        let started = match (&self.file.confined, self.state.process) {
            (Some(confined), Some(first)) if lasted >= TOO_SHORT => {
                confined.network.as_ref().map(|own| network::start(own, &self.folder, first.pid))
            }
            _ => None,
        };
        match started {
            // The first process holds what keeps it.
            Some(Ok((process, _holds))) => {
                self.state.network = Some(process);
                self.bound_network();
                self.watch_network();
                self.save(true);
                self.log.say("what leads out of its network was started again");
            }
            Some(Err(err)) => self.cut_off(&err.to_string()),
            None => self.cut_off("it ends as soon as it is started"),
        }
    }

    fn cut_off(&mut self, why: &str) {
        self.state.message = format!("cut off from the network: {why}");
        self.log.say(&self.state.message.clone());
        let by = crate::wall::now().plus(self.file.spec.grace);
        self.end(Why::Liveness, Stop { by });
    }

    /// What it takes is the program's doing, and counts as the program's.
    pub(super) fn bound_network(&self) {
        if let (Some(group), Some(process)) = (&self.state.group, self.state.network) {
            let _ = group.join(process.pid);
        }
    }

    /// It has ended with the first process already; this is for one that can't.
    pub(super) fn end_network(&mut self) {
        let Some(Process { pid, started, .. }) = self.state.network.take() else { return };
        if let Some(stat) = proc::stat(pid).filter(|stat| stat.started == started) {
            proc::signal(&stat, Signal::KILL);
        }
    }
}
