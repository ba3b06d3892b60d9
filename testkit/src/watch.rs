//! Stands at every crossing: counts them, keeps an image of what a death there would leave, dies at one on request,
//! and holds the platform to what must be true at every moment.

use crate::Image;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tow_fake::{FakeClock, World};
use tow_names::{Id, Timestamp};
use tow_ports::{Clock as _, Crossings, When};
use tow_record::{Instance, Operation, Phase, Placement};
use tow_store::{Find, Store};

/// What a watch does besides looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Keeps an image of each crossing.
    Record,
    /// Never returns from this crossing, counted from 1.
    DieAt(usize),
    /// The port whose effect begins at this crossing answers that nobody knows: it did not act, or it did.
    FailAt(usize, When),
}

/// Told of each crossing.
pub struct Watch {
    fault: Fault,
    state: Mutex<State>,
    died: Notify,
}

#[derive(Default)]
struct State {
    crossed: usize,
    body: Option<Body>,
    store: Option<Store>,
    seen: Option<(u64, u64, Timestamp)>,
    images: Vec<Image>,
    broken: Vec<String>,
    /// Places with a route that was seen to lead to somebody.
    served: BTreeSet<String>,
    /// Instances a test broke: that they are routed to until somebody looks is nobody's fault.
    excused: BTreeSet<String>,
}

#[derive(Clone)]
struct Body {
    dir: PathBuf,
    world: Arc<World>,
    clock: Arc<FakeClock>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl Watch {
    /// That does this.
    pub fn new(fault: Fault) -> Arc<Self> {
        Arc::new(Self { fault, state: Mutex::default(), died: Notify::new() })
    }

    /// Whom it watches.
    pub(crate) fn body(&self, dir: PathBuf, world: Arc<World>, clock: Arc<FakeClock>) {
        self.state().body = Some(Body { dir, world, clock });
    }

    /// From here on it looks into the store too.
    pub(crate) fn eyes(&self, store: Store) {
        self.state().store = Some(store);
    }

    /// It looks no more, and holds nothing: the store that it looks into holds it.
    pub(crate) fn rest(&self) {
        let (body, store) = {
            let mut state = self.state();
            (state.body.take(), state.store.take())
        };
        drop((body, store));
    }

    /// How many crossings there were.
    pub fn crossed(&self) -> usize {
        self.state().crossed
    }

    /// Everything that was seen not to hold.
    pub fn broken(&self) -> Vec<String> {
        self.state().broken.clone()
    }

    /// The images kept so far; they are given away.
    pub fn images(&self) -> Vec<Image> {
        std::mem::take(&mut self.state().images)
    }

    /// A test breaks this instance: that it is routed to until somebody looks is nobody's fault.
    pub fn excuse(&self, instance: &Id) {
        self.state().excused.insert(instance.to_string());
    }

    /// Returns once the crossing to die at is reached.
    pub async fn died(&self) {
        self.died.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, at: &str) {
        let (body, store) = {
            let state = self.state();
            match (&state.body, &state.store) {
                (Some(body), Some(store)) => (body.clone(), store.clone()),
                _ => return,
            }
        };
        // Nothing was done and no time has passed since the last look: it would see the same.
        let moment = (*store.commits().borrow(), *body.world.touched().borrow(), body.clock.now());
        if self.state().seen.replace(moment) == Some(moment) {
            return;
        }
        let open = Find { open: Some(true), ..Find::default() };
        let read = async {
            Ok::<_, tow_store::StoreError>((
                store.list::<Instance>(Find::default()).await?,
                store.list::<Operation>(open).await?,
                store.list::<Placement>(Find::default()).await?,
            ))
        };
        let (rows, operations, placements) = match read.await {
            Ok(read) => read,
            Err(error) => return self.say(at, &format!("the store is not readable: {error}")),
        };
        let seen = body.world.instances();
        let rows: BTreeSet<&str> = rows.iter().map(|row| row.value.id.as_str()).collect();
        for process in seen.iter().filter(|seen| seen.id.as_str().starts_with("i-")) {
            if !rows.contains(process.id.as_str()) {
                self.say(at, &format!("process {} has no row", process.id));
            }
        }
        let ready: BTreeSet<&str> =
            seen.iter().filter(|seen| seen.ready).map(|seen| seen.id.as_str()).collect();
        // What a machine's end took is nobody's fault either: it must only be seen, and is.
        let lost = seen.iter().filter(|seen| seen.phase == Phase::Lost);
        let mut excused: BTreeSet<String> = lost.map(|seen| seen.id.to_string()).collect();
        excused.extend(self.state().excused.iter().cloned());
        let mut leads: BTreeMap<String, bool> = BTreeMap::new();
        for route in body.world.routes().routes {
            let place = route.id.split('/').take(2).collect::<Vec<_>>().join("/");
            if route.wakes && route.targets.is_empty() {
                // Whoever asks waits, and is answered once somebody is awake.
                self.state().served.remove(&place);
            }
            for target in &route.targets {
                let is_ready = ready.contains(target.instance.as_str());
                *leads.entry(place.clone()).or_default() |= is_ready;
                if is_ready {
                    continue;
                }
                if excused.contains(&target.instance) {
                    self.state().served.remove(&place);
                } else {
                    self.say(at, &format!("{} leads to {}, not ready", route.id, target.instance));
                }
            }
        }
        let mut places = BTreeSet::new();
        for operation in &operations {
            if !places.insert(operation.value.place.to_string()) {
                self.say(at, &format!("two operations at {}", operation.value.place));
            }
        }
        for placement in placements.iter().map(|row| &row.value) {
            let place = placement.place.to_string();
            let leads = leads.get(&place).copied().unwrap_or(false);
            let served = {
                let mut state = self.state();
                if placement.stopped {
                    state.served.remove(&place);
                } else if leads {
                    state.served.insert(place.clone());
                }
                state.served.contains(&place)
            };
            if served && !leads {
                self.say(at, &format!("{place} is live and was served; now nobody answers"));
            }
        }
        for (id, count) in body.world.started_again() {
            self.say(at, &format!("{id} was started {count} times"));
        }
    }

    fn say(&self, at: &str, what: &str) {
        self.state().broken.push(format!("{at}: {what}"));
    }
}

#[async_trait::async_trait]
impl Crossings for Watch {
    async fn cross(&self, point: &'static str, when: When) {
        let (count, body) = {
            let mut state = self.state();
            state.crossed += 1;
            (state.crossed, state.body.clone())
        };
        let at = format!("{point} {when:?}");
        self.look(&format!("crossing {count}, {at}")).await;
        let here = matches!(self.fault, Fault::Record) || self.fault == Fault::DieAt(count);
        if let (true, Some(body)) = (here, &body) {
            let image = Image::of(&body.dir, &body.world, &body.clock, (count, at));
            self.state().images.push(image);
        }
        if let (Fault::FailAt(k, side), Some(body)) = (self.fault, &body)
            && k == count
        {
            body.world.fail_next(point, side);
        }
        if self.fault == Fault::DieAt(count) {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
    }
}
