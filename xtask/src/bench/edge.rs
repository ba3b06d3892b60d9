//! The gateway by itself: what ten thousand routes cost it, how soon a change of one is served, and what it does with
//! small answers beside nginx and HAProxy, which hand on the same requests to the same server.

use super::figure::{Figure, quantile};
use super::peers::{self, Peer};
use super::sockets;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// In the large table.
const ROUTES: usize = 10_000;
/// Who ask at the same time.
const CLIENTS: usize = 16;
/// Each of the three is measured so often, in turn.
const RUNS: usize = 5;

/// What is measured of one that hands requests on.
#[derive(Debug, Default)]
struct Taken {
    /// Answers in a second.
    rate: Vec<f64>,
    /// Processor time for each, in microseconds.
    cpu: Vec<f64>,
    /// What 99 of 100 answers do not exceed, in milliseconds.
    p99: Vec<f64>,
}

/// Measures everything.
pub(super) fn measure(
    tow: &Path,
    scratch: &Path,
    short: bool,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    std::fs::create_dir_all(scratch)?;
    let server = server()?;
    let time = Duration::from_secs(if short { 1 } else { 4 });
    routes(tow, &scratch.join("routes"), server, time, figures)?;
    sockets::measure(tow, scratch, figures)?;
    beside(tow, scratch, server, time, figures)
}

/// Small answers from a server of our own, on a thread for each connection.
fn server() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(port)
}

fn answer(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut writer, mut line) = (stream, Vec::new());
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line == b"\r\n" {
            writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")?;
        }
    }
}

/// A gateway and nothing else of the platform.
pub(super) struct Gateway {
    dir: PathBuf,
    pub(super) port: u16,
    child: Child,
}

impl Gateway {
    pub(super) fn start(tow: &Path, dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut child = Command::new(tow)
            .arg("gateway")
            .arg(dir)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", tow.display()))?;
        let stdout = child.stdout.take().context("the gateway has no stdout")?;
        let mut port = 0;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if let Some(said) = line.strip_prefix("listening on 127.0.0.1:") {
                port = said.parse()?;
            }
            if line == "ready" {
                return Ok(Self { dir: dir.to_path_buf(), port, child });
            }
        }
        bail!("the gateway ended: {}", child.wait()?)
    }

    /// One question over its control socket.
    pub(super) fn control(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let mut stream = UnixStream::connect(self.dir.join("ctl.sock"))?;
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        Ok(serde_json::from_str(body)?)
    }

    /// Its proportional set size, in megabytes.
    pub(super) fn memory(&self) -> Result<f64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let pss = pss.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        Ok(pss.context("an odd /proc")? / 1e3)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A route as the gateway is told of it. All of them share a port of their own: a listener for each is not what is
/// measured.
pub(super) fn route(number: usize, path: &str, port: u16, server: u16) -> Value {
    json!({
        "id": format!("route-{number:05}"),
        "hosts": [format!("h{number}.example.test")],
        "path": path,
        "port": port,
        "component": "bench",
        "environment": "development",
        "targets": [{
            "instance": format!("i-{number}"),
            "address": format!("127.0.0.1:{server}"),
            "release": 1,
            "deployment": 1,
        }],
        "state": "live",
        "reason": "",
        "mode": {"mode": "serving"},
        "rules": {},
    })
}

fn routes(
    tow: &Path,
    dir: &Path,
    server: u16,
    time: Duration,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let gateway = Gateway::start(tow, dir)?;
    let own = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let put = |revision: usize, count: usize| {
        let all: Vec<Value> = (0..count).map(|number| route(number, "/", own, server)).collect();
        gateway.control("PUT", "/routes", &json!({"epoch": 1, "revision": revision, "routes": all}))
    };
    put(1, 10)?;
    let few = load(gateway.port, "h5.example.test", time)?;
    let begun = Instant::now();
    let boot = put(2, ROUTES)?["boot"].as_str().unwrap_or_default().to_string();
    let whole = begun.elapsed().as_secs_f64() * 1e3;
    let many = load(gateway.port, "h5005.example.test", time)?;
    let name = format!("lookup among {ROUTES} routes: median of an answer");
    let median = |taken: &Loaded| quantile(&taken.millis, 0.5);
    figures.push(
        Figure::median(&name, "ms", median(&few) * 1.25, vec![median(&many)])
            .beside("among 10", vec![median(&few)]),
    );
    let mut taken = Vec::new();
    for step in 0..50 {
        let path = format!("/v{step}");
        let change = json!({
            "base": [1, step + 2],
            "epoch": 1,
            "revision": step + 3,
            "put": [route(5005, &path, own, server)],
            "drop": [],
        });
        let begun = Instant::now();
        gateway.control("PATCH", &format!("/routes?boot={boot}"), &change)?;
        let status = once(gateway.port, "h5005.example.test", &path)?;
        taken.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(status == 200, "{path} was answered {status}");
    }
    let name = format!("one route of {ROUTES} changed → answered by it");
    figures.push(Figure::most(&name, "ms", 50.0, taken).beside("all of them put", vec![whole]));
    Ok(())
}

