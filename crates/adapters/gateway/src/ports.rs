//! The listeners of routes' ports: taken over where another gateway left them, else bound; and kept by whoever started
//! us (sd_notify's FDSTORE), so that they outlive us. Which ports there are is the table's to say.

use crate::door;
use crate::sockets::Notify;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Mutex;
use tokio::net::TcpListener;

/// What a kept listener is called: this and its port.
const NAME: &str = "port-";

/// Where listeners come from.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    /// Handed on to us and not taken yet, by port, with their names.
    left: Mutex<BTreeMap<u16, (String, std::net::TcpListener)>>,
    notify: Notify,
}

/// Is it the name of a route's port, rather than of a listener for all?
pub(crate) fn is_port(name: &str) -> bool {
    // `stored` is what its keeper calls one whose name was lost.
    name.starts_with(NAME) || name == "stored"
}

impl Ports {
    /// With those that were handed on.
    pub(crate) fn new(left: Vec<(String, std::net::TcpListener)>, notify: Notify) -> Self {
        let by_port = |(name, listener): (String, std::net::TcpListener)| {
            Some((listener.local_addr().ok()?.port(), (name, listener)))
        };
        Self { left: Mutex::new(left.into_iter().filter_map(by_port).collect()), notify }
    }

    /// Listens on this port; 0: on any. Once it is returned, connections to it wait even where we are killed.
    pub(crate) fn listen(&self, port: u16) -> io::Result<TcpListener> {
        let left = crate::target::lock(&self.left).remove(&port);
        if let Some((name, listener)) = left {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            if name != format!("{NAME}{port}") {
                self.notify.forget(&name);
                self.keep(&listener)?;
            }
            return Ok(listener);
        }
        let listener = door::bind(port)?;
        self.keep(&listener)?;
        Ok(listener)
    }

    fn keep(&self, listener: &TcpListener) -> io::Result<()> {
        let port = listener.local_addr()?.port();
        self.notify.keep(&format!("{NAME}{port}"), listener.as_fd());
        Ok(())
    }

    /// Nobody listens on it any more.
    pub(crate) fn forget(&self, port: u16) {
        self.notify.forget(&format!("{NAME}{port}"));
    }

    /// What was handed on and nobody asked for is closed.
    pub(crate) fn close_rest(&self) {
        for (_, (name, _)) in std::mem::take(&mut *crate::target::lock(&self.left)) {
            self.notify.forget(&name);
        }
    }
}
