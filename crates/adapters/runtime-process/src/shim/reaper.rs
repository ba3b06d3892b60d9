//! Reaps every child, the program's orphans included: the shim is their subreaper, and a zombie nobody reaps would
//! stay for ever.

use rustix::process::{WaitOptions, WaitStatus, wait};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;
use tow_record::Exit;

/// Who waits for which child.
#[derive(Clone, Default)]
pub(crate) struct Reaper(Arc<Mutex<HashMap<u32, oneshot::Sender<Exit>>>>);

impl Reaper {
    /// Starts a child and says when it ended. Nothing is reaped in between: there is one thread.
    pub(crate) fn watch(
        &self,
        start: impl FnOnce() -> std::io::Result<u32>,
    ) -> std::io::Result<(u32, oneshot::Receiver<Exit>)> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = start()?;
        let (send, receive) = oneshot::channel();
        waiting.insert(pid, send);
        Ok((pid, receive))
    }

    /// Starts a child of whose end [`Self::reap`] tells.
    pub(crate) fn start(
        &self,
        start: impl FnOnce() -> std::io::Result<u32>,
    ) -> std::io::Result<u32> {
        let _alone = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        start()
    }

    /// Reaps all that ended. True: there is no child left at all.
    pub(crate) fn reap(&self, mut ended: impl FnMut(u32, Exit)) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let Some(exit) = exit(status) else { continue };
                    let pid = pid.as_raw_nonzero().get().unsigned_abs();
                    let waiting =
                        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
                    match waiting {
                        Some(waiting) => drop(waiting.send(exit)),
                        None => ended(pid, exit),
                    }
                }
                Ok(None) => return false,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return true,
            }
        }
    }
}

fn exit(status: WaitStatus) -> Option<Exit> {
    if let Some(code) = status.exit_status() {
        return Some(Exit::Code { code });
    }
    status.terminating_signal().map(|signal| Exit::Signal { signal })
}
