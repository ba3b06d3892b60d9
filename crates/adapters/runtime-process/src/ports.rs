//! Ports that nobody listens on.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use tow_ports::PortError;

const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// Where the search goes on, so that ports just given and not yet bound are not given again at once.
#[derive(Debug)]
pub(crate) struct Ports(AtomicU32);

impl Ports {
    /// Begins anywhere: two platforms of one machine seldom meet.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new((RandomState::new().hash_one(0) % u64::from(COUNT)) as u32))
    }

    /// `count` ports of 20000 to 29999 that can be bound on both loopback addresses.
    pub(crate) fn free(&self, count: usize, taken: &[u16]) -> Result<Vec<u16>, PortError> {
        let mut found = Vec::with_capacity(count);
        for _ in 0..COUNT {
            if found.len() == count {
                break;
            }
            let port = FIRST + (self.0.fetch_add(1, Ordering::Relaxed) % u32::from(COUNT)) as u16;
            if !taken.contains(&port) && !found.contains(&port) && is_free(port) {
                found.push(port);
            }
        }
        if found.len() < count {
            return Err(PortError::Unavailable(format!(
                "no {count} free ports between {FIRST} and {}",
                FIRST + COUNT - 1
            )));
        }
        Ok(found)
    }
}

fn is_free(port: u16) -> bool {
    if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
        return false;
    }
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(_) => true,
        // A machine without IPv6 has nothing there to be in the way.
        Err(err) => err.kind() != std::io::ErrorKind::AddrInUse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_distinct_and_not_taken() {
        let ports = Ports::new();
        let first = ports.free(50, &[]).unwrap();
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, first[0])).unwrap();
        let rest: Vec<u16> = ports.free(usize::from(COUNT) / 2, &first[1..]).unwrap();
        assert!(first.iter().all(|port| !rest.contains(port)), "held or taken ports came again");
        drop(held);
        assert!(ports.free(usize::from(COUNT) + 1, &[]).is_err());
    }
}
