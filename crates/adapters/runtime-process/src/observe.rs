//! What is known of each instance, cheaply: a connection to each living shim keeps the last state at hand, a folder is
//! read only where there is none. A shim that was killed is replaced here.

use crate::folder::Folder;
use crate::frozen::{self, Which};
use crate::link::{ANSWER, Link};
use crate::state::{Kept, State};
use crate::{launch, proc, state};
use rustix::process::Signal;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tow_names::{Id, Timestamp};
use tow_ports::{Clock, PortError};
use tow_record::{Isolation, ObservedInstance, Phase};

/// So often it is looked whether a shim that has nothing to tell was stopped; the second time it is ended.
const STOPPED: Duration = Duration::from_secs(2);
/// Silences in a row after which a shim that nobody stopped is ended too: a machine may be slow.
const SILENCES: u32 = 5;
/// So long an instance whose program lives is what it was when its shim was last heard: another takes over in far less,
/// and requests are answered all the while.
const UNHEARD: tow_names::Duration = tow_names::Duration::from_secs(10);
/// A shim that can't be started is tried again after this.
const AGAIN: tow_names::Duration = tow_names::Duration::from_secs(1);

struct Watched {
    last: State,
    /// Its shim is there to tell of changes.
    live: bool,
    task: Option<AbortHandle>,
}

/// What the watchers and the runtime share.
pub(crate) struct Watch {
    pub(crate) tow: PathBuf,
    boot: String,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<Id, Watched>>,
    tried: Mutex<HashMap<Id, Timestamp>>,
    /// How often in a row a shim did not answer.
    silent: Mutex<HashMap<Id, u32>>,
    /// Since when no shim could be heard.
    unheard: Mutex<HashMap<Id, Timestamp>>,
    changes: watch::Sender<u64>,
    returned: AtomicU64,
}

impl Watch {
    pub(crate) fn new(tow: PathBuf, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        Ok(Self {
            tow,
            boot: proc::boot()?,
            clock,
            known: Mutex::default(),
            tried: Mutex::default(),
            silent: Mutex::default(),
            unheard: Mutex::default(),
            changes: watch::Sender::new(0),
            returned: AtomicU64::new(0),
        })
    }

    fn known<T>(&self, with: impl FnOnce(&mut HashMap<Id, Watched>) -> T) -> T {
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Is it of another boot of the machine? Then nothing of it can be running.
    pub(crate) fn is_elsewhere(&self, state: &State) -> bool {
        state.boot != self.boot
    }

    /// Something may have changed.
    pub(crate) fn hint(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn hint_later(self: &Arc<Self>) {
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            crate::wall::pause(AGAIN.std()).await;
            if let Some(this) = this.upgrade() {
                this.hint();
            }
        });
    }

    /// Returns when something may have changed since the last return.
    pub(crate) async fn changed(&self) {
        let mut changes = self.changes.subscribe();
        let now = *changes.borrow_and_update();
        if self.returned.swap(now, Ordering::AcqRel) != now {
            return;
        }
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.returned.store(*changes.borrow(), Ordering::Release);
    }

    /// Forgets an instance that was removed.
    pub(crate) fn forget(&self, id: &Id) {
        let gone = self.known(|known| known.remove(id));
        if let Some(task) = gone.and_then(|watched| watched.task) {
            task.abort();
        }
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.answered(id);
        self.hint();
    }

