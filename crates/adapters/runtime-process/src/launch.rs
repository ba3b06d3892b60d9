//! Starts a shim and waits until it is in charge. Safe to do twice: the second finds the first one's lock.

use crate::folder::Folder;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tow_ports::PortError;

/// How long a shim may take to be in charge. It starts in milliseconds; a machine under load takes longer.
const LIMIT: Duration = Duration::from_secs(20);

/// Starts a shim on a prepared folder, to run its instance or, with a grace, to stop it. Returns once it is in charge
/// or found another in charge; [`PortError::Refused`] with its reason where it can't be.
pub(crate) async fn shim(
    tow: &Path,
    folder: &Folder,
    epoch: i64,
    stop: Option<tow_names::Duration>,
) -> Result<(), PortError> {
    let broken = |err: io::Error| {
        PortError::Unavailable(format!("cannot start {} shim: {err}", tow.display()))
    };
    let words = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(folder.words())
        .map_err(broken)?;
    let mut command = tokio::process::Command::new(tow);
    command.arg("shim").arg(folder.path()).arg(epoch.to_string());
    if let Some(grace) = stop {
        command.arg(grace.to_string());
    }
    let mut child = command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(words)
        .spawn()
        .map_err(broken)?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        let mut out = BufReader::new(out);
        match tokio::time::timeout(LIMIT, out.read_line(&mut line)).await {
            Ok(read) => drop(read.map_err(broken)?),
            Err(_) => {
                return Err(PortError::Unavailable("the shim did not answer in time".into()));
            }
        }
    }
    // It lives on without us; while we live we reap it.
    tokio::spawn(async move { child.wait().await });
    match line.trim_end() {
        "ok" | "busy" => Ok(()),
        line => match line.strip_prefix("refused ") {
            Some(why) => Err(PortError::Refused(why.into())),
            None => Err(PortError::Unavailable("the shim ended before it was in charge".into())),
        },
    }
}
