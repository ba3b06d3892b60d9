//! Sockets that come from elsewhere: listeners handed on by whoever started us, the control socket in a folder with
//! however long a path, and the word that we are ready.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

/// The control socket's name in the gateway's folder.
const CONTROL: &str = "ctl.sock";
/// Before it has that name.
const FRESH: &str = "ctl.sock.";

/// The listeners of systemd's LISTEN_FDS convention; none where there are none.
pub(crate) fn handed_on() -> io::Result<Vec<TcpListener>> {
    let mut given = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..given.len() {
        listeners.extend(given.take_tcp_listener(index)?);
    }
    Ok(listeners)
}

/// Ready for tokio.
pub(crate) fn into_tokio(listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

/// Binds where a command line asked to.
pub(crate) fn bind(address: &str) -> io::Result<TcpListener> {
    let address: SocketAddr = address.parse().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{address:?} is not an address: expected IP:PORT, as in 127.0.0.1:7080"),
        )
    })?;
    TcpListener::bind(address)
}

/// A way to a folder that is short enough for a socket's address, whatever the folder's own path is. Good while it
/// lives.
struct Short {
    path: PathBuf,
    #[cfg(target_os = "linux")]
    _dir: rustix::fd::OwnedFd,
}

impl Short {
    #[cfg(target_os = "linux")]
    fn new(dir: &Path) -> io::Result<Self> {
        use rustix::fd::AsRawFd;
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(dir, flags, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        Ok(Self { path, _dir: fd })
    }

    #[cfg(not(target_os = "linux"))]
    fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self { path: dir.to_path_buf() })
    }
}

/// Listens on the folder's control socket, for this user alone. Takes the place of one that is there in one step: that
/// of a gateway that was killed, or that is being replaced.
pub(crate) fn control(dir: &Path) -> io::Result<UnixListener> {
    let short = Short::new(dir)?;
    // What a gateway left that was killed before the last line here.
    for entry in std::fs::read_dir(dir)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(FRESH) {
            std::fs::remove_file(entry.path())?;
        }
    }
    let fresh = short.path.join(format!("{FRESH}{}", std::process::id()));
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&fresh, short.path.join(CONTROL))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects to the folder's control socket.
pub(crate) async fn connect(dir: &Path) -> io::Result<tokio::net::UnixStream> {
    let short = Short::new(dir)?;
    tokio::net::UnixStream::connect(short.path.join(CONTROL)).await
}

/// Says that we are ready, to whoever asked for it by NOTIFY_SOCKET (systemd's `sd_notify`).
pub(crate) fn say_ready() -> io::Result<()> {
    #[allow(
        clippy::disallowed_methods,
        reason = "the convention of whoever starts a gateway, read before anything else runs"
    )]
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    let socket = UnixDatagram::unbound()?;
    let name = name.into_encoded_bytes();
    match name.strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.send_to_addr(b"READY=1\n", &address)?;
        }
        _ => {
            let path = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&name);
            socket.send_to(b"READY=1\n", path)?;
        }
    }
    Ok(())
}
