//! What joins a sandbox's own network to the machine's loopback, in the sandbox's first process: sockets that were made
//! in the machine's network accept, and lead to the program's ports inside; and what the machine has on ports that the
//! configuration names is found at the same ports inside. Carries bytes, knows nothing of them.

use super::network::{MACHINE, leads_out};
use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connections at once, each way; more wait to be accepted.
const MOST: u32 = 2048;
/// Descriptors that are left for all else.
const ELSE: u64 = 64;
/// What is carried at a time.
const CHUNK: usize = 16 * 1024;
/// How long the way out may take until it is there.
const MADE: Duration = Duration::from_secs(10);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(5);
/// How long what the program said last may take to arrive.
const LAST: Duration = Duration::from_secs(3);
/// How often a service of the machine that is not there is asked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long such a service may take to accept.
const ACCEPTS: Duration = Duration::from_millis(500);

/// What is to be joined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Joined {
    /// Ports that the program listens on, in the order of the sockets that lead there.
    pub(crate) ports: Vec<u16>,
    /// Ports of the machine's loopback that are to be found at the program's own.
    pub(crate) loopback: Vec<u16>,
}

/// Carries until it is dropped.
pub(super) struct Relay {
    room: Arc<Semaphore>,
    most: u32,
    accepting: JoinSet<()>,
    ended: watch::Sender<bool>,
    /// Its end ends the way out.
    _holds: OwnedFd,
}

