//! Reads path, query and body of a request into an endpoint's types. What the endpoint does not know is refused, not
//! ignored: a misspelt field would otherwise silently do nothing.

use crate::answer::Refusal;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, RawPathParams};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header, request::Parts};
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tow_record::{SourceLine, Violation};

/// The longest JSON body.
const LONGEST: usize = 8 << 20;
/// So much of a longer one is read and thrown away: a client that is still sending would not see the answer.
const PATIENCE: usize = 64 << 20;
/// How much of a line an error shows.
const SNIPPET: usize = 160;

/// Path parameters, each read as what the field is.
pub(crate) async fn path<P: DeserializeOwned + Send>(parts: &mut Parts) -> Result<P, Refusal> {
    let bad = |why: String| Refusal::new("request/path", format!("the path: {why}"));
    let some = RawPathParams::from_request_parts(parts, &()).await;
    if some.map_or(true, |params| params.iter().next().is_none()) {
        let none = Value::Object(serde_json::Map::new());
        return serde_json::from_value(none).map_err(|error| bad(error.to_string()));
    }
    let read = Path::<P>::from_request_parts(parts, &()).await;
    read.map(|Path(path)| path).map_err(|error| bad(error.body_text()))
}

/// Query parameters.
pub(crate) fn query<Q: DeserializeOwned + Serialize>(parts: &Parts) -> Result<Q, Refusal> {
    let bad = |detail: String| Refusal::new("request/query", detail);
    let read = Query::<Q>::try_from_uri(&parts.uri)
        .map_err(|error| bad(format!("the query: {}", error.body_text())))?
        .0;
    let given: Query<Vec<(String, String)>> = Query::try_from_uri(&parts.uri)
        .map_err(|error| bad(format!("the query: {}", error.body_text())))?;
    let known = serde_json::to_value(&read).unwrap_or_default();
    match given.0.iter().find(|(name, value)| !value.is_empty() && known.get(name).is_none()) {
        Some((name, _)) => Err(bad(format!("the query: there is no parameter {name:?}"))
            .hint("its parameters are listed in /api/v1/openapi.json")),
        None => Ok(read),
    }
}

/// A JSON body; none counts as `{}`.
pub(crate) async fn body<B: DeserializeOwned + Serialize>(
    headers: &HeaderMap,
    body: Body,
) -> Result<B, Refusal> {
    let bytes = collect(body).await?;
    if bytes.is_empty() {
        return read(b"{}");
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::new(
            "request/content-type",
            format!("the body is said to be {:?}, expected application/json", kind.unwrap_or("")),
        )
        .hint("send the header Content-Type: application/json"));
    }
    read(&bytes)
}

pub(crate) async fn collect(mut body: Body) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let detail = format!("the body broke off: {error}");
            Refusal::new("request/broken-off", detail)
        })?;
        let Some(piece) = frame.data_ref() else { continue };
        length += piece.len();
        if length <= LONGEST {
            bytes.extend_from_slice(piece);
        } else if length > PATIENCE {
            break;
        }
    }
    if length <= LONGEST {
        return Ok(bytes.freeze());
    }
    Err(Refusal::new("request/too-large", "the body is longer than 8 MiB")
        .hint("apply in several parts; folders are uploaded to /api/v1/sources"))
}

fn read<B: DeserializeOwned + Serialize>(text: &[u8]) -> Result<B, Refusal> {
    let value: B = serde_json::from_slice(text).map_err(|error| located(text, &error))?;
    // Only an accepted body is compared with what was understood of it.
    let given: Value = serde_json::from_slice(text).map_err(|error| located(text, &error))?;
    let known = serde_json::to_value(&value).unwrap_or_default();
    match unknown(&given, &known, &mut String::new()) {
        None => Ok(value),
        Some(pointer) => {
            let name = pointer.rsplit('/').next().unwrap_or_default().to_string();
            let mut refusal = Refusal::new(
                "request/unknown-field",
                format!("the body: there is no field {name:?}"),
            );
            refusal.0.violations.push(Violation {
                code: "request/unknown-field".into(),
                source: find(text, &name),
                pointer,
                message: format!("there is no field {name:?}"),
                expected: "a field of the contract".into(),
                hint: Some("the body's fields are listed in /api/v1/openapi.json".into()),
            });
            Err(refusal)
        }
    }
}

