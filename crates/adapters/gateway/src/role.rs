//! `tow gateway DIR [--listen [https=]ADDRESS]… [--trusted NETWORK]… [--connections NUMBER] [--drain SECONDS]
//! [--hold SECONDS] [--kept SECONDS] [--stuck SECONDS]`: the process.

use crate::control;
use crate::door;
use crate::follow;
use crate::ports::{self, Ports};
use crate::served::{Gateway, Manner};
use crate::sockets;
use crate::table::Entrance;
use crate::tls::Tls;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tow_names::Network;

const USAGE: &str = "usage: tow gateway DIR [--listen [https=]IP:PORT]... [--trusted NETWORK]... \
                     [--connections NUMBER] [--drain SECONDS] [--hold SECONDS] [--kept SECONDS] \
                     [--stuck SECONDS]";
/// What a listener is called that speaks TLS.
const HTTPS: &str = "https";
/// How long requests in flight may take after SIGTERM.
const DRAIN: Duration = Duration::from_secs(10);
/// The same where another gateway serves on the same sockets.
const LEAVE: Duration = Duration::from_secs(10 * 60);
/// How long requests may wait for a first instance of what sleeps.
const HOLD: Duration = Duration::from_secs(30);
/// How long a connection is kept for its next request.
const KEPT: Duration = Duration::from_secs(75);
/// How long a client may take nothing of its answer, though more of it is there.
const STUCK: Duration = Duration::from_secs(60);
/// Between two looks for connections that were idle for long.
const SWEEP: Duration = Duration::from_secs(10);

struct Asked {
    dir: PathBuf,
    listen: Vec<String>,
    trusted: Vec<Network>,
    /// Fewer than the limit of descriptors allows.
    connections: usize,
    drain: Duration,
    hold: Duration,
    kept: Duration,
    stuck: Duration,
}

fn asked(args: Vec<OsString>) -> Result<Asked, String> {
    let mut dir = None;
    let (mut listen, mut trusted) = (Vec::new(), Vec::new());
    let mut connections = usize::MAX;
    let (mut drain, mut hold, mut kept, mut stuck) = (DRAIN, HOLD, KEPT, STUCK);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = |what: &str| {
            let given = args.next().and_then(|value| value.into_string().ok());
            given.ok_or_else(|| format!("{what} needs a value"))
        };
        match arg.to_str() {
            Some("--listen") => listen.push(value("--listen")?),
            Some("--trusted") => {
                trusted.push(value("--trusted")?.parse::<Network>().map_err(|e| e.to_string())?);
            }
            Some("--connections") => {
                let text = value("--connections")?;
                connections = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
            }
            Some(name @ ("--drain" | "--hold" | "--kept" | "--stuck")) => {
                let text = value(name)?;
                let seconds = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
                *match name {
                    "--drain" => &mut drain,
                    "--hold" => &mut hold,
                    "--kept" => &mut kept,
                    _ => &mut stuck,
                } = Duration::from_secs(seconds);
            }
            _ if dir.is_none() => dir = Some(PathBuf::from(arg)),
            _ => return Err(format!("{} was not expected", arg.to_string_lossy())),
        }
    }
    Ok(Asked {
        dir: dir.ok_or("the folder is missing")?,
        listen,
        trusted,
        connections,
        drain,
        hold,
        kept,
        stuck,
    })
}

/// Runs a gateway until SIGTERM or SIGINT. `args` are those after `gateway`. Answers the exit status: 0 after a drain,
/// 1 where it could not start, 2 for arguments that make no sense.
///
/// Writes one line per address it listens on, `listening on IP:PORT`, and `ready`, to standard output.
pub fn gateway_main(args: Vec<OsString>) -> i32 {
    let asked = match asked(args) {
        Ok(asked) => asked,
        Err(error) => {
            complain(&format!("{error}\n{USAGE}"));
            return 2;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(512 * 1024)
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(run(asked));
            // What is still in flight past the drain's deadline does not hold us.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => 0,
        Err(error) => {
            complain(&format!("the gateway could not start: {error}"));
            1
        }
    }
}

/// As many descriptors as the machine lets us have; the usual soft limit of 1024 is 400 requests at once. Answers how many
/// that are.
fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        complain(&format!("cannot raise the limit of open files: {error}"));
    }
    let most = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20).min(1 << 20);
    usize::try_from(most).unwrap_or(usize::MAX)
}

