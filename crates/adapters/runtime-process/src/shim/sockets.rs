//! The sockets that are bound for the program and outlive it (LISTEN_FDS).

use crate::state::Process;
use std::net::TcpListener;
use tow_record::InstanceSpec;

/// Binds them. After a shim was killed the program still has them: they are taken back from it, so that what it serves
/// never stops being served; else the same addresses are bound again.
pub(super) fn bind(
    spec: &InstanceSpec,
    before: &[String],
    process: Option<&Process>,
) -> Result<Vec<TcpListener>, String> {
    if spec.listen.len() > super::becoming::MOST {
        return Err(format!("at most {} addresses can be handed on", super::becoming::MOST));
    }
    if spec.listen.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(process) = process.filter(|process| crate::proc::lives(process)) {
        // Binding would fail: the program has them. Without them the next start tries to bind.
        return Ok(taken_back(process, before).unwrap_or_default());
    }
    let addresses = if before.len() == spec.listen.len() { before } else { &spec.listen };
    addresses
        .iter()
        .map(|address| {
            TcpListener::bind(address).map_err(|err| match err.kind() {
                std::io::ErrorKind::AddrInUse => {
                    format!("cannot listen on {address}: another program already does")
                }
                _ => format!("cannot listen on {address}: {err}"),
            })
        })
        .collect()
}

/// As bound.
pub(super) fn addresses(listeners: &[TcpListener]) -> Vec<String> {
    listeners
        .iter()
        .map(|listener| listener.local_addr().map(|at| at.to_string()).unwrap_or_default())
        .collect()
}

#[cfg(target_os = "linux")]
fn taken_back(process: &Process, before: &[String]) -> Option<Vec<TcpListener>> {
    use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
    let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
    let fd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    if !crate::proc::lives(process) {
        return None;
    }
    (3..)
        .zip(before)
        .map(|(number, address)| {
            let fd = pidfd_getfd(&fd, number, PidfdGetfdFlags::empty()).ok()?;
            // It may have closed the number and opened something else there.
            let is_ours = rustix::net::sockopt::socket_acceptconn(&fd).ok()?;
            let listener = TcpListener::from(fd);
            (is_ours && listener.local_addr().ok()?.to_string() == *address).then_some(listener)
        })
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn taken_back(_: &Process, _: &[String]) -> Option<Vec<TcpListener>> {
    None
}
