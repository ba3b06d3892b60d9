//! The gateway's state: the table it serves, the listeners of its routes, and the one way by which both change.

use crate::access::AccessLog;
use crate::certificates::Certificates;
use crate::change::Change;
use crate::door::{self, Door};
use crate::keep::{Keep, Kept};
use crate::ports::Ports;
use crate::room::Room;
use crate::table::{Entrance, Served, Table};
use crate::target::Targets;
use crate::wait::{Routes, Waits};
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tow_names::{Id, Network};
use tow_record::{ObservedEdge, Route, RouteAck, RouteSet};

/// At start ports may still be held by a gateway that is being replaced: how long that is waited for, in all.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at such a port.
const LOOK: Duration = Duration::from_millis(25);

/// A table of fewer routes is kept whole each time.
const FEW: usize = 64;

/// Why a set was not taken. Travels over the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "refusal", rename_all = "kebab-case")]
pub(crate) enum Refusal {
    /// A set of a higher epoch was taken before.
    Fenced { given: i64, seen: i64 },
    /// It can't be served, now or later.
    Refused { message: String },
    /// It could not be kept safe; what was served goes on.
    Unavailable { message: String },
    /// It changes another table than the one that is served, or one of another start: the whole is needed.
    Elsewhere,
}

/// How a gateway is to behave, from its command line.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// How long a request may wait for a first instance.
    pub(crate) hold: Duration,
    /// Proxies that are believed what they say of their clients.
    pub(crate) trusted: Vec<Network>,
    /// So many descriptors may be open.
    pub(crate) descriptors: usize,
    /// So many connections of clients may be open, and no more than descriptors allow.
    pub(crate) connections: usize,
    /// How long a connection is kept for its next request.
    pub(crate) kept: Duration,
    /// How long a client may take nothing of its answer, though more of it is there.
    pub(crate) stuck: Duration,
}

/// Everything that connections, listeners and the control socket share.
pub(crate) struct Gateway {
    table: ArcSwap<Table>,
    targets: Targets,
    pub(crate) routes: Routes,
    /// Grows with each table.
    switched: watch::Sender<u64>,
    pub(crate) manner: Manner,
    keep: Keep,
    boot: String,
    /// The ports of routes. Held while a set is applied: one at a time.
    doors: Mutex<BTreeMap<u16, Door>>,
    /// Connections and tunnels.
    pub(crate) tasks: TaskTracker,
    /// For connections.
    pub(crate) room: Room,
    pub(crate) log: Arc<AccessLog>,
    /// What is shown to those who come by HTTPS.
    pub(crate) certificates: Arc<Certificates>,
    /// The port at which all hosts are served by TLS, where there is one.
    pub(crate) secure: OnceLock<u16>,
    /// Where the listeners of ports come from.
    listeners: Ports,
    /// Cancelled when the gateway is to end.
    pub(crate) closing: CancellationToken,
}

impl Gateway {
    /// Starts with what the folder keeps; ports are opened later. The second: what people should be told about that.
    pub(crate) async fn load(
        dir: &Path,
        manner: Manner,
        listeners: Ports,
    ) -> (Arc<Self>, Vec<String>) {
        let (certificates, mut notes) = Certificates::load(dir);
        let gateway = Arc::new(Self {
            table: ArcSwap::default(),
            targets: Targets::default(),
            routes: Routes::default(),
            switched: watch::Sender::new(0),
            room: Room::new(manner.descriptors, manner.connections),
            manner,
            keep: Keep::new(dir),
            boot: Id::fresh("boot").to_string(),
            doors: Mutex::default(),
            tasks: TaskTracker::new(),
            log: Arc::new(AccessLog::new(dir)),
            certificates: Arc::new(certificates),
            secure: OnceLock::new(),
            listeners,
            closing: CancellationToken::new(),
        });
        let (kept, more) = gateway.keep.load();
        notes.extend(more);
        let Kept { set, ports: mut known } = kept;
        let ids: HashSet<&str> = set.routes.iter().map(|route| route.id.as_str()).collect();
        known.retain(|id, _| ids.contains(id.as_str()));
        let change = Change {
            base: (0, 0),
            epoch: set.epoch,
            revision: set.revision,
            put: set.routes,
            drop: Vec::new(),
        };
        let table = Table::check(&change).and_then(|()| {
            Table::default().with(&change, known, &gateway.targets, &gateway.routes)
        });
        match table {
            Ok(table) => gateway.switch(&Arc::new(table)),
            Err(message) => notes.push(format!("the kept table can't be served: {message}")),
        }
        (gateway, notes)
    }

