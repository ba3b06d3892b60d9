//! HTTP/1.1 as bytes, on one connection that is kept: what is asked is sent as it was thought of, and a connection that
//! ends without an answer is seen.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What answers later than this is none.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long is a stream listened to that never ends.
const LISTEN: Duration = Duration::from_millis(60);

#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Of the operation it was made from.
    pub(super) operation: String,
    pub(super) method: String,
    /// Path and query as sent.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Everything in it, as people read it: decoded, lower case.
    pub(super) fn said(&self) -> String {
        let mut said = decoded(&self.target);
        for (name, value) in &self.headers {
            if name != "authorization" && name != "cookie" {
                said.push(' ');
                said.push_str(value);
            }
        }
        said.push(' ');
        said.push_str(&String::from_utf8_lossy(&self.body));
        said.to_lowercase()
    }

    /// For whoever wants to see it again.
    pub(super) fn curl(&self, origin: &str) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let mut text =
            format!("curl -isX {} {}", self.method, quoted(&format!("{origin}{}", self.target)));
        for (name, value) in &self.headers {
            text.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
        }
        if !self.body.is_empty() {
            let body: String = String::from_utf8_lossy(&self.body).chars().take(4000).collect();
            text.push_str(&format!(" --data-binary {}", quoted(&body)));
        }
        text
    }
}

/// Percent signs undone once.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match (bytes[at], hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Null where it is none.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Headers and body, as one text.
    pub(super) fn said(&self) -> String {
        let mut said = String::from_utf8_lossy(&self.body).into_owned();
        for (name, value) in &self.headers {
            said.push_str(&format!("\n{name}: {value}"));
        }
        said
    }
}

pub(super) struct Wire {
    /// `127.0.0.1:PORT`
    address: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Wire {
    pub(super) fn new(address: &str) -> Self {
        Self { address: address.into(), stream: None }
    }

    /// An error where nothing whole came, on a connection of its own too.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Answer, String> {
        if let Some(stream) = self.stream.take()
            && let Ok(answer) = self.exchange(stream, request)
        {
            return Ok(answer);
        }
        let stream = TcpStream::connect(&self.address).map_err(|e| format!("connect: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        self.exchange(BufReader::new(stream), request)
    }

    fn exchange(
        &mut self,
        mut stream: BufReader<TcpStream>,
        request: &Request,
    ) -> Result<Answer, String> {
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.target, self.address)
                .into_bytes();
        for (name, value) in &request.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !request.body.is_empty() || !matches!(request.method.as_str(), "GET" | "HEAD") {
            bytes.extend_from_slice(
                format!("content-length: {}\r\n", request.body.len()).as_bytes(),
            );
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&request.body);
        let say = |what: &str, error: std::io::Error| format!("{what}: {error}");
        stream.get_ref().set_read_timeout(Some(PATIENCE)).map_err(|e| say("socket", e))?;
        // Who is refused may be told so before everything is sent.
        let sent = stream.get_mut().write_all(&bytes);
        let mut line = String::new();
        stream.read_line(&mut line).map_err(|e| say("no status", e))?;
        if line.is_empty() {
            return Err(format!("the connection ended without an answer (sent: {sent:?})"));
        }
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut answer =
            Answer { status: status.ok_or(format!("no status: {line:?}"))?, ..Answer::default() };
        loop {
            let mut line = Vec::new();
            stream.read_until(b'\n', &mut line).map_err(|e| say("headers", e))?;
            let line = String::from_utf8_lossy(&line).trim_end().to_string();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or(format!("no header: {line}"))?;
            answer.headers.push((name.to_lowercase(), value.trim().to_string()));
        }
        if answer.header("content-type").starts_with("text/event-stream") {
            return Ok(Self::listen(stream, answer));
        }
        let whole = if request.method == "HEAD" || matches!(answer.status, 204 | 304) {
            Ok(())
        } else {
            Self::body(&mut stream, &mut answer)
        };
        whole.map_err(|e| say("the body broke off", e))?;
        if sent.is_ok() && answer.header("connection") != "close" {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    fn body(stream: &mut BufReader<TcpStream>, answer: &mut Answer) -> std::io::Result<()> {
        if answer.header("transfer-encoding") == "chunked" {
            loop {
                let mut line = String::new();
                stream.read_line(&mut line)?;
                let length =
                    usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
                let mut piece = vec![0; length + 2];
                stream.read_exact(&mut piece)?;
                answer.body.extend_from_slice(&piece[..length]);
                if length == 0 {
                    return Ok(());
                }
            }
        }
        if let Ok(length) = answer.header("content-length").parse::<usize>() {
            let mut piece = vec![0; length];
            stream.read_exact(&mut piece)?;
            answer.body = piece;
            return Ok(());
        }
        stream.read_to_end(&mut answer.body).map(|_| ())
    }

    /// What comes of a stream in a moment; then the connection is given up.
    fn listen(mut stream: BufReader<TcpStream>, mut answer: Answer) -> Answer {
        let _ = stream.get_ref().set_read_timeout(Some(LISTEN));
        let mut piece = [0; 16 * 1024];
        while answer.body.len() < 1 << 20 {
            match stream.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => answer.body.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        answer
    }
}
