//! The second lane: slow chores beside the rollouts, so that nothing slow ever holds one.
//!
//! A chore is a controller like any other: it takes no input, keeps no memory, does a bounded piece of work a look and
//! commits under the same lease's fence. In the running platform all chores are one task beside that of the rollouts,
//! and each has a loop of its own in it, with its own wake and timer: a chore that waits for somebody holds neither a
//! rollout nor another chore. [`CHORES`] is the list; a line there adds one. Decides nothing.

use crate::driver::{BREATH, IDLE, RETRY, ReconcileError, Reconciler, Ticked};
use futures::future::{BoxFuture, try_join_all};
use tokio::sync::watch;
use tow_store::Wrote;

/// What is worth a look.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "a lane offers both; which ones are used is for the chores to say")]
pub(crate) enum Wake {
    /// Every commit that wrote what it wants, at most ten times a second, and the time the chore named.
    On(fn(&Wrote) -> bool),
    /// Only the time it named.
    Timer,
}

/// One slow controller.
pub(crate) struct Chore {
    /// Its name in the log; the name of its file.
    pub(crate) name: &'static str,
    /// When it looks.
    pub(crate) wake: Wake,
    /// One bounded look. Dropped at any await when the platform stops, so safe to be broken off there.
    pub(crate) look: Look,
}

type Look = for<'a> fn(&'a Reconciler) -> BoxFuture<'a, Result<Ticked, ReconcileError>>;

/// Every chore.
const CHORES: &[Chore] = &[
    Chore { name: "seal", wake: Wake::On(|wrote| wrote.events), look: |it| Box::pin(it.seal()) },
    Chore {
        name: "deliver",
        wake: Wake::On(|wrote| wrote.events),
        look: |it| Box::pin(it.deliver()),
    },
    Chore {
        name: "location",
        wake: Wake::On(|wrote| wrote.objects || wrote.record("location-ask")),
        look: |it| Box::pin(it.locations()),
    },
    Chore {
        name: "build",
        wake: Wake::On(|wrote| wrote.record("build") || wrote.record("discarded")),
        look: |it| Box::pin(it.builds()),
    },
    Chore {
        name: "certificate",
        wake: Wake::On(|wrote| {
            ["authority", "certificate", "acme-order", "route-set"].iter().any(|k| wrote.record(k))
        }),
        look: |it| Box::pin(it.certificates()),
    },
    Chore { name: "run", wake: Wake::Timer, look: |it| Box::pin(it.forget_runs()) },
];

impl Reconciler {
    /// Nothing to do until the usual time.
    pub(crate) fn idle(&self) -> Ticked {
        Ticked { progressed: false, until: self.now().plus(IDLE) }
    }

    /// One look of every chore, one after the other: for whoever moves the platform by hand.
    pub(crate) async fn chores(&self) -> Result<Ticked, ReconcileError> {
        let mut all = self.idle();
        for chore in CHORES {
            all = all.and(self.look(chore).await?);
        }
        Ok(all)
    }

    /// Every chore in a loop of its own, until told to stop or until one finds the lease lost.
    pub(crate) async fn run_chores(
        &self,
        stop: watch::Receiver<bool>,
    ) -> Result<(), ReconcileError> {
        try_join_all(CHORES.iter().map(|chore| self.repeat(chore, stop.clone()))).await?;
        Ok(())
    }

    /// Only the loss of the lease is an error here; all else is tried again.
    async fn look(&self, chore: &Chore) -> Result<Ticked, ReconcileError> {
        match (chore.look)(self).await {
            Ok(ticked) => Ok(ticked),
            Err(lost @ ReconcileError::Lost(_)) => Err(lost),
            Err(error) => {
                match &error {
                    ReconcileError::Moved(what) => tracing::debug!(chore = chore.name, what),
                    _ => tracing::warn!(chore = chore.name, %error, "is tried again"),
                }
                Ok(Ticked { progressed: false, until: self.now().plus(RETRY) })
            }
        }
    }

    async fn repeat(
        &self,
        chore: &Chore,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), ReconcileError> {
        let wanted: fn(&Wrote) -> bool = match chore.wake {
            Wake::On(wanted) => wanted,
            Wake::Timer => |_| false,
        };
        let mut news = self.parts.store.wake(wanted);
        while !*stop.borrow() {
            news.mark_unchanged();
            let ticked = tokio::select! {
                ticked = self.look(chore) => ticked?,
                _ = stop.changed() => return Ok(()),
            };
            if ticked.progressed {
                // Others are polled in the same task.
                tokio::task::yield_now().await;
                continue;
            }
            // However many commits there are, a chore is not asked at each.
            let rested = self.now().plus(BREATH);
            tokio::select! {
                () = async {
                    self.parts.clock.sleep_until(rested).await;
                    tokio::select! {
                        () = news.changed() => {}
                        () = self.parts.clock.sleep_until(ticked.until) => {}
                    }
                } => {}
                _ = stop.changed() => return Ok(()),
            }
        }
        Ok(())
    }
}