/// The first field that was given but not understood. What says nothing may be left out of what was understood.
fn unknown(given: &Value, known: &Value, pointer: &mut String) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.iter().find_map(|(name, value)| {
            let length = pointer.len();
            pointer.push('/');
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
            let found = match known.get(name) {
                None if !says_nothing(value) => Some(pointer.clone()),
                None => None,
                Some(known) => unknown(value, known, pointer),
            };
            pointer.truncate(length);
            found
        }),
        (Value::Array(given), Value::Array(known)) => {
            given.iter().zip(known).enumerate().find_map(|(at, (given, known))| {
                let length = pointer.len();
                pointer.push_str(&format!("/{at}"));
                let found = unknown(given, known, pointer);
                pointer.truncate(length);
                found
            })
        }
        _ => None,
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn located(text: &[u8], error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_string();
    let (code, what) = match error.classify() {
        serde_json::error::Category::Data => ("request/body", "the body does not hold"),
        _ => ("request/json", "the body is not JSON"),
    };
    let mut refusal = Refusal::new(
        code,
        format!("{what}, line {} column {}: {message}", error.line(), error.column()),
    );
    refusal.0.violations.push(Violation {
        code: code.into(),
        pointer: String::new(),
        message,
        expected: "the body as /api/v1/openapi.json describes it".into(),
        hint: None,
        source: Some(line(text, error.line(), error.column().max(1), 1)),
    });
    refusal
}

/// Where a field's name stands first.
fn find(text: &[u8], name: &str) -> Option<SourceLine> {
    let text_str = std::str::from_utf8(text).ok()?;
    let quoted = serde_json::to_string(name).ok()?;
    let at = text_str.find(&quoted)?;
    let before = &text_str[..at];
    let number = before.matches('\n').count() + 1;
    let col = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(line(text, number, col, quoted.chars().count()))
}

fn line(text: &[u8], number: usize, col: usize, length: usize) -> SourceLine {
    let whole = text.split(|byte| *byte == b'\n').nth(number.saturating_sub(1)).unwrap_or_default();
    let whole = String::from_utf8_lossy(whole);
    // A body is often one long line: show what is around the place, and count from there.
    let skip = if col > SNIPPET { col - SNIPPET / 2 } else { 0 };
    SourceLine {
        file: "body".into(),
        line: u32::try_from(number).unwrap_or(u32::MAX),
        col: u32::try_from(col - skip).unwrap_or(u32::MAX),
        length: u32::try_from(length).unwrap_or(1),
        snippet: whole.chars().skip(skip).take(SNIPPET).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_api::object::apply::Body as Apply;
    use tow_api::plan::create::Body as Plan;

    #[test]
    fn broken_json_is_located() {
        let refusal = read::<Apply>(b"{\"documents\": [],\n \"dry_run\": yes}").expect_err("bad");
        let source = refusal.0.violations[0].source.clone().expect("a place");
        assert_eq!((refusal.0.code.as_str(), source.line, source.col), ("request/json", 2, 13));
        assert_eq!(source.snippet, " \"dry_run\": yes}");
    }

    #[test]
    fn unknown_fields_are_refused_where_they_stand() {
        let refusal =
            read::<Plan>(b"{\"change\":\"deploy\",\n\"enviroment\":\"x\"}").expect_err("bad");
        assert_eq!(refusal.0.violations[0].pointer, "/enviroment");
        let source = refusal.0.violations[0].source.clone().expect("a place");
        assert_eq!((source.line, source.col, source.length), (2, 1, 12));
        let text = br#"{"change":"config","set":{"A":"1"},"component":null}"#;
        assert!(read::<Plan>(text).is_ok());
        let nested = br#"{"documents":[{"name":"a","text":"b","mode":"c"}]}"#;
        let refusal = read::<Apply>(nested).expect_err("bad");
        assert_eq!(refusal.0.violations[0].pointer, "/documents/0/mode");
    }
}