impl Relay {
    /// Waits for the way out, and begins. `given`: what keeps the way out, then the sockets, as [`Joined::ports`] has
    /// them.
    pub(super) async fn begin(joined: &Joined, mut given: Vec<OwnedFd>) -> Result<Self, String> {
        if given.len() != joined.ports.len() + 1 {
            return Err("its network was not given what it needs".into());
        }
        let sockets = given.split_off(1);
        let Some(holds) = given.pop() else { return Err("its network has no way out".into()) };
        let until = Instant::now() + MADE;
        while !leads_out("/proc/net/route") {
            if until <= Instant::now() {
                return Err("the way out of its network was not there in time".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        let most = room(false);
        let room = Arc::new(Semaphore::new(most as usize));
        let mut accepting = JoinSet::new();
        let (ended, ends) = watch::channel(false);
        for (socket, port) in sockets.into_iter().zip(&joined.ports) {
            let told = |err: io::Error| format!("port {port} of its network: {err}");
            let socket = std::net::TcpListener::from(socket);
            socket.set_nonblocking(true).map_err(told)?;
            let socket = TcpListener::from_std(socket).map_err(told)?;
            let inside = [
                SocketAddr::from((Ipv4Addr::LOCALHOST, *port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, *port)),
            ];
            let way = Way { to: inside.to_vec(), is_out: false, ends: ends.clone() };
            accepting.spawn(accept(socket, way, room.clone()));
        }
        // What is there already is there before the program is.
        let looks = joined.loopback.iter().map(|port| mirror(*port));
        let found = futures::future::join_all(looks).await;
        for (port, found) in joined.loopback.iter().zip(found) {
            let (port, room, ends) = (*port, room.clone(), ends.clone());
            accepting.spawn(async move {
                let mut found = found;
                let sockets = loop {
                    match found {
                        Mirror::Bound(sockets) => break sockets,
                        Mirror::Taken => return,
                        Mirror::Nobody => {}
                    }
                    tokio::time::sleep(AGAIN).await;
                    found = mirror(port).await;
                };
                let to = vec![SocketAddr::from((MACHINE, port))];
                let way = Way { to, is_out: true, ends };
                let all = sockets.into_iter().map(|one| accept(one, way.clone(), room.clone()));
                futures::future::join_all(all).await;
            });
        }
        Ok(Self { room, most, accepting, ended, _holds: holds })
    }

    /// Makes room for as many connections as can be had: the program, which was started with the limit as it was, keeps
    /// that.
    pub(super) fn widen(&mut self) {
        let most = room(true).max(self.most);
        self.room.add_permits((most - self.most) as usize);
        self.most = most;
    }

    /// Accepts no more, and lets what the program has already said arrive: with this network, which ends now, the kernel
    /// forgets it.
    pub(super) async fn finish(mut self) {
        self.accepting.shutdown().await;
        self.ended.send_replace(true);
        let arrive = async {
            let _ = self.room.acquire_many(self.most).await;
            while is_saying() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(LAST, arrive).await;
    }
}

/// Has anybody in this network said what has not arrived?
fn is_saying() -> bool {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        text.lines().skip(1).any(|line| {
            let mut fields = line.split_whitespace().skip(3);
            let (state, queues) = (fields.next(), fields.next().unwrap_or_default());
            // Not a listener, whose queues are others; nor one whose other end was never there.
            !matches!(state, Some("0A" | "02" | "03")) && !queues.starts_with("00000000:")
        })
    })
}

/// Where what is accepted leads.
#[derive(Clone)]
struct Way {
    /// In this order, until one accepts.
    to: Vec<SocketAddr>,
    /// The program is who is accepted, and not who is led to.
    is_out: bool,
    /// The program has ended.
    ends: watch::Receiver<bool>,
}

/// What became of a port of the machine's loopback.
enum Mirror {
    Bound(Vec<TcpListener>),
    /// The program has the port itself.
    Taken,
    /// Nobody has it on the machine now.
    Nobody,
}

async fn mirror(port: u16) -> Mirror {
    let asked = tokio::time::timeout(ACCEPTS, TcpStream::connect((MACHINE, port))).await;
    let Ok(Ok(asked)) = asked else { return Mirror::Nobody };
    drop(asked);
    let bind = |to: IpAddr| async move { TcpListener::bind((to, port)).await.ok() };
    let Some(first) = bind(Ipv4Addr::LOCALHOST.into()).await else { return Mirror::Taken };
    let second = bind(Ipv6Addr::LOCALHOST.into()).await;
    Mirror::Bound([Some(first), second].into_iter().flatten().collect())
}

async fn accept(socket: TcpListener, way: Way, room: Arc<Semaphore>) {
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match socket.accept().await {
            Ok((from, _)) => {
                let way = way.clone();
                tokio::spawn(async move {
                    carry(from, way).await;
                    drop(place);
                });
            }
            // Too many descriptors, mostly: it goes on when some are closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Both ways until both have ended; what is broken off on one side is broken off on the other. With the program's end,
/// until what it said has been handed on.
async fn carry(from: TcpStream, mut way: Way) {
    let mut other = None;
    for address in &way.to {
        if let Ok(stream) = TcpStream::connect(address).await {
            other = Some(stream);
            break;
        }
    }
    let done = match &other {
        Some(other) => {
            let _ = from.set_nodelay(true);
            let _ = other.set_nodelay(true);
            let (program, world) = if way.is_out { (&from, other) } else { (other, &from) };
            let hears = async {
                tokio::select! {
                    done = pour(world, program) => done,
                    _ = way.ends.wait_for(|ended| *ended) => Ok(()),
                }
            };
            tokio::try_join!(pour(program, world), hears).is_ok()
        }
        None => false,
    };
    if !done {
        for stream in other.iter().chain(Some(&from)) {
            let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}

/// One way, until its end, which is handed on. While nothing is on its way nothing is held: most connections wait most of
/// their time.
async fn pour(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    loop {
        from.readable().await?;
        // One that never pauses lets the others go on, too.
        tokio::task::coop::consume_budget().await;
        let (rest, is_end) = step(from, to)?;
        let mut rest = &rest[..];
        while !rest.is_empty() {
            to.writable().await?;
            match to.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
                Err(err) => return Err(err),
            }
        }
        if is_end {
            return Ok(rustix::net::shutdown(to, rustix::net::Shutdown::Write)?);
        }
    }
}

/// What was read and could not be written at once; was that the end?
fn step(from: &TcpStream, to: &TcpStream) -> io::Result<(Vec<u8>, bool)> {
    let mut chunk = [0; CHUNK];
    let read = match from.try_read(&mut chunk) {
        Ok(0) => return Ok((Vec::new(), true)),
        Ok(read) => read,
        Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok((Vec::new(), false)),
        Err(err) => return Err(err),
    };
    let written = match to.try_write(&chunk[..read]) {
        Ok(written) => written,
        Err(err) if err.kind() == io::ErrorKind::WouldBlock => 0,
        Err(err) => return Err(err),
    };
    Ok((chunk[written..read].to_vec(), false))
}

/// How many connections there is room for; where asked, after asking for as much as can be had.
fn room(asks: bool) -> u32 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = u64::from(MOST) * 2 + ELSE;
    let has = limit.current.unwrap_or(wanted);
    let wanted = wanted.min(limit.maximum.unwrap_or(wanted)).max(has);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    let is_raised = asks && rustix::process::setrlimit(Resource::Nofile, raised).is_ok();
    let has = if is_raised { wanted } else { has };
    u32::try_from(has.saturating_sub(ELSE) / 2).unwrap_or(MOST).clamp(1, MOST)
}