    /// Opens the ports of the routes that were kept, once and before another table comes. By itself, because there may be
    /// thousands and some may be taken: who is served without them is served before.
    pub(crate) async fn open_ports(self: &Arc<Self>) {
        let mut doors = self.doors.lock().await;
        let table = self.table();
        let change = Change {
            base: (table.epoch, table.revision),
            epoch: table.epoch,
            revision: table.revision,
            put: table.routes().cloned().collect(),
            drop: Vec::new(),
        };
        let until = Instant::now() + PATIENCE;
        let (ports, bound) = self.ports(&change, &table.ports, &doors, until).await;
        let next = if ports == *table.ports {
            Ok(table)
        } else {
            table.with(&change, ports, &self.targets, &self.routes).map(Arc::new)
        };
        match next {
            Ok(next) => self.serve(next, bound, &mut doors),
            Err(message) => tracing::warn!(message, "the ports of routes can't be served"),
        }
        self.listeners.close_rest();
    }

    /// The table of this moment.
    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// See `tow_ports::Edge::apply`.
    pub(crate) async fn apply(self: &Arc<Self>, set: RouteSet) -> Result<RouteAck, Refusal> {
        let mut doors = self.doors.lock().await;
        let current = self.table();
        let ids = current.routes().map(|route| route.id.as_str());
        let base = (current.epoch, current.revision);
        let change = Change::between(base, ids, |id| current.route(id), &set);
        drop(set);
        self.take(&current, change, &mut doors).await?;
        let table = self.table();
        Ok(RouteAck { revision: table.revision, ports: (*table.ports).clone() })
    }

    /// The same by what differs from what is served. `boot`: whose ports the asker knows. Acknowledges the ports of the
    /// routes that were put.
    pub(crate) async fn change(
        self: &Arc<Self>,
        boot: &str,
        change: Change,
    ) -> Result<RouteAck, Refusal> {
        let mut doors = self.doors.lock().await;
        let current = self.table();
        let served = (current.epoch, current.revision);
        let again = served == change.mark()
            && change.put.iter().all(|route| current.route(&route.id) == Some(route))
            && change.drop.iter().all(|id| current.route(id).is_none());
        if boot != self.boot || !(again || served == change.base) {
            return Err(Refusal::Elsewhere);
        }
        let put: Vec<String> = change.put.iter().map(|route| route.id.clone()).collect();
        if !again {
            self.take(&current, change, &mut doors).await?;
        }
        let table = self.table();
        let ports = put.into_iter().filter_map(|id| table.ports.get(&id).map(|port| (id, *port)));
        Ok(RouteAck { revision: table.revision, ports: ports.collect() })
    }

