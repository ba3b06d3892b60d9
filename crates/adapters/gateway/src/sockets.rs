//! Sockets that come from elsewhere: listeners handed on by whoever started us, the control socket in a folder with
//! however long a path, and the word that we are ready.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What our shim calls a descriptor that lies between ours and is none.
const OTHER: &str = "other";
/// The control socket's name in the gateway's folder.
const CONTROL: &str = "ctl.sock";
/// Before it has that name.
const FRESH: &str = "ctl.sock.";
/// That of a gateway whose place was taken, while it ends what it began.
const LEFT: &str = "left.sock.";

/// The listeners of systemd's LISTEN_FDS convention with their names; none where there are none.
pub(crate) fn handed_on() -> io::Result<Vec<(String, TcpListener)>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the convention of whoever starts a gateway, read before anything else runs"
    )]
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut given = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..given.len() {
        let name = names.get(index).copied().unwrap_or_default().to_string();
        if name == OTHER {
            continue;
        }
        // One that is no listener is not ours to judge: the others are served.
        listeners.extend(given.take_tcp_listener(index).ok().flatten().map(|one| (name, one)));
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
/// of a gateway that was killed, or that is being replaced. The latter can still be asked under another name.
pub(crate) fn control(dir: &Path) -> io::Result<UnixListener> {
    let short = Short::new(dir)?;
    // What a gateway left that was killed before the last line here, or has ended since.
    for entry in std::fs::read_dir(dir)?.flatten() {
        let name = entry.file_name();
        let is_over = || std::os::unix::net::UnixStream::connect(short.path.join(&name)).is_err();
        let text = name.to_string_lossy();
        if text.starts_with(FRESH) || (text.starts_with(LEFT) && is_over()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    let own = std::process::id();
    let fresh = short.path.join(format!("{FRESH}{own}"));
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    let place = short.path.join(CONTROL);
    if std::os::unix::net::UnixStream::connect(&place).is_ok() {
        std::fs::hard_link(&place, short.path.join(format!("{LEFT}{own}")))?;
    }
    std::fs::rename(&fresh, place)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Which socket has the control socket's name.
pub(crate) fn owner(dir: &Path) -> Option<u64> {
    std::fs::symlink_metadata(dir.join(CONTROL)).ok().map(|meta| meta.ino())
}

/// Connections to the gateways whose place was taken and that still live.
pub(crate) async fn leaving(dir: &Path) -> Vec<tokio::net::UnixStream> {
    let mut streams = Vec::new();
    let Ok(short) = Short::new(dir) else { return streams };
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(LEFT) {
            let path = short.path.join(entry.file_name());
            match tokio::net::UnixStream::connect(path).await {
                Ok(stream) => streams.push(stream),
                Err(_) => drop(std::fs::remove_file(entry.path())),
            }
        }
    }
    streams
}

/// Connects to the folder's control socket.
pub(crate) async fn connect(dir: &Path) -> io::Result<tokio::net::UnixStream> {
    let short = Short::new(dir)?;
    tokio::net::UnixStream::connect(short.path.join(CONTROL)).await
}

/// Whoever started us and wants to be told things by NOTIFY_SOCKET (systemd's `sd_notify`), if anybody does.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    name: Option<PathBuf>,
    /// It did not take what it was told: it is not waited for again before then.
    deaf: Mutex<Option<Instant>>,
}

/// How long it is waited for where it takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// And then not for so long.
const DEAF: Duration = Duration::from_secs(5);

impl Notify {
    /// Of this process.
    pub(crate) fn from_env() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the convention of whoever starts a gateway, read before anything else runs"
        )]
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        Self { name: name.map(PathBuf::from), deaf: Mutex::default() }
    }

    /// We are ready.
    pub(crate) fn ready(&self) -> io::Result<()> {
        self.say("READY=1\n", None)
    }

    /// Keep this listener for whoever comes after us.
    pub(crate) fn keep(&self, name: &str, listener: BorrowedFd<'_>) {
        self.tell(&format!("FDSTORE=1\nFDNAME={name}\n"), Some(listener));
    }

    /// Nobody needs it any more.
    pub(crate) fn forget(&self, name: &str) {
        self.tell(&format!("FDSTOREREMOVE=1\nFDNAME={name}\n"), None);
    }

    fn tell(&self, words: &str, listener: Option<BorrowedFd<'_>>) {
        if crate::target::lock(&self.deaf).is_some_and(|until| until > Instant::now()) {
            return;
        }
        if let Err(error) = self.say(words, listener) {
            tracing::warn!(%error, words, "whoever started the gateway could not be told");
            *crate::target::lock(&self.deaf) = Some(Instant::now() + DEAF);
        }
    }

    fn say(&self, words: &str, listener: Option<BorrowedFd<'_>>) -> io::Result<()> {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        let Some(name) = &self.name else { return Ok(()) };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        match name.as_os_str().as_encoded_bytes().strip_prefix(b"@") {
            #[cfg(target_os = "linux")]
            Some(name) => {
                use std::os::linux::net::SocketAddrExt;
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                socket.connect_addr(&address)?;
            }
            _ => {
                let dir = Short::new(name.parent().unwrap_or(Path::new("/")))?;
                socket.connect(dir.path.join(name.file_name().unwrap_or_default()))?;
            }
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds: Vec<BorrowedFd<'_>> = listener.into_iter().collect();
        if !fds.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        }
        sendmsg(&socket, &[IoSlice::new(words.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}
