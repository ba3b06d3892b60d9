//! What is too large for memory or takes long: archives that go out of a file and come into one, and answers that are told
//! value by value while an engine works.

use crate::client::{Engine, EngineError, Sent, refused};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::Value;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// So much of a file is in memory at once.
const PIECE: usize = 256 * 1024;
/// A value that is longer is not kept: no engine has so much to say at once.
const LONGEST: usize = 1024 * 1024;

/// An answer that is a list of values, one beside the other, as they come.
#[derive(Debug)]
pub struct Said {
    engine: Engine,
    body: Incoming,
    rest: Vec<u8>,
}

impl Said {
    /// The next value; none once the engine has said everything.
    pub async fn next(&mut self) -> Result<Option<Value>, EngineError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                match serde_json::from_slice(&line) {
                    Ok(value) => return Ok(Some(value)),
                    Err(_) => continue,
                }
            }
            let Some(frame) = self.body.frame().await else {
                let line = std::mem::take(&mut self.rest);
                return Ok(serde_json::from_slice(&line).ok());
            };
            let frame = frame.map_err(|err| self.engine.away(&err))?;
            if let Some(data) = frame.data_ref() {
                self.rest.extend_from_slice(data);
                if self.rest.len() > LONGEST {
                    self.rest.clear();
                }
            }
        }
    }

    /// All of it: the last value. Trouble is told in a value, too.
    pub async fn last(mut self) -> Result<Value, EngineError> {
        let mut last = Value::Null;
        while let Some(value) = self.next().await? {
            if let Some(why) = Self::trouble(&value) {
                return Err(refused(&why));
            }
            last = value;
        }
        Ok(last)
    }

    /// What a value says of something that failed.
    pub fn trouble(value: &Value) -> Option<String> {
        let said = value["errorDetail"]["message"].as_str().or(value["error"].as_str());
        said.map(|why| why.trim().to_string())
    }
}

impl Engine {
    /// Asks for something that takes long and is told about meanwhile.
    pub async fn told(
        &self,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Said, EngineError> {
        let body = self.stream(Method::POST, path, headers).await?;
        Ok(Said { engine: self.clone(), body, rest: Vec::new() })
    }

    /// Sends an archive that lies in a file, however long the engine works on it.
    pub async fn send_file(
        &self,
        path: &str,
        archive: &Path,
        headers: &[(&'static str, String)],
    ) -> Result<Said, EngineError> {
        let mut request = Self::request(Method::POST, path, None)?;
        let broken = |err: std::io::Error| refused(&format!("{}: {err}", archive.display()));
        let file = tokio::fs::File::open(archive).await.map_err(broken)?;
        let size = file.metadata().await.map_err(broken)?.len();
        let sent = request.headers_mut();
        sent.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        sent.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        for (name, value) in headers {
            let value = value.parse().map_err(|err| refused(&format!("{name}: {err}")))?;
            sent.insert(*name, value);
        }
        *request.body_mut() = pieces(file);
        let answer = self.judge(self.send(request, None).await?).await?;
        Ok(Said { engine: self.clone(), body: answer.into_body(), rest: Vec::new() })
    }

    /// Brings an answer into a file that is made anew; its size. An answer of more than `most` bytes is refused.
    pub async fn bring(&self, path: &str, into: &Path, most: u64) -> Result<u64, EngineError> {
        let broken = |err: std::io::Error| refused(&format!("{}: {err}", into.display()));
        let request: Request<Sent> = Self::request(Method::GET, path, None)?;
        let mut body = self.judge(self.send(request, None).await?).await?.into_body();
        let mut file = tokio::fs::File::create(into).await.map_err(broken)?;
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|err| self.away(&err))?;
            let Some(data) = frame.data_ref() else { continue };
            size += data.len() as u64;
            if size > most {
                return Err(refused(&format!("it is larger than {} MiB", most >> 20)));
            }
            file.write_all(data).await.map_err(broken)?;
        }
        file.sync_all().await.map_err(broken)?;
        Ok(size)
    }
}

/// A file as a body.
fn pieces(file: tokio::fs::File) -> Sent {
    let stream = futures::stream::try_unfold(file, |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let count = file.read_buf(&mut piece).await?;
        let next: Option<(Bytes, _)> = (count > 0).then(|| (piece.freeze(), file));
        Ok::<_, std::io::Error>(next)
    });
    StreamBody::new(stream.map_ok(Frame::data)).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_in_a_value() {
        let of = |text: &str| Said::trouble(&serde_json::from_str(text).unwrap_or_default());
        assert_eq!(of(r#"{"status":"Pulling"}"#), None);
        assert_eq!(of(r#"{"error":"no such manifest\n"}"#).as_deref(), Some("no such manifest"));
        assert_eq!(of(r#"{"errorDetail":{"message":"a"},"error":"b"}"#).as_deref(), Some("a"));
    }
}