/// Beside the others, in turn, so that what else the machine does meets all alike.
fn beside(
    tow: &Path,
    scratch: &Path,
    server: u16,
    time: Duration,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let gateway = Gateway::start(tow, &scratch.join("beside"))?;
    let set = json!({"epoch": 1, "revision": 1, "routes": [route(1, "/", 0, server)]});
    gateway.control("PUT", "/routes", &set)?;
    let peers = peers::start(&scratch.join("peers"), server)?;
    let mut all: Vec<(&str, u16, u32, Taken)> =
        vec![("gateway", gateway.port, gateway.child.id(), Taken::default())];
    all.extend(peers.iter().map(|Peer { name, port, .. }| (*name, *port, 0, Taken::default())));
    for (peer, entry) in peers.iter().zip(all.iter_mut().skip(1)) {
        entry.2 = peer.pid();
    }
    for _ in 0..RUNS {
        for (_, port, pid, taken) in &mut all {
            let before = cpu(*pid)?;
            let loaded = load(*port, "h1.example.test", time)?;
            let spent = cpu(*pid)? - before;
            taken.rate.push(loaded.millis.len() as f64 / loaded.seconds);
            taken.cpu.push(spent * 1e6 / loaded.millis.len() as f64);
            taken.p99.push(quantile(&loaded.millis, 0.99));
        }
    }
    let median = |samples: &[f64]| quantile(samples, 0.5);
    for (name, _, _, taken) in &all {
        println!(
            "measured: small answers by {name}: {:.0}/s, {:.1} µs of processor each, p99 {:.2} ms",
            median(&taken.rate),
            median(&taken.cpu),
            median(&taken.p99)
        );
    }
    let (own, others) = all.split_first().context("nothing was measured")?;
    let of = |pick: fn(&Taken) -> &Vec<f64>| others.iter().map(move |other| median(pick(&other.3)));
    // The better one of them in each.
    let Some(rate) = of(|taken| &taken.rate).max_by(f64::total_cmp) else { return Ok(()) };
    let least = |pick| of(pick).min_by(f64::total_cmp).unwrap_or(f64::NAN);
    let (cpu, p99) = (least(|taken| &taken.cpu), least(|taken| &taken.p99));
    let beside = "the better of nginx and HAProxy";
    figures.push(
        Figure::least("small answers, keep-alive", "/s", 0.8 * rate, median(&own.3.rate))
            .beside(beside, vec![rate]),
    );
    figures.push(
        Figure::median("processor for a small answer", "µs", 1.5 * cpu, own.3.cpu.clone())
            .beside(beside, vec![cpu]),
    );
    figures.push(
        Figure::median("p99 of small answers", "ms", 1.5 * p99, own.3.p99.clone())
            .beside(beside, vec![p99]),
    );
    Ok(())
}

/// Seconds of processor time that a process and its children took so far.
fn cpu(pid: u32) -> Result<f64> {
    let mut spent = own_cpu(pid)?;
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    for child in children.split_whitespace() {
        spent += own_cpu(child.parse()?)?;
    }
    Ok(spent)
}

fn own_cpu(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(')').context("an odd /proc")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    // In hundredths of a second, on every Linux that we know.
    Ok(ticks as f64 / 100.0)
}

/// What came of asking for a while.
struct Loaded {
    millis: Vec<f64>,
    seconds: f64,
}

/// Asks over kept connections.
fn load(port: u16, host: &str, time: Duration) -> Result<Loaded> {
    let begun = Instant::now();
    let parts: Vec<Result<Vec<f64>>> = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(move || client(port, host, time))).collect();
        let joined = clients.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|part| part.unwrap_or_else(|_| bail!("a client panicked"))).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let mut millis = Vec::new();
    for part in parts {
        millis.extend(part?);
    }
    Ok(Loaded { millis, seconds })
}

fn client(port: u16, host: &str, time: Duration) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let (mut buffer, mut millis) = (vec![0; 16 * 1024], Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < time {
        let sent = Instant::now();
        stream.write_all(request.as_bytes())?;
        let mut count = 0;
        // Its body is its last word.
        while !buffer[..count].ends_with(b"\r\n\r\nhello") {
            let more = stream.read(&mut buffer[count..])?;
            ensure!(more > 0, "closed after {:?}", String::from_utf8_lossy(&buffer[..count]));
            count += more;
        }
        ensure!(buffer.starts_with(b"HTTP/1.1 200"), "an odd answer");
        millis.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    Ok(millis)
}

/// The status of one answer.
fn once(port: u16, host: &str, path: &str) -> Result<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    answer.split(' ').nth(1).and_then(|text| text.parse().ok()).context("no status")
}
