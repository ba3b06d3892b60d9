//! The program that the tests deploy: an HTTP server on nothing but the standard library, compiled once by the tests
//! themselves. What it does wrong, it does because its environment says so; it may use no crate.
//!
//! `HEALTH`: `fail` answers 500, `hang` answers never, `exit` ends at once, `mute` listens nowhere. `SAY`: `long` writes
//! one line of ten megabytes first, `bytes` writes every byte there is.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

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
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let (who, health) = (who.clone(), health.clone());
        thread::spawn(move || serve(stream, &who, &health));
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

fn serve(stream: TcpStream, who: &str, health: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(first)) = lines.next() {
        let mut close = false;
        for line in lines.by_ref() {
            let line = line?.to_ascii_lowercase();
            close |= line == "connection: close";
            if line.is_empty() {
                break;
            }
        }
        let path = first.split(' ').nth(1).unwrap_or("/");
        let (status, body) = match (path, health) {
            ("/healthz", "fail") => ("500 Internal Server Error", "the lock is shut\n"),
            ("/healthz", "hang") => loop {
                thread::park();
            },
            ("/healthz", _) => ("200 OK", "ok\n"),
            ("/slow", _) => {
                thread::sleep(Duration::from_millis(700));
                ("200 OK", who)
            }
            _ => ("200 OK", who),
        };
        let connection = if close { "close" } else { "keep-alive" };
        let length = body.len();
        write!(
            out,
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: {connection}\r\n\r\n{body}"
        )?;
        if close {
            break;
        }
    }
    Ok(())
}
