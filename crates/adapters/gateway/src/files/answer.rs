//! A file as an answer: type, length, validators, ranges, packed texts, headers that its site says.

use super::found::{self, Found};
use super::packed::{Packed, takes_gzip};
use bytes::Bytes;
use futures::TryStreamExt;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use std::collections::BTreeMap;
use std::io::{self, Read, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// How much is read at a time.
const PIECE: usize = 64 * 1024;
/// Artifacts are packed with one constant time for all files; what is older than this says nothing.
const MEANT: Duration = Duration::from_secs(20 * 365 * 86_400);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What a file was when its tag was made: length, change time, inode.
type Stamp = (u64, i64, i64, u64);

/// A folder and the tags of its files.
pub(super) struct Site {
    root: PathBuf,
    tags: Mutex<BTreeMap<PathBuf, (Stamp, String)>>,
    packed: Packed,
    says: tow_record::Site,
}

struct Piece {
    file: std::fs::File,
    length: u64,
    tag: String,
    modified: Option<SystemTime>,
    /// The body in gzip's format, where that is what goes out.
    packed: Option<Bytes>,
}

impl Site {
    /// The folder must be there.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        std::fs::read_dir(&root)?;
        let says = match std::fs::read(root.join(tow_record::Site::FILE)) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => tow_record::Site::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { root, tags: Mutex::default(), packed: Packed::default(), says })
    }

    /// Answers a request; its body is not looked at.
    pub(super) async fn answer(
        self: &std::sync::Arc<Self>,
        request: &Request<Incoming>,
    ) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            set(&mut response, ALLOW, "GET, HEAD");
            return response;
        }
        let head = *request.method() == Method::HEAD;
        let path = request.uri().path().to_string();
        let packs = takes_gzip(request.headers()) && !request.headers().contains_key(RANGE);
        let site = self.clone();
        let opened = tokio::task::spawn_blocking(move || site.open(&path, packs)).await;
        let mut response = match opened {
            Ok(Ok(Opened::File(path, piece))) => {
                file(&path, piece, request.headers(), head, StatusCode::OK).await
            }
            Ok(Ok(Opened::Slash)) => slash(request),
            Ok(Ok(Opened::Missing(Some((path, piece))))) => {
                let mut response =
                    file(&path, piece, &HeaderMap::new(), head, StatusCode::NOT_FOUND).await;
                response.headers_mut().remove(ETAG);
                response.headers_mut().remove(LAST_MODIFIED);
                response
            }
            Ok(Ok(Opened::Missing(None))) => text(StatusCode::NOT_FOUND, "404 not found\n"),
            _ => text(StatusCode::INTERNAL_SERVER_ERROR, "500 the file could not be read\n"),
        };
        if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
            for (name, value) in self.says.headers_of(request.uri().path()) {
                if let (Ok(name), Ok(value)) =
                    (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
                {
                    response.headers_mut().insert(name, value);
                }
            }
        }
        response
    }

    /// Blocking: looks for the file, opens it and makes its tag.
    fn open(&self, path: &str, packs: bool) -> io::Result<Opened> {
        let shown = |file: PathBuf| -> io::Result<(PathBuf, Piece)> {
            let mut piece = self.piece(file.clone())?;
            if packs && is_text(&mime_guess::from_path(&file).first_or_octet_stream()) {
                self.pack(&file, &mut piece);
            }
            Ok((file, piece))
        };
        let opened = |(file, piece)| Opened::File(file, piece);
        match found::find(&self.root, path) {
            Found::File(file) => shown(file).map(opened),
            Found::Slash => Ok(Opened::Slash),
            Found::Nothing => {
                // What looks like a file is one that is missing, and no page of the application.
                let is_page = !path.rsplit('/').next().unwrap_or_default().contains('.');
                let fallback = self.says.fallback.as_ref().filter(|_| is_page);
                let fallback = fallback.map(|file| found::find(&self.root, &format!("/{file}")));
                if let Some(Found::File(file)) = fallback {
                    return shown(file).map(opened);
                }
                Ok(Opened::Missing(match found::find(&self.root, "/404.html") {
                    Found::File(file) => Some((file.clone(), self.piece(file)?)),
                    _ => None,
                }))
            }
        }
    }

    fn pack(&self, file: &Path, piece: &mut Piece) {
        if Packed::is_worth_while(piece.length)
            && let Some(body) = self.packed.pack(&piece.tag, || std::fs::read(file))
        {
            // Another body, another tag (RFC 9110, section 8.8.3).
            piece.tag = format!("{}-gz\"", piece.tag.trim_end_matches('"'));
            piece.length = body.len() as u64;
            piece.packed = Some(body);
        }
    }

    fn piece(&self, path: PathBuf) -> io::Result<Piece> {
        let mut file = std::fs::File::open(&path)?;
        let seen = file.metadata()?;
        let stamp = (seen.len(), seen.mtime(), seen.mtime_nsec(), seen.ino());
        let known = self
            .tags
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&path)
            .filter(|(made_of, _)| *made_of == stamp)
            .map(|(_, tag)| tag.clone());
        let tag = match known {
            Some(tag) => tag,
            None => {
                let tag = tag_of(&mut file)?;
                io::Seek::rewind(&mut file)?;
                let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
                tags.insert(path, (stamp, tag.clone()));
                tag
            }
        };
        let modified = seen.modified().ok().filter(|at| {
            at.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since > MEANT)
        });
        Ok(Piece { file, length: seen.len(), tag, modified, packed: None })
    }
}

