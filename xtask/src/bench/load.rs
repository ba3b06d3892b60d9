//! Clients that ask one after the other over kept connections, on plain sockets, so that asking costs next to nothing.

use anyhow::{Context, Result, bail};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What is asked, by how many, for how long.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// `http://127.0.0.1:PORT`
    pub(super) url: String,
    /// Who asks.
    pub(super) token: String,
    /// In turn.
    pub(super) paths: Vec<String>,
    /// How many ask at the same time.
    pub(super) clients: usize,
    /// How long; nothing: each once.
    pub(super) time: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Answers in a second.
    pub(super) rate: f64,
    /// How long each took, in milliseconds.
    pub(super) millis: Vec<f64>,
    /// The last body.
    pub(super) last: String,
}

impl Asking {
    /// One request.
    pub(super) fn one(url: &str, token: &str, path: &str) -> Self {
        let (url, token) = (url.to_string(), token.to_string());
        Self { url, token, paths: vec![path.to_string()], clients: 1, time: Duration::ZERO }
    }
}

/// Asks; anything but 200 is an error.
pub(super) fn ask(asking: &Asking) -> Result<Asked> {
    let begun = Instant::now();
    let parts: Vec<Result<Asked>> = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..asking.clients).map(|n| scope.spawn(move || client(asking, n))).collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| bail!("a client panicked")))
            .collect()
    });
    let taken = begun.elapsed().as_secs_f64();
    let mut all = Asked::default();
    for part in parts {
        let part = part?;
        all.millis.extend(part.millis);
        all.last = part.last;
    }
    all.rate = all.millis.len() as f64 / taken;
    Ok(all)
}

fn client(asking: &Asking, number: usize) -> Result<Asked> {
    let address = asking.url.trim_start_matches("http://");
    let stream = TcpStream::connect(address).with_context(|| address.to_string())?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::with_capacity(64 << 10, stream.try_clone()?);
    let (mut writer, mut asked, mut body) = (stream, Asked::default(), Vec::new());
    let begun = Instant::now();
    // Far apart, so that none asks what another has just asked.
    let mut turn = number * asking.paths.len() / asking.clients;
    loop {
        let path = &asking.paths[turn % asking.paths.len()];
        turn += 1;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\r\n",
            asking.token
        );
        let sent = Instant::now();
        writer.write_all(request.as_bytes())?;
        let status = answer(&mut reader, &mut body)?;
        asked.millis.push(sent.elapsed().as_secs_f64() * 1e3);
        if status != 200 {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&body));
        }
        if begun.elapsed() >= asking.time {
            asked.last = String::from_utf8_lossy(&body).into_owned();
            return Ok(asked);
        }
    }
}

fn answer(reader: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> Result<u16> {
    let (mut line, mut status, mut length) = (String::new(), 0, None);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        let text = line.trim_end();
        if status == 0 {
            status =
                text.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status")?;
        } else if text.is_empty() {
            break;
        } else if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse::<usize>()?);
        }
    }
    body.resize(length.context("an answer without a length")?, 0);
    reader.read_exact(body)?;
    Ok(status)
}