    /// Takes a change of the current table, or says why not.
    async fn take(
        self: &Arc<Self>,
        current: &Arc<Table>,
        change: Change,
        doors: &mut BTreeMap<u16, Door>,
    ) -> Result<(), Refusal> {
        if change.epoch < current.epoch {
            return Err(Refusal::Fenced { given: change.epoch, seen: current.epoch });
        }
        if change.epoch == current.epoch {
            if change.revision < current.revision {
                return Err(Refusal::Refused {
                    message: format!(
                        "revision {} is behind {}, which is served",
                        change.revision, current.revision
                    ),
                });
            }
            if change.revision == current.revision {
                if change.size() == 0 {
                    return Ok(());
                }
                // An acknowledgement would be taken for a switch that never was.
                return Err(Refusal::Refused {
                    message: format!("revision {} is served with another table", change.revision),
                });
            }
        }
        Table::check(&change).map_err(|message| Refusal::Refused { message })?;
        let (ports, bound) = self.ports(&change, &current.ports, doors, Instant::now()).await;
        let table = current
            .with(&change, ports, &self.targets, &self.routes)
            .map_err(|message| Refusal::Refused { message })?;
        let table = Arc::new(table);
        let (keep, next) = (self.keep.clone(), table.clone());
        let written = tokio::task::spawn_blocking(move || kept(&keep, &change, &next)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.forget(current);
                return Err(unkept(&error.to_string()));
            }
            Err(error) => {
                self.forget(current);
                return Err(unkept(&error.to_string()));
            }
        }
        self.serve(table, bound, doors);
        if self.keep.due() {
            let gateway = self.clone();
            tokio::spawn(async move { gateway.compact().await });
        }
        Ok(())
    }

    /// Serves what another gateway keeps, to those who are here already: neither ports nor files are ours any more.
    pub(crate) async fn adopt(&self, kept: Kept) {
        let _doors = self.doors.lock().await;
        let current = self.table();
        let Kept { set, ports } = kept;
        if (set.epoch, set.revision) <= (current.epoch, current.revision) {
            return;
        }
        let ids = current.routes().map(|route| route.id.as_str());
        let base = (current.epoch, current.revision);
        let change = Change::between(base, ids, |id| current.route(id), &set);
        let table = Table::check(&change)
            .and_then(|()| current.with(&change, ports, &self.targets, &self.routes));
        match table {
            Ok(table) => self.switch(&Arc::new(table)),
            Err(message) => tracing::warn!(message, "the successor's table can't be served"),
        }
    }

    /// What was made ready for a table that is not served is retired again.
    fn forget(&self, current: &Table) {
        let targets = current.targets();
        self.targets.retire_others(|target| targets.contains(&std::ptr::from_ref(target)));
    }

    /// Keeps all that is served in one piece, in place of many changes.
    async fn compact(self: Arc<Self>) {
        let _doors = self.doors.lock().await;
        if !self.keep.due() {
            return;
        }
        let (keep, table) = (self.keep.clone(), self.table());
        let written = tokio::task::spawn_blocking(move || keep.store(&whole(&table))).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "the route table could not be kept in one piece");
        }
    }

    /// The switch, and the doors that it opens and closes.
    fn serve(
        self: &Arc<Self>,
        table: impl Into<Arc<Table>>,
        bound: BTreeMap<u16, TcpListener>,
        doors: &mut BTreeMap<u16, Door>,
    ) {
        let table = table.into();
        // Those that are closed below go on for a moment: room is made first.
        self.room.fit(doors.len() + bound.len());
        self.switch(&table);
        // Only now: nobody comes in at a port before the table knows it.
        for (port, listener) in bound {
            doors.insert(port, door::open(self, listener, Entrance::Port(port)));
        }
        let wanted: HashSet<u16> = table.ports.values().copied().collect();
        doors.retain(|port, _| {
            let is_wanted = wanted.contains(port);
            if !is_wanted {
                self.listeners.forget(*port);
            }
            is_wanted
        });
        self.room.fit(doors.len());
    }

    /// Whoever looks from here on looks at this table.
    fn switch(&self, table: &Arc<Table>) {
        self.table.store(table.clone());
        self.forget(table);
        self.targets.sweep();
        self.routes.keep(|id| table.route(id).is_some());
        self.switched.send_modify(|switched| *switched += 1);
    }

    /// The port of each route after a change, and the listeners that must be opened for that. A route keeps its port;
    /// one that asks for a taken port gets another, which the acknowledgement tells.
    async fn ports(
        &self,
        change: &Change,
        known: &BTreeMap<String, u16>,
        doors: &BTreeMap<u16, Door>,
        patience: Instant,
    ) -> (BTreeMap<String, u16>, BTreeMap<u16, TcpListener>) {
        let table = self.table();
        let mut ports = known.clone();
        let mut picked: HashSet<u16> = HashSet::new();
        for route in &change.put {
            // Ports that were picked for a route are that route's alone.
            picked.extend(ports.remove(&route.id).filter(|port| *port != route.port));
        }
        for id in &change.drop {
            ports.remove(id);
        }
        let mut used: HashSet<u16> = ports.values().copied().collect();
        // Ports that routes asked for by number: several routes may share one, told apart by path.
        let mut asked: HashSet<u16> = HashSet::new();
        for (id, port) in &ports {
            match table.route(id).map(|route| route.port) {
                Some(wanted) if wanted == *port => asked.insert(*port),
                _ => picked.insert(*port),
            };
        }
        let mut bound: BTreeMap<u16, TcpListener> = BTreeMap::new();
        let (numbered, free): (Vec<_>, Vec<_>) =
            change.put.iter().partition(|route| route.port != 0);
        for route in numbered.into_iter().chain(free) {
            let mut choices = Vec::new();
            if route.port != 0 && !picked.contains(&route.port) {
                choices.push(route.port);
            }
            choices.extend(known.get(&route.id).copied().filter(|port| *port != route.port));
            choices.push(0);
            for choice in choices {
                let shared = choice == route.port && asked.contains(&choice);
                let taken = used.contains(&choice);
                let port = if choice != 0 && (shared || (doors.contains_key(&choice) && !taken)) {
                    choice
                } else if choice != 0 && taken {
                    continue;
                } else {
                    let wait = (known.get(&route.id) == Some(&choice)).then_some(patience);
                    match listen(&self.listeners, choice, wait).await {
                        Ok((port, listener)) => {
                            bound.insert(port, listener);
                            port
                        }
                        Err(error) => {
                            tracing::warn!(route = route.id, port = choice, %error, "cannot listen");
                            continue;
                        }
                    }
                };
                ports.insert(route.id.clone(), port);
                used.insert(port);
                if choice == route.port && choice != 0 {
                    asked.insert(choice);
                }
                break;
            }
        }
        (ports, bound)
    }

    /// See `tow_ports::Edge::observe`.
    pub(crate) fn observe(&self) -> ObservedEdge {
        let table = self.table();
        self.targets.sweep();
        ObservedEdge {
            reachable: true,
            epoch: table.epoch,
            revision: table.revision,
            targets: self.targets.counters(),
            routes: self.routes.counters(),
            ports: (*table.ports).clone(),
            boot: self.boot.clone(),
            certificates: self.certificates.version(),
        }
    }

    /// This start of the gateway.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Waits until another table than this one is served, as one of those that wait; false: it took too long. `waits`
    /// goes on over several tables.
    pub(crate) async fn hold(&self, table: &Arc<Table>, waits: &Held) -> bool {
        let mut news = self.switched.subscribe();
        // Subscribed first: a table that came before is seen here, one that comes later is told of.
        if !Arc::ptr_eq(&self.table(), table) {
            return true;
        }
        tokio::time::timeout_at(waits.until, news.changed()).await.is_ok()
    }

    /// Begins to wait for a first instance, or goes on with it; none where as many wait as may.
    pub(crate) fn begin_hold<'a>(
        &self,
        held: &'a mut Option<Held>,
        served: &Served,
    ) -> Option<&'a Held> {
        self.begin(held, served, false, self.manner.hold)
    }

    /// Begins to wait until the route serves again, or goes on with it; none where as many wait as may.
    pub(crate) fn begin_pause<'a>(
        &self,
        held: &'a mut Option<Held>,
        served: &Served,
        limit: Duration,
    ) -> Option<&'a Held> {
        self.begin(held, served, true, limit)
    }

    /// Who waited for something else until now begins anew: with another deadline, and counted elsewhere.
    fn begin<'a>(
        &self,
        held: &'a mut Option<Held>,
        served: &Served,
        paused: bool,
        within: Duration,
    ) -> Option<&'a Held> {
        if held.as_ref().is_none_or(|held| !held.waits.is_for(&served.counts, paused)) {
            *held = None;
            let waits = self.routes.wait(&served.counts, paused)?;
            *held = Some(Held { until: Instant::now() + within, waits });
        }
        held.as_ref()
    }

    /// Closes what was idle for long. To be called now and then.
    pub(crate) fn sweep(&self) {
        self.targets.sweep();
        // Where a table is on its way, it says so itself.
        if let Ok(doors) = self.doors.try_lock() {
            self.room.fit(doors.len());
        }
    }
}