    /// Its shim is well.
    pub(crate) fn answered(&self, id: &Id) {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.unheard.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// An instance of which nobody can be asked now.
    fn unheard(self: &Arc<Self>, id: &Id, state: &State, why: &PortError) -> ObservedInstance {
        let now = self.clock.now();
        let since = {
            let mut unheard = self.unheard.lock().unwrap_or_else(PoisonError::into_inner);
            *unheard.entry(id.clone()).or_insert(now)
        };
        let known = state.observed();
        if now.since(since) < UNHEARD && state.process.is_some_and(|process| proc::lives(&process))
        {
            self.hint_later();
            return known;
        }
        ObservedInstance {
            phase: Phase::Unknown,
            ready: false,
            ready_since: None,
            message: why.to_string(),
            ..known
        }
    }

    /// Its shim did not answer in time. One that was stopped is ended, as is one that is silent again and again: then
    /// true, and another takes over.
    pub(crate) fn silent(&self, id: &Id, folder: &Folder) -> bool {
        let times = {
            let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
            let times = silent.entry(id.clone()).or_default();
            *times += 1;
            *times
        };
        let which = if times < SILENCES { Which::Stopped } else { Which::All };
        let is_ended = frozen::end(folder, which);
        if is_ended {
            self.answered(id);
        }
        is_ended
    }

    /// Forgets all that are not among these.
    pub(crate) fn keep(&self, ids: &[Id]) {
        self.known(|known| {
            known.retain(|id, watched| {
                let stays = ids.contains(id);
                if !stays && let Some(task) = watched.task.take() {
                    task.abort();
                }
                stays
            });
        });
    }

    /// The last state, where a shim tells of changes or none is to come.
    pub(crate) fn last(&self, id: &Id) -> Option<State> {
        self.known(|known| {
            let watched = known.get(id)?;
            (watched.live || watched.last.ended()).then(|| watched.last.clone())
        })
    }

    /// Connects to the shim and follows it; its first state. An error where none answers.
    pub(crate) async fn follow(
        self: &Arc<Self>,
        id: &Id,
        folder: &Folder,
    ) -> std::io::Result<State> {
        let first = async {
            let mut link = Link::open(folder).await?;
            let state = link.watch().await?;
            std::io::Result::Ok((link, state))
        };
        let (mut link, first) = tokio::time::timeout(ANSWER, first)
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        let state = first.clone();
        let this = Arc::downgrade(self);
        let watched = id.clone();
        // Under the lock, so that the task finds the entry it is to keep up to date.
        self.known(|known| {
            let task = tokio::spawn(async move {
                loop {
                    let next = next(&mut link).await;
                    let Some(this) = this.upgrade() else { return };
                    match next {
                        Ok(state) => this.note(&watched, state),
                        Err(_) => {
                            this.known(|known| {
                                if let Some(watched) = known.get_mut(&watched) {
                                    watched.live = false;
                                    watched.task = None;
                                }
                            });
                            this.hint();
                            return;
                        }
                    }
                }
            });
            let entry = Watched { last: first, live: true, task: Some(task.abort_handle()) };
            if let Some(old) = known.insert(id.clone(), entry).and_then(|old| old.task) {
                old.abort();
            }
        });
        self.hint();
        Ok(state)
    }

    fn note(&self, id: &Id, state: State) {
        let matters = self.known(|known| {
            let watched = known.get_mut(id)?;
            let matters = |state: &State| {
                let probe = state.probe.as_ref().map(|probe| probe.ok);
                (state.phase, state.ready, state.restarts, state.process, state.exit, probe)
            };
            let differs = matters(&watched.last) != matters(&state);
            watched.last = state;
            Some(differs)
        });
        if matters == Some(true) {
            self.hint();
        }
    }

    /// How an instance is; `None` where its folder is gone.
    pub(crate) async fn look(
        self: &Arc<Self>,
        id: &Id,
        folder: &Folder,
    ) -> Option<ObservedInstance> {
        if let Some(state) = self.last(id) {
            return Some(state.observed());
        }
        match state::read(folder) {
            Kept::Nothing if !folder.exists() => None,
            Kept::Nothing => Some(word(id, Phase::Starting, "its folder is not complete yet")),
            Kept::State(state) if state.ended() => {
                let observed = state.observed();
                self.known(|known| {
                    known.insert(id.clone(), Watched { last: *state, live: false, task: None })
                });
                Some(observed)
            }
            Kept::State(state) if self.is_elsewhere(&state) => Some(ObservedInstance {
                phase: Phase::Lost,
                ready: false,
                ready_since: None,
                pid: None,
                message: "the machine was restarted".into(),
                ..state.observed()
            }),
            Kept::State(state) => Some(match self.revive(id, folder, state.epoch).await {
                Ok(state) => state.observed(),
                Err(PortError::NotThere(_)) => return None,
                Err(err) => self.unheard(id, &state, &err),
            }),
            Kept::Damaged(why) => Some(match self.revive(id, folder, 0).await {
                Ok(state) => state.observed(),
                Err(_) => word(id, Phase::Unknown, &format!("state.json is damaged: {why}")),
            }),
        }
    }

    /// Connects to the shim, and starts a new one first where none lives, or where it was silent the last time.
    async fn revive(
        self: &Arc<Self>,
        id: &Id,
        folder: &Folder,
        epoch: i64,
    ) -> Result<State, PortError> {
        let broken = |err: std::io::Error| PortError::Unavailable(err.to_string());
        if !folder.is_locked().map_err(broken)? {
            let now = self.clock.now();
            {
                let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
                if tried.get(id).is_some_and(|at| now.since(*at) < AGAIN && *at <= now) {
                    self.hint_later();
                    return Err(PortError::Unavailable(
                        "its shim ended and is started again soon".into(),
                    ));
                }
                tried.insert(id.clone(), now);
            }
            if !folder.exists() {
                return Err(PortError::NotThere(id.to_string()));
            }
            launch::shim(&self.tow, folder, epoch, None).await?;
        }
        match self.follow(id, folder).await {
            Ok(state) => {
                self.answered(id);
                Ok(state)
            }
            // It may have ended for good meanwhile.
            Err(err) => match state::read(folder) {
                Kept::State(state) if state.ended() => Ok(*state),
                _ => {
                    if self.silent(id, folder) {
                        self.hint();
                    }
                    Err(broken(err))
                }
            },
        }
    }
}

/// The next state. A shim that was stopped meanwhile is ended: its connection does not break by that.
async fn next(link: &mut Link) -> std::io::Result<State> {
    let shim = link.shim;
    let next = link.next();
    tokio::pin!(next);
    let mut was_stopped = false;
    loop {
        if let Ok(next) = tokio::time::timeout(STOPPED, &mut next).await {
            return next;
        }
        let Some(shim) = shim else { continue };
        let is_stopped = frozen::is_stopped(&shim);
        if is_stopped && was_stopped {
            proc::signal(&shim, Signal::KILL);
        }
        was_stopped = is_stopped;
    }
}

/// An instance of which nothing else is known.
fn word(id: &Id, phase: Phase, message: &str) -> ObservedInstance {
    ObservedInstance {
        id: id.clone(),
        phase,
        ready: false,
        ready_since: None,
        pid: None,
        restarts: 0,
        exit: None,
        probe: None,
        isolation: Isolation::None,
        listening: Vec::new(),
        usage: None,
        message: message.into(),
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.known(|known| {
            for watched in known.values_mut() {
                if let Some(task) = watched.task.take() {
                    task.abort();
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Process;

    #[derive(Debug)]
    struct Set(Mutex<Timestamp>);

    #[async_trait::async_trait]
    impl Clock for Set {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        async fn sleep_until(&self, _: Timestamp) {}
    }

    #[tokio::test]
    async fn what_lives_stays_ready_while_another_shim_takes_over() {
        let outer = tempfile::tempdir().unwrap();
        let id = Id::parse("i-one").unwrap();
        let folder = Folder::of(outer.path(), &id);
        std::fs::create_dir(folder.path()).unwrap();
        let clock = Arc::new(Set(Mutex::new(Timestamp(1_000_000))));
        let watch = Arc::new(Watch::new("/nonexistent/tow".into(), clock.clone()).unwrap());
        let own = proc::stat(std::process::id()).unwrap();
        let (pid, started, at) = (own.pid, own.started, clock.now());
        let process = Process { pid, started, session: own.session, at };
        let mut state = State::new(id.clone(), proc::boot().unwrap(), 1);
        (state.phase, state.ready, state.process) = (Phase::Running, true, Some(process));
        state::write(&folder, &state, false).unwrap();
        // One has the lock and does not answer yet.
        let lock = folder.lock().unwrap();
        assert!(lock.is_some());
        let seen = watch.look(&id, &folder).await.unwrap();
        assert_eq!((seen.phase, seen.ready), (Phase::Running, true), "{seen:?}");
        // None can be started.
        drop(lock);
        let seen = watch.look(&id, &folder).await.unwrap();
        assert_eq!((seen.phase, seen.ready), (Phase::Running, true), "{seen:?}");
        *clock.0.lock().unwrap() = clock.now().plus(UNHEARD);
        let seen = watch.look(&id, &folder).await.unwrap();
        assert_eq!((seen.phase, seen.ready), (Phase::Unknown, false), "{seen:?}");
        assert!(seen.message.contains("/nonexistent/tow"), "{seen:?}");
        // Heard of again, and then not any more: the time begins anew. Of what died nothing is taken to be well.
        watch.answered(&id);
        assert!(watch.look(&id, &folder).await.unwrap().ready);
        state.process = Some(Process { started: own.started + 1, ..process });
        state::write(&folder, &state, false).unwrap();
        let seen = watch.look(&id, &folder).await.unwrap();
        assert_eq!((seen.phase, seen.ready), (Phase::Unknown, false), "{seen:?}");
    }
}
