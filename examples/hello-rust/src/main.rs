//! A small HTTP/1.1 server on nothing but the standard library: `/` greets, `/healthz` says it is well.
//!
//! What the platform tells a program by its environment: PORT, where to listen; TOW_RELEASE and TOW_INSTANCE, who it is.
//! GREETING comes from the Score file.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A request line or header longer than this, or more headers than that, is nobody's honest request.
const LINE: u64 = 8 * 1024;
const HEADERS: usize = 100;
/// A body is read only to get to the next request.
const BODY: u64 = 1024 * 1024;

fn main() -> io::Result<()> {
    let port = env::var("PORT").unwrap_or_else(|_| "8080".into());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        // A visitor that is gone already is no reason to stop.
        let Ok(stream) = stream else { continue };
        std::thread::spawn(move || {
            let _ = serve(stream);
        });
    }
    Ok(())
}

/// Answers one request after the other, until the visitor leaves, asks to close, or is silent for a minute.
fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some(request) = read(&mut reader)? {
        let Some(request) = request else {
            return answer(&mut stream, 400, "bad request\n", true, false);
        };
        let path = request.target.split('?').next().unwrap_or_default();
        let (status, body) = match (request.method.as_str(), path) {
            ("GET" | "HEAD", "/") => (200, greeting()),
            ("GET" | "HEAD", "/healthz") => (200, "ok\n".into()),
            (_, "/" | "/healthz") => (405, "only GET\n".into()),
            _ => (404, "not here\n".into()),
        };
        answer(&mut stream, status, &body, request.close, request.method == "HEAD")?;
        if request.close {
            break;
        }
    }
    Ok(())
}

fn greeting() -> String {
    let of = |name: &str, fallback: &str| env::var(name).unwrap_or_else(|_| fallback.into());
    format!(
        "{}\nrelease {}, instance {}\n",
        of("GREETING", "Hello"),
        of("TOW_RELEASE", "none"),
        of("TOW_INSTANCE", "none")
    )
}

struct Request {
    method: String,
    target: String,
    /// No further request comes on this connection.
    close: bool,
}

/// The next request: `None` where the visitor left, `Some(None)` where it makes no sense.
fn read(reader: &mut impl BufRead) -> io::Result<Option<Option<Request>>> {
    let Some(first) = line(reader)? else { return Ok(None) };
    let mut parts = first.split(' ');
    let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next())
    else {
        return Ok(Some(None));
    };
    let mut close = version != "HTTP/1.1";
    let mut length = 0;
    for _ in 0..HEADERS {
        let Some(header) = line(reader)? else { return Ok(None) };
        if header.is_empty() {
            if length > BODY {
                close = true;
            } else if io::copy(&mut reader.by_ref().take(length), &mut io::sink())? < length {
                return Ok(None);
            }
            return Ok(Some(Some(Request { method: method.into(), target: target.into(), close })));
        }
        let Some((name, value)) = header.split_once(':') else { return Ok(Some(None)) };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "connection" => {
                let said = |word| value.split(',').any(|v| v.trim().eq_ignore_ascii_case(word));
                close = said("close") || (close && !said("keep-alive"));
            }
            "content-length" => match value.parse() {
                Ok(number) => length = number,
                Err(_) => return Ok(Some(None)),
            },
            // Where a chunked body ends is more than this server wants to know.
            "transfer-encoding" => close = true,
            _ => {}
        }
    }
    Ok(Some(None))
}

/// A line without its end; `None` at the end of everything.
fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    reader.by_ref().take(LINE).read_until(b'\n', &mut bytes)?;
    if bytes.pop() != Some(b'\n') {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn answer(to: &mut TcpStream, status: u16, body: &str, close: bool, head: bool) -> io::Result<()> {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        _ => "Method Not Allowed",
    };
    let connection = if close { "close" } else { "keep-alive" };
    let mut text = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: {connection}\r\n\r\n",
        body.len()
    );
    if !head {
        text.push_str(body);
    }
    to.write_all(text.as_bytes())
}
