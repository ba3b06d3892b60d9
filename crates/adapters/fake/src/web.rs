//! The port `web`: pages that a test puts there, receivers that answer as a test says, and everything they were sent.

use crate::World;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tow_names::{Digest, Duration};
use tow_ports::{Answer, Fetched, Web, WebError, WebLimits, When};

/// What a receiver does with one post; once its list is used up it answers 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebScript {
    /// Takes it, and answers with this status.
    Answers(u16),
    /// Answers 429 and asks for so much patience.
    AsksToWait(Duration),
    /// Does not answer: nothing arrived.
    Away,
    /// Takes it, and its answer is lost.
    AnswerLost,
}

/// Something that was posted and arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Where.
    pub url: String,
    /// With which headers.
    pub headers: Vec<(String, String)>,
    /// What.
    pub body: Bytes,
}

impl Received {
    /// A header's value, by its name in lower case; empty where it was not sent.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map_or("", |(_, value)| value)
    }
}

#[derive(Clone, Default)]
pub(crate) struct WebState {
    pages: BTreeMap<String, Bytes>,
    scripts: BTreeMap<String, VecDeque<WebScript>>,
    received: Vec<Received>,
}

impl WebState {
    /// What receivers that tell repeats by their id have, each message once, in the order of first arrival.
    pub(crate) fn snapshot(&self) -> Value {
        let mut seen = Vec::new();
        let mut kept = Vec::new();
        for one in &self.received {
            let key = (&one.url, one.header("webhook-id"));
            if !seen.contains(&key) {
                seen.push(key);
                let body: Value = serde_json::from_slice(&one.body).unwrap_or_default();
                kept.push(json!({ "url": one.url, "message": key.1, "body": body }));
            }
        }
        Value::Array(kept)
    }

    fn take(&mut self, url: &str, headers: &[(String, String)], body: &Bytes) {
        let (url, headers) = (url.to_string(), headers.to_vec());
        self.received.push(Received { url, headers, body: body.clone() });
    }
}

impl World {
    /// At this URL there is this page from here on; its ETag is its digest.
    pub fn page(&self, url: &str, bytes: impl Into<Bytes>) {
        self.act(|state, _| state.web.pages.insert(url.to_string(), bytes.into()));
    }
    /// The receiver at this URL does this with what it is sent next, one after the other.
    pub fn receiver(&self, url: &str, script: impl IntoIterator<Item = WebScript>) {
        self.act(|state, _| {
            state.web.scripts.entry(url.to_string()).or_default().extend(script);
        });
    }
    /// Everything that arrived, in order, repeats included.
    pub fn received(&self) -> Vec<Received> {
        self.look(|state, _| state.web.received.clone())
    }
}

/// Nobody is asked.
#[derive(Debug, Clone)]
pub struct FakeWeb {
    world: Arc<World>,
}

impl FakeWeb {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

fn away(url: &str) -> WebError {
    WebError::Connect { host: url.into(), why: "failed on request".into() }
}

fn lost(url: &str) -> WebError {
    WebError::Broken { host: url.into(), why: "failed on request".into() }
}

#[async_trait]
impl Web for FakeWeb {
    fn check(&self, url: &str) -> Result<(), WebError> {
        let asked = url.starts_with("http://") || url.starts_with("https://");
        let bad = || WebError::Url { url: url.into(), why: "only http and https are asked".into() };
        if asked { Ok(()) } else { Err(bad()) }
    }

    async fn get(
        &self,
        url: &str,
        etag: Option<&str>,
        limits: WebLimits,
    ) -> Result<Fetched, WebError> {
        self.check(url)?;
        if self.world.fault("web.get").is_some() {
            return Err(away(url));
        }
        let page = self.world.look(|state, _| state.web.pages.get(url).cloned());
        let bytes = page.ok_or(WebError::Status { host: url.into(), status: 404 })?;
        if bytes.len() as u64 > limits.size {
            return Err(WebError::TooLarge { host: url.into(), limit: limits.size });
        }
        let is = format!("\"{}\"", Digest::of(&bytes).hex());
        if etag == Some(is.as_str()) {
            return Ok(Fetched::NotModified);
        }
        Ok(Fetched::Body { bytes, etag: Some(is) })
    }

    async fn post(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: Bytes,
        _: WebLimits,
    ) -> Result<Answer, WebError> {
        self.check(url)?;
        let fault = self.world.fault("web.post");
        if fault == Some(When::Before) {
            return Err(away(url));
        }
        let plain = |status| Answer { status, excerpt: String::new(), retry_after: None };
        let answer = self.world.act(|state, _| {
            let script = state.web.scripts.get_mut(url).and_then(VecDeque::pop_front);
            let script = script.unwrap_or(WebScript::Answers(200));
            if script == WebScript::Away {
                return Err(away(url));
            }
            state.web.take(url, headers, &body);
            match script {
                WebScript::Answers(status) => Ok(plain(status)),
                WebScript::AsksToWait(wait) => Ok(Answer { retry_after: Some(wait), ..plain(429) }),
                WebScript::Away | WebScript::AnswerLost => Err(lost(url)),
            }
        });
        if fault == Some(When::After) { Err(lost(url)) } else { answer }
    }
}