/// A request that waits, and until when.
pub(crate) struct Held {
    until: Instant,
    waits: Waits,
}

/// Keeps a change, by itself or with all else, whichever is less. The new table is not served before that.
fn kept(keep: &Keep, change: &Change, next: &Table) -> std::io::Result<()> {
    let few = next.routes().len() >= FEW && change.size() * 4 <= next.routes().len();
    let own = |route: &Route| Some((route.id.clone(), *next.ports.get(&route.id)?));
    if few && keep.append(change, change.put.iter().filter_map(own).collect())? {
        return Ok(());
    }
    keep.store(&whole(next))
}

fn whole(table: &Table) -> Kept {
    Kept { set: table.set(), ports: (*table.ports).clone() }
}

fn unkept(error: &str) -> Refusal {
    Refusal::Unavailable {
        message: format!("the route table could not be kept ({error}); the one before is served"),
    }
}

async fn listen(
    listeners: &Ports,
    port: u16,
    until: Option<Instant>,
) -> std::io::Result<(u16, TcpListener)> {
    loop {
        match listeners.listen(port) {
            Ok(listener) => return Ok((listener.local_addr()?.port(), listener)),
            Err(error)
                if port == 0
                    || error.kind() != std::io::ErrorKind::AddrInUse
                    || until.is_none_or(|until| Instant::now() >= until) =>
            {
                return Err(error);
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
