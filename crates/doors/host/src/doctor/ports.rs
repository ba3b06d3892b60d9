//! The ports of the platform: free for the next start, or held by whom.

use super::finding::Finding;
use super::scene::Scene;
use crate::up::{GATEWAY, LISTEN};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

pub(super) fn look(scene: &Scene) -> Vec<Finding> {
    let told = |url: fn(&tow_client::PlatformFile) -> &str| {
        let file = scene.file.as_ref().filter(|_| scene.up())?;
        url(file).strip_prefix("http://").map(str::to_string)
    };
    let api = told(|file| &file.url);
    let gateway = told(|file| &file.gateway);
    vec![
        one(scene, "ports.api", api, LISTEN, "--listen"),
        one(scene, "ports.gateway", gateway, GATEWAY, "--gateway"),
    ]
}

fn one(
    scene: &Scene,
    check: &'static str,
    told: Option<String>,
    usual: &str,
    option: &str,
) -> Finding {
    if let Some(address) = told {
        let Ok(at) = address.parse::<SocketAddr>() else {
            return Finding::warn(check, format!("{address} is not an address"));
        };
        return match TcpStream::connect_timeout(&at, Duration::from_millis(300)) {
            Ok(_) => Finding::ok(check, format!("{address} accepts")),
            Err(error) => Finding::fail(check, format!("{address}: {error}"))
                .cause("the platform runs, but nothing answers where it said it would")
                .fix("look at what tow up wrote; tow down and tow up start it afresh"),
        };
    }
    let Ok(address) = usual.parse::<SocketAddr>() else { return Finding::ok(check, usual) };
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(check, format!("{usual} is free")),
        Err(error) => {
            let owner = owner(address.port(), scene);
            let seen = match &owner {
                Some((pid, program)) => format!("{usual} is held by {program}, process {pid}"),
                None => format!("{usual}: {error}"),
            };
            let own = owner.is_some_and(|(pid, _)| scene.roles().any(|(role, ..)| role.pid == pid));
            if own {
                return Finding::ok(
                    check,
                    format!("{seen}: our own gateway, which goes on serving"),
                );
            }
            Finding::warn(check, seen)
                .cause("the usual port is taken: the next free one will be used")
                .fix(format!("stop that program, or say another address with {option}"))
        }
    }
}

/// Who listens on a TCP port, where we may know: the process and its program.
fn owner(port: u16, scene: &Scene) -> Option<(u32, String)> {
    let mut inodes = HashMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = fields.get(3) == Some(&"0A");
            let there = fields.get(1).and_then(|at| at.rsplit_once(':')).map(|(_, port)| port);
            if listens && there.and_then(|hex| u16::from_str_radix(hex, 16).ok()) == Some(port) {
                inodes.insert(format!("socket:[{}]", fields.get(9)?), ());
            }
        }
    }
    scene.processes.iter().find_map(|process| {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", process.pid)).ok()?;
        let holds = fds.flatten().any(|fd| {
            std::fs::read_link(fd.path())
                .is_ok_and(|link| inodes.contains_key(&*link.to_string_lossy()))
        });
        holds.then(|| (process.pid, process.program()))
    })
}