enum Opened {
    File(PathBuf, Piece),
    Slash,
    /// With the site's own page for that, if it has one.
    Missing(Option<(PathBuf, Piece)>),
}

/// Of the content: times say nothing in an artifact, and a rollback must not leave stale pages in browsers.
fn tag_of(file: &mut std::fs::File) -> io::Result<String> {
    let mut hasher = tow_names::Hasher::default();
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("\"{}\"", &hasher.finish().hex()[..20])),
            count => hasher.update(&buffer[..count]),
        }
    }
}

async fn file(
    path: &Path,
    piece: Piece,
    asked: &HeaderMap,
    head: bool,
    status: StatusCode,
) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    set(&mut response, ETAG, &piece.tag);
    // Kept by browsers, but asked for again each time: a deployment shows at once.
    set(&mut response, CACHE_CONTROL, "no-cache");
    if let Some(modified) = piece.modified {
        set(&mut response, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
    if is_text(&mime_guess::from_path(path).first_or_octet_stream()) {
        set(&mut response, VARY, ACCEPT_ENCODING.as_str());
    }
    if unchanged(&piece, asked) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut response, ACCEPT_RANGES, "bytes");
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let charset =
        if is_text(&kind) && kind.get_param("charset").is_none() { "; charset=utf-8" } else { "" };
    set(&mut response, CONTENT_TYPE, &format!("{kind}{charset}"));

    if let Some(body) = piece.packed {
        set(&mut response, CONTENT_ENCODING, "gzip");
        set(&mut response, CONTENT_LENGTH, &body.len().to_string());
        if !head {
            *response.body_mut() = Full::new(body).map_err(|never| match never {}).boxed_unsync();
        }
        return response;
    }
    let (from, length) = match range(asked, &piece) {
        Wanted::All => (0, piece.length),
        Wanted::Part(from, to) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, CONTENT_RANGE, &format!("bytes {from}-{to}/{}", piece.length));
            (from, to - from + 1)
        }
        Wanted::Nothing => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            set(&mut response, CONTENT_RANGE, &format!("bytes */{}", piece.length));
            return response;
        }
    };
    set(&mut response, CONTENT_LENGTH, &length.to_string());
    if !head {
        match stream(piece.file, from, length).await {
            Ok(body) => *response.body_mut() = body,
            Err(_) => {
                return text(StatusCode::INTERNAL_SERVER_ERROR, "500 the file could not be read\n");
            }
        }
    }
    response
}

