//! The gateway's state: the table it serves, the listeners of its routes, and the one way by which both change.

use crate::door::{self, Door};
use crate::keep::{Keep, Kept};
use crate::table::{Entrance, Served, Table};
use crate::target::Targets;
use crate::wait::{Routes, Waits};
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tow_names::Id;
use tow_record::{ObservedEdge, RouteAck, RouteSet};

/// At start ports may still be held by a gateway that is being replaced: how long that is waited for, in all.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at such a port.
const LOOK: Duration = Duration::from_millis(25);

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
}

/// Everything that connections, listeners and the control socket share.
pub(crate) struct Gateway {
    table: ArcSwap<Table>,
    targets: Targets,
    pub(crate) routes: Routes,
    /// Grows with each table.
    switched: watch::Sender<u64>,
    /// How long a request may wait for a first instance.
    hold: Duration,
    keep: Keep,
    boot: String,
    /// The ports of routes. Held while a set is applied: one at a time.
    doors: Mutex<BTreeMap<u16, Door>>,
    /// Connections and tunnels.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the gateway is to end.
    pub(crate) closing: CancellationToken,
}

impl Gateway {
    /// Starts with what the folder keeps. The second: what people should be told about that.
    pub(crate) async fn load(dir: &Path, hold: Duration) -> (Arc<Self>, Vec<String>) {
        let gateway = Arc::new(Self {
            table: ArcSwap::default(),
            targets: Targets::default(),
            routes: Routes::default(),
            switched: watch::Sender::new(0),
            hold,
            keep: Keep::new(dir),
            boot: Id::fresh("boot").to_string(),
            doors: Mutex::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        let (kept, mut notes) = gateway.keep.load();
        let mut doors = gateway.doors.lock().await;
        let (ports, bound) =
            gateway.ports(&kept.set, &kept.ports, &doors, Instant::now() + PATIENCE).await;
        match Table::new(&kept.set, ports, &gateway.targets, &gateway.routes) {
            Ok(table) => gateway.serve(table, bound, &mut doors),
            Err(message) => notes.push(format!("the kept table can't be served: {message}")),
        }
        drop(doors);
        (gateway, notes)
    }

    /// The table of this moment.
    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// See `tow_ports::Edge::apply`.
    pub(crate) async fn apply(self: &Arc<Self>, set: RouteSet) -> Result<RouteAck, Refusal> {
        let mut doors = self.doors.lock().await;
        let current = self.table();
        if set.epoch < current.set.epoch {
            return Err(Refusal::Fenced { given: set.epoch, seen: current.set.epoch });
        }
        if set.epoch == current.set.epoch {
            if set.revision < current.set.revision {
                return Err(Refusal::Refused {
                    message: format!(
                        "revision {} is behind {}, which is served",
                        set.revision, current.set.revision
                    ),
                });
            }
            if set.revision == current.set.revision {
                if set == current.set {
                    return Ok(ack(&current));
                }
                // An acknowledgement would be taken for a switch that never was.
                return Err(Refusal::Refused {
                    message: format!("revision {} is served with another table", set.revision),
                });
            }
        }
        Table::check(&set).map_err(|message| Refusal::Refused { message })?;
        let (ports, bound) = self.ports(&set, &current.ports, &doors, Instant::now()).await;
        let kept = Kept { set, ports: ports.clone() };
        let keep = self.keep.clone();
        let written = tokio::task::spawn_blocking(move || keep.store(&kept).map(|()| kept)).await;
        let kept = match written {
            Ok(Ok(kept)) => kept,
            Ok(Err(error)) => return Err(unkept(&error.to_string())),
            Err(error) => return Err(unkept(&error.to_string())),
        };
        let table = Table::new(&kept.set, ports, &self.targets, &self.routes)
            .map_err(|message| Refusal::Refused { message })?;
        self.serve(table, bound, &mut doors);
        Ok(ack(&self.table()))
    }

    /// The switch.
    fn serve(
        self: &Arc<Self>,
        table: Table,
        bound: BTreeMap<u16, TcpListener>,
        doors: &mut BTreeMap<u16, Door>,
    ) {
        let table = Arc::new(table);
        self.table.store(table.clone());
        self.targets.retire_others(|target| {
            table.targets().iter().any(|served| std::ptr::eq(served.as_ref(), target))
        });
        self.targets.sweep();
        let served: BTreeSet<&str> = table.set.routes.iter().map(|r| r.id.as_str()).collect();
        self.routes.keep(|id| served.contains(id));
        self.switched.send_modify(|switched| *switched += 1);
        // Only now: nobody comes in at a port before the table knows it.
        for (port, listener) in bound {
            doors.insert(port, door::open(self, listener, Entrance::Port(port)));
        }
        let wanted: BTreeSet<u16> = table.ports.values().copied().collect();
        doors.retain(|port, _| wanted.contains(port));
    }

    /// The port of each route, and the listeners that must be opened for that. A route keeps its port; one that asks
    /// for a taken port gets another, which the acknowledgement tells.
    async fn ports(
        &self,
        set: &RouteSet,
        known: &BTreeMap<String, u16>,
        doors: &BTreeMap<u16, Door>,
        patience: Instant,
    ) -> (BTreeMap<String, u16>, BTreeMap<u16, TcpListener>) {
        let mut ports: BTreeMap<String, u16> = BTreeMap::new();
        let mut bound: BTreeMap<u16, TcpListener> = BTreeMap::new();
        // Ports that routes asked for by number: several routes may share one, told apart by path.
        let mut asked: BTreeSet<u16> = BTreeSet::new();
        // Ports that were picked for a route are that route's alone.
        let picked: BTreeSet<u16> = set
            .routes
            .iter()
            .filter_map(|route| known.get(&route.id).filter(|port| **port != route.port).copied())
            .collect();
        let (numbered, free): (Vec<_>, Vec<_>) =
            set.routes.iter().partition(|route| route.port != 0);
        for route in numbered.into_iter().chain(free) {
            let mut choices = Vec::new();
            if route.port != 0 && !picked.contains(&route.port) {
                choices.push(route.port);
            }
            choices.extend(known.get(&route.id).copied().filter(|port| *port != route.port));
            choices.push(0);
            for choice in choices {
                let shared = choice == route.port && asked.contains(&choice);
                let used = ports.values().any(|port| *port == choice);
                if choice != 0 && (shared || (doors.contains_key(&choice) && !used)) {
                    ports.insert(route.id.clone(), choice);
                } else if choice != 0 && used {
                    continue;
                } else {
                    let wait = (known.get(&route.id) == Some(&choice)).then_some(patience);
                    match listen(choice, wait).await {
                        Ok((port, listener)) => {
                            bound.insert(port, listener);
                            ports.insert(route.id.clone(), port);
                        }
                        Err(error) => {
                            tracing::warn!(route = route.id, port = choice, %error, "cannot listen");
                            continue;
                        }
                    }
                }
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
            epoch: table.set.epoch,
            revision: table.set.revision,
            targets: self.targets.counters(),
            routes: self.routes.counters(),
            ports: table.ports.clone(),
            boot: self.boot.clone(),
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

    /// Begins to wait; none where as many wait as may.
    pub(crate) fn begin_hold(&self, served: &Served) -> Option<Held> {
        let waits = self.routes.wait(&served.counts)?;
        Some(Held { until: Instant::now() + self.hold, _waits: waits })
    }

    /// Closes what was idle for long. To be called now and then.
    pub(crate) fn sweep(&self) {
        self.targets.sweep();
    }
}

/// A request that waits, and until when.
pub(crate) struct Held {
    until: Instant,
    _waits: Waits,
}

fn ack(table: &Table) -> RouteAck {
    RouteAck { revision: table.set.revision, ports: table.ports.clone() }
}

fn unkept(error: &str) -> Refusal {
    Refusal::Unavailable {
        message: format!("the route table could not be kept ({error}); the one before is served"),
    }
}

async fn listen(port: u16, until: Option<Instant>) -> std::io::Result<(u16, TcpListener)> {
    loop {
        match door::bind(port) {
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
