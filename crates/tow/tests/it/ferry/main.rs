//! The program that the tests deploy: an HTTP server on nothing but the standard library, compiled once by the tests
//! themselves. What it does wrong, it does because its environment says so; it may use no crate.
//!
//! `HEALTH`: `fail` answers 500, `hang` answers never, `exit` ends at once, `mute` listens nowhere. `SAY`: `long` writes
//! one line of ten megabytes first, `bytes` writes every byte there is. `BAD_AFTER`: so many milliseconds after its start, all
//! but its probe answers 500.
//!
//! `/slow?ms=N` answers after that time; `/trickle?ms=N` begins at once and ends then; `/upload` says how much came;
//! `/events?ms=N` sends an event every 100 ms for so long; `/ws` is a WebSocket that says everything back.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

mod websocket;

fn main() -> io::Result<()> {
    let said = |name: &str| env::var(name).unwrap_or_default();
    say(&said("SAY"))?;
    let health = said("HEALTH");
    if health == "exit" {
        eprintln!("there is no water in the canal");
        std::process::exit(3);
    }
    if health == "mute" {
        loop {
            thread::park();
        }
    }
    let listener = TcpListener::bind(format!("127.0.0.1:{}", said("PORT")))?;
    println!("listening on {}", listener.local_addr()?);
    let who = format!(
        "{} release {} instance {}\n",
        said("GREETING"),
        said("TOW_RELEASE"),
        said("TOW_INSTANCE")
    );
    let bad_after = said("BAD_AFTER").parse().ok().map(Duration::from_millis);
    let ship = Ship { who, health, bad_at: bad_after.map(|after| Instant::now() + after) };
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let ship = ship.clone();
        thread::spawn(move || serve(stream, &ship));
    }
    Ok(())
}

fn say(what: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match what {
        "long" => {
            let piece = [b'x'; 64 * 1024];
            for _ in 0..160 {
                out.write_all(&piece)?;
            }
            out.write_all(b"\nafter the long line\n")?;
        }
        "bytes" => {
            let every: Vec<u8> = (0..=255).collect();
            for _ in 0..64 {
                out.write_all(&every)?;
            }
            out.write_all(b"\nafter the bytes\n")?;
        }
        _ => {}
    }
    out.flush()
}

/// What is known of this program.
#[derive(Clone)]
struct Ship {
    who: String,
    health: String,
    bad_at: Option<Instant>,
}

/// What a request says that matters here.
struct Asked {
    path: String,
    query: String,
    close: bool,
    length: usize,
    chunked: bool,
    key: Option<String>,
}

fn serve(stream: TcpStream, ship: &Ship) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    while let Some(asked) = head(&mut input)? {
        if let Some(key) = &asked.key {
            return websocket::serve(&mut input, &mut out, key, &ship.who);
        }
        let came = body(&mut input, &asked)?;
        let took = milliseconds(&asked.query).unwrap_or(Duration::from_millis(700));
        let is_bad = ship.bad_at.is_some_and(|at| at <= Instant::now());
        let who = ship.who.clone();
        let (status, text) = match (asked.path.as_str(), ship.health.as_str()) {
            ("/healthz", "fail") => ("500 Internal Server Error", "the lock is shut\n".into()),
            ("/healthz", "hang") => loop {
                thread::park();
            },
            ("/healthz", _) => ("200 OK", "ok\n".into()),
            (_, _) if is_bad => ("500 Internal Server Error", who),
            ("/slow", _) => {
                thread::sleep(took);
                ("200 OK", who)
            }
            ("/trickle" | "/events", _) => {
                trickle(&mut out, &asked, took, &who)?;
                return Ok(());
            }
            ("/upload", _) => ("200 OK", format!("{came} bytes came to {who}")),
            _ => ("200 OK", who),
        };
        let connection = if asked.close { "close" } else { "keep-alive" };
        let length = text.len();
        write!(
            out,
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: {connection}\r\n\r\n{text}"
        )?;
        if asked.close {
            break;
        }
    }
    Ok(())
}

fn milliseconds(query: &str) -> Option<Duration> {
    let text = query.split('&').find_map(|pair| pair.strip_prefix("ms="))?;
    text.parse().ok().map(Duration::from_millis)
}

fn head(input: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut first = String::new();
    if input.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let target = first.split(' ').nth(1).unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut asked = Asked {
        path: path.into(),
        query: query.into(),
        close: false,
        length: 0,
        chunked: false,
        key: None,
    };
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(Some(asked)) };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "connection" => asked.close |= value.eq_ignore_ascii_case("close"),
            "content-length" => asked.length = value.parse().unwrap_or(0),
            "transfer-encoding" => asked.chunked = value.eq_ignore_ascii_case("chunked"),
            "sec-websocket-key" => asked.key = Some(value.into()),
            _ => {}
        }
    }
}

/// Reads a body to its end; how large it was.
fn body(input: &mut impl BufRead, asked: &Asked) -> io::Result<usize> {
    if !asked.chunked {
        return pass(input, asked.length);
    }
    let mut came = 0;
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        came += pass(input, size)?;
        input.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(came);
        }
    }
}

fn pass(input: &mut impl BufRead, size: usize) -> io::Result<usize> {
    let read = io::copy(&mut input.take(size as u64), &mut io::sink())?;
    if read < size as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(size)
}

/// A body in pieces over some time; its last piece says who sent it, so that a body that was cut is seen.
fn trickle(out: &mut TcpStream, asked: &Asked, took: Duration, who: &str) -> io::Result<()> {
    let kind = if asked.path == "/events" { "text/event-stream" } else { "text/plain" };
    write!(
        out,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )?;
    let mut piece = |text: &str| write!(out, "{:x}\r\n{text}\r\n", text.len());
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < took {
        count += 1;
        piece(&format!("data: {count}\n\n"))?;
        thread::sleep(Duration::from_millis(100).min(took.saturating_sub(began.elapsed())));
    }
    piece(&format!("data: {who}\n"))?;
    write!(out, "0\r\n\r\n")
}
