//! Ten thousand WebSockets that say nothing: what they take of the gateway's memory, and that a switch to another
//! instance and a look at the gateway go on beside them. Where fewer descriptors can be had, as many as can be.

use super::edge::{Gateway, route};
use super::figure::Figure;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// As many as are wanted.
const WANTED: usize = 10_000;
/// Two descriptors for each of them, at the gateway's side as at ours, and some for all else: the gateway keeps some back.
const ELSE: usize = 1_024;
/// A WebSocket's handshake; nobody here looks at its key.
const ASKS: &str = "GET /ws HTTP/1.1\r\nhost: h1.example.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const AGREES: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Measures, and says how many there could be.
pub(super) fn measure(
    tow: &std::path::Path,
    scratch: &std::path::Path,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let limit = widened()?;
    let count = WANTED.min(limit.saturating_sub(ELSE) / 2);
    if count < WANTED {
        println!("not run: {WANTED} WebSockets: {limit} descriptors at most; {count} were opened");
    }
    let gateway = Gateway::start(tow, &scratch.join("sockets"))?;
    let (first, held) = server()?;
    let (second, _) = server()?;
    let set = |revision: usize, server: u16, instance: &str| {
        let mut route = route(1, "/", 0, server);
        route["targets"][0]["instance"] = json!(instance);
        let set = json!({"epoch": 1, "revision": revision, "routes": [route]});
        let begun = Instant::now();
        gateway.control("PUT", "/routes", &set).map(|_| begun.elapsed().as_secs_f64() * 1e3)
    };
    set(1, first, "i-first")?;
    let empty = gateway.memory()?;
    let begun = Instant::now();
    let mut sockets = Vec::with_capacity(count);
    for n in 0..count {
        sockets.push(open(gateway.port).with_context(|| format!("WebSocket {n} of {count}"))?);
    }
    let opened = begun.elapsed().as_secs_f64();
    let full = gateway.memory()?;
    println!(
        "measured: {count} idle WebSockets, opened in {opened:.1} s: {full:.1} MB, {:.1} kB each",
        (full - empty) * 1e3 / count as f64
    );
    let name = format!("PSS of the gateway with {count} idle WebSockets");
    figures.push(Figure::most(&name, "MB", 400.0, vec![full]));

    // Another instance takes over: new ones go there at once, the others stay where they are.
    let switched = set(2, second, "i-second")?;
    figures.push(Figure::most("a switch beside them", "ms", 50.0, vec![switched]));
    let seen = gateway.control("GET", "/observe", &json!({}))?;
    let left = seen["targets"]["i-first"]["in_flight"].as_u64().unwrap_or_default();
    ensure!(left == count as u64, "{left} of {count} are known to be open at what they left");
    open(gateway.port)?;
    let one = sockets.last_mut().context("there are none")?;
    one.write_all(&[0x81, 0x80, 0, 0, 0, 0])?;
    let mut echoed = [0; 2];
    one.read_exact(&mut echoed).context("one that was open at the switch says nothing back")?;

    // All leave: the count goes to zero, which is what a drain waits for.
    drop(sockets);
    drop(held);
    let begun = Instant::now();
    loop {
        let seen = gateway.control("GET", "/observe", &json!({}))?;
        let left = seen["targets"]["i-first"]["in_flight"].as_u64().unwrap_or_default();
        if left == 0 {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "{left} never left");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let drained = begun.elapsed().as_secs_f64() * 1e3;
    figures.push(Figure::most("all of them left → none counted", "ms", 5_000.0, vec![drained]));
    Ok(())
}

/// A connection that has become a WebSocket.
fn open(port: u16) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(ASKS.as_bytes())?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read(&mut byte)? == 1, "closed after {:?}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head);
    ensure!(text.starts_with("HTTP/1.1 101"), "{text}");
    Ok(stream)
}

/// Agrees to every WebSocket and keeps it, until what is returned is dropped; the last one says back what it hears, which
/// is the start of a frame.
fn server() -> Result<(u16, mpsc::Sender<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (holds, released) = mpsc::channel::<()>();
    let (keep, kept) = mpsc::channel::<TcpStream>();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            if stream.write_all(AGREES).is_err() || keep.send(stream).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        let mut all: Vec<TcpStream> = Vec::new();
        loop {
            match kept.recv_timeout(Duration::from_millis(20)) {
                Ok(stream) => all.push(stream),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let _ = all.last_mut().map(echo);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            if matches!(released.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                return;
            }
        }
    });
    Ok((port, holds))
}

/// An empty frame, said back without its mask.
fn echo(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    let mut frame = [0; 6];
    if stream.read(&mut frame)? == frame.len() {
        stream.write_all(&[0x81, 0])?;
    }
    Ok(())
}

/// As many descriptors as this process, and what it starts, can have: a superuser gets more than the usual limit.
fn widened() -> Result<usize> {
    let wanted = (WANTED + ELSE) * 2;
    let own = std::process::id().to_string();
    let asked = |limit: &str| {
        Command::new("prlimit")
            .args(["--pid", &own, &format!("--nofile={limit}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let limits = || -> Result<(usize, usize)> {
        let text = std::fs::read_to_string("/proc/self/limits")?;
        let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
        let mut fields = line.context("an odd /proc")?.split_whitespace();
        let mut next = || fields.next().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
        Ok((next(), next()))
    };
    let (soft, hard) = limits()?;
    if soft < wanted && !asked(&format!("{wanted}:{}", wanted.max(hard))) {
        asked(&format!("{hard}:{hard}"));
    }
    Ok(limits()?.0)
}
