//! Ports that nobody listens on.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tow_ports::PortError;

const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;
/// The machine itself answers at once; a rule that leads nowhere never does.
const PATIENCE: Duration = Duration::from_millis(50);

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
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(listener) if leads_here(&listener) => {}
        _ => return false,
    }
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(_) => true,
        // A machine without IPv6 has nothing there to be in the way.
        Err(err) => err.kind() != std::io::ErrorKind::AddrInUse,
    }
}

/// Does whoever connects to it come out here? Not where a firewall sends them elsewhere: container engines publish ports
/// so, and leave such a rule behind for good when they are killed. Nobody holds the port then, and nobody answers at it.
fn leads_here(listener: &TcpListener) -> bool {
    listener.local_addr().is_ok_and(|at| TcpStream::connect_timeout(&at, PATIENCE).is_ok())
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

    /// In a network of the test's own, where the first of all ports are led to nobody.
    #[test]
    #[allow(clippy::print_stdout, reason = "how the tests' runner is told")]
    fn a_port_that_a_firewall_leads_away_is_not_given() {
        let enter = "ip link set lo up && iptables -t nat -A OUTPUT -p tcp --dport 20000:20019 \
                     -j DNAT --to-destination 10.9.9.9 && exec \"$0\" --ignored --exact --nocapture \
                     ports::tests::in_such_a_network";
        let own = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new("unshare");
        let done = command.args(["--net", "sh", "-c", enter]).arg(own).output();
        let text = |done: &std::process::Output| {
            [&done.stdout, &done.stderr].map(|b| String::from_utf8_lossy(b).into_owned()).concat()
        };
        match done {
            Ok(done) if text(&done).contains("running 1 test") => {
                assert!(done.status.success(), "{}", text(&done));
            }
            Ok(done) => println!("not run: a firewall's rule over ports: {}", text(&done)),
            Err(error) => println!("not run: a firewall's rule over ports: unshare: {error}"),
        }
    }

    #[test]
    #[ignore = "run by the test above, in a network of its own"]
    fn in_such_a_network() {
        let found = Ports(AtomicU32::new(5)).free(2, &[]).unwrap();
        assert_eq!(found, [20_020, 20_021]);
    }
}