/// Is it read by people or parsers, and so gets a character set and fewer bytes?
fn is_text(kind: &mime_guess::Mime) -> bool {
    kind.type_() == "text"
        || matches!(
            kind.essence_str(),
            "application/javascript"
                | "application/json"
                | "application/manifest+json"
                | "application/wasm"
                | "application/xml"
                | "image/svg+xml"
        )
}

async fn stream(file: std::fs::File, from: u64, length: u64) -> io::Result<Body> {
    let mut file = tokio::fs::File::from_std(file);
    if from > 0 {
        file.seek(SeekFrom::Start(from)).await?;
    }
    if length <= PIECE as u64 {
        let mut bytes = Vec::with_capacity(length as usize);
        file.take(length).read_to_end(&mut bytes).await?;
        return Ok(Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync());
    }
    let pieces = ReaderStream::with_capacity(file.take(length), PIECE);
    Ok(StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync())
}

fn unchanged(piece: &Piece, asked: &HeaderMap) -> bool {
    if asked.contains_key(IF_NONE_MATCH) {
        return asked
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag == piece.tag);
    }
    let since = asked.get(IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = since.and_then(|text| httpdate::parse_http_date(text).ok());
    match (since, piece.modified) {
        // Dates of HTTP have whole seconds.
        (Some(since), Some(modified)) => modified < since + Duration::from_secs(1),
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// First and last byte.
    Part(u64, u64),
    /// A part that is not there.
    Nothing,
}

fn range(asked: &HeaderMap, piece: &Piece) -> Wanted {
    let Some(text) = asked.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Wanted::All;
    };
    // Only the same content can be continued; a date is never sure enough.
    if asked.get(IF_RANGE).is_some_and(|value| value.as_bytes() != piece.tag.as_bytes()) {
        return Wanted::All;
    }
    part(text, piece.length)
}

/// One part; several at once are answered by the whole, which RFC 9110 allows.
fn part(text: &str, length: u64) -> Wanted {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|rest| rest.split_once('-'))
    else {
        return Wanted::All;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= length => Wanted::Nothing,
        (Ok(first), Ok(last)) if first <= last => Wanted::Part(first, last.min(length - 1)),
        (Ok(first), Err(_)) if last.is_empty() => Wanted::Part(first, length - 1),
        (Err(_), Ok(0)) if first.is_empty() => Wanted::Nothing,
        (Err(_), Ok(_)) if first.is_empty() && length == 0 => Wanted::Nothing,
        (Err(_), Ok(count)) if first.is_empty() => {
            Wanted::Part(length.saturating_sub(count), length - 1)
        }
        _ => Wanted::All,
    }
}

fn slash(request: &Request<Incoming>) -> Response<Body> {
    // One slash in front, whatever was asked: `//host/` would lead elsewhere.
    let path = format!("/{}/", request.uri().path().trim_matches('/'));
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = text(StatusCode::PERMANENT_REDIRECT, "");
    set(&mut response, LOCATION, &format!("{path}{query}"));
    response
}

fn empty() -> Body {
    Full::default().map_err(|never| match never {}).boxed_unsync()
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "text/plain; charset=utf-8");
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_rfc_9110_says() {
        for (text, length, expected) in [
            ("bytes=0-3", 10, Wanted::Part(0, 3)),
            ("bytes=4-", 10, Wanted::Part(4, 9)),
            ("bytes=4-99", 10, Wanted::Part(4, 9)),
            ("bytes=-3", 10, Wanted::Part(7, 9)),
            ("bytes=-99", 10, Wanted::Part(0, 9)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=-0", 10, Wanted::Nothing),
            ("bytes=0-", 0, Wanted::Nothing),
            ("bytes=-1", 0, Wanted::Nothing),
            ("bytes=3-1", 10, Wanted::All),
            ("bytes=0-1,3-4", 10, Wanted::All),
            ("lines=0-1", 10, Wanted::All),
            ("bytes=x", 10, Wanted::All),
        ] {
            assert_eq!(part(text, length), expected, "{text} of {length}");
        }
    }
}