async fn run(asked: Asked) -> io::Result<()> {
    let descriptors = raise_descriptor_limit();
    let (left, mut listeners): (Vec<_>, Vec<(String, TcpListener)>) =
        sockets::handed_on()?.into_iter().partition(|(name, _)| ports::is_port(name));
    let notify = sockets::Notify::from_env();
    for address in &asked.listen {
        let (name, address) = address.split_once('=').unwrap_or(("", address));
        let listener = sockets::bind(address).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        })?;
        listeners.push((name.to_string(), listener));
    }
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    std::fs::create_dir_all(&asked.dir)?;
    let manner = Manner {
        hold: asked.hold,
        trusted: asked.trusted,
        descriptors,
        connections: asked.connections,
        kept: asked.kept,
        stuck: asked.stuck,
    };
    // Where another gateway is being replaced, what it is told from here on is told to us.
    let control = sockets::control(&asked.dir)?;
    let own = sockets::owner(&asked.dir);
    let ports = Ports::new(left, sockets::Notify::from_env());
    let (gateway, notes) = Gateway::load(&asked.dir, manner, ports).await;
    tokio::spawn(gateway.log.clone().run());
    for note in notes {
        complain(&note);
    }
    let mut doors = Vec::new();
    let mut told = String::new();
    let tls = Tls::new(gateway.certificates.clone()).map_err(io::Error::other)?;
    let tls = Arc::new(tls);
    for (name, listener) in listeners {
        let tls = (name == HTTPS).then(|| tls.clone());
        if tls.is_some() {
            // Of several the first: whoever is led there needs only one.
            let _ = gateway.secure.set(listener.local_addr()?.port());
        }
        let how = if tls.is_some() { " (https)" } else { "" };
        told.push_str(&format!("listening on {}{how}\n", listener.local_addr()?));
        doors.push(door::open_with(&gateway, sockets::into_tokio(listener)?, Entrance::Main, tls));
    }
    gateway.open_ports().await;
    control::open(&gateway, control)?;
    if let Err(error) = notify.ready() {
        complain(&format!("cannot tell that the gateway is ready: {error}"));
    }
    told.push_str("ready\n");
    // Nobody may be listening: that is no reason to serve nothing.
    let _ = io::stdout().write_all(told.as_bytes());

    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            _ = sweep.tick() => gateway.sweep(),
            _ = term.recv() => break,
            _ = int.recv() => break,
        }
    }
    // Whoever holds the listeners besides us goes on holding them: new connections wait for the next gateway.
    gateway.closing.cancel();
    gateway.tasks.close();
    // Where another has our place nobody waits for us: what began here may go on for long.
    let is_replaced = own != sockets::owner(&asked.dir);
    let drain = if is_replaced { asked.drain.max(LEAVE) } else { asked.drain };
    tokio::select! {
        _ = tokio::time::timeout(drain, gateway.tasks.wait()) => {}
        () = follow::follow(gateway.clone(), &asked.dir, own) => {}
    }
    drop(doors);
    gateway.log.flush();
    Ok(())
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gateway_spec, trusting};
    use std::path::Path;

    #[test]
    fn what_a_runtime_is_told_is_what_the_process_reads() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let spec = gateway_spec(Path::new("/data/gateway"), Path::new("/bin/tow"), &[]);
        let tow_record::Program::Command { argv } = trusting(spec, &proxies).program else {
            panic!("it is a command")
        };
        let asked = asked(argv[2..].iter().map(OsString::from).collect()).unwrap();
        assert_eq!(
            (asked.dir.as_path(), asked.trusted),
            (Path::new("/data/gateway"), proxies.to_vec())
        );
        // What people are told of its limits.
        assert_eq!((asked.kept, asked.stuck), (Duration::from_secs(75), Duration::from_secs(60)));
    }
}
