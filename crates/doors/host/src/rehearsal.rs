//! Before a control plane becomes another program it lets that one rehearse its start, in a child: where the child
//! refuses, crashes or hangs, this process goes on as what it was.

use crate::{
    error::HostError,
    stop::{Reason, Signals},
};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::net::TcpSocket;
use tow_platform::Layout;

/// How long a rehearsal may take: less than `tow upgrade` waits for the whole.
const LIMIT: Duration = Duration::from_secs(30);
/// What tells the program that it rehearses.
pub(crate) const FLAG: &str = "--rehearse";

/// Why a rehearsal came to nothing, in the words of who rehearsed.
pub(crate) fn said(layout: &Layout) -> PathBuf {
    layout.run().join("upgrade.said")
}

/// Keeps the address of API and portal from being given to anybody else meanwhile: bound, and nobody is let in.
fn hold(listen: &str) -> Option<TcpSocket> {
    let address: SocketAddr = listen.parse().ok()?;
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.ok()?;
    socket.set_reuseaddr(true).ok()?;
    socket.bind(address).ok()?;
    Some(socket)
}

/// Lets a program rehearse its start with these arguments, without this variable, while nobody is given the address that
/// it is to listen at. `Some`: meanwhile somebody told this process to end.
pub(crate) fn rehearse(
    program: &Path,
    args: Vec<OsString>,
    (listen, without): (&str, &str),
    layout: &Layout,
) -> Result<Option<Reason>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let _ = std::fs::remove_file(said(layout));
    runtime.block_on(async {
        let _held = hold(listen);
        let mut signals = Signals::listen().map_err(|error| error.detail().to_string())?;
        let mut child = tokio::process::Command::new(program)
            .args(args)
            .arg(FLAG)
            .env_remove(without)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // What a terminal's keys mean is for this process to say.
            .process_group(0)
            .spawn()
            .map_err(|error| error.to_string())?;
        let told = tokio::select! {
            ended = child.wait() => {
                return ended.map_err(|error| error.to_string()).and_then(|how| well(how, layout));
            }
            reason = signals.wait(layout) => Some(reason),
            () = tokio::time::sleep(LIMIT) => None,
        };
        // At whatever moment: what it had begun is gone on with by whoever starts next.
        let _ = child.kill().await;
        told.map(Some).ok_or_else(|| format!("its start did not end within {} s", LIMIT.as_secs()))
    })
}

fn well(how: ExitStatus, layout: &Layout) -> Result<Option<Reason>, String> {
    if how.success() {
        return Ok(None);
    }
    let why = std::fs::read_to_string(said(layout)).unwrap_or_default();
    let _ = std::fs::remove_file(said(layout));
    match why.trim() {
        // It ended before it could say anything: by a signal, or by an exit of its own.
        "" => Err(format!("it crashed at its start: {how}")),
        why => Err(why.to_string()),
    }
}

/// Writes down for whoever let it rehearse why it came to nothing.
pub(crate) fn failed(layout: &Layout, error: &HostError) {
    let _ = crate::data::write_private(&said(layout), error.detail());
}
