//! Streams that go on where they broke off: events by their `seq`, log lines by their time.

use crate::client::{Client, pause};
use crate::{ClientError, sse};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tow_api::event::list::Query as EventQuery;
use tow_api::log::stream::{LogEvent, Query as LogQuery, StreamLogs};
use tow_api::{Nothing, event::stream::StreamEvents};
use tow_names::Timestamp;
use tow_record::Event;

/// How often in a row an opened stream may break or not be opened again before it is given up: about a minute.
const ATTEMPTS: u32 = 30;

/// A stream being read.
struct Reading {
    body: Incoming,
    parser: sse::Parser,
    ready: VecDeque<sse::Message>,
}

enum Read {
    Message(sse::Message),
    /// The other side said that this was all.
    End,
    Broken,
}

impl Reading {
    fn new(body: Incoming) -> Self {
        Self { body, parser: sse::Parser::default(), ready: VecDeque::new() }
    }

    async fn next(&mut self) -> Read {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Read::Message(message);
            }
            match self.body.frame().await {
                None => return Read::End,
                Some(Err(_)) => return Read::Broken,
                Some(Ok(frame)) => {
                    if let Some(piece) = frame.data_ref() {
                        match self.parser.feed(piece) {
                            Ok(messages) => self.ready.extend(messages),
                            Err(_) => return Read::Broken,
                        }
                    }
                }
            }
        }
    }
}

/// Events as they happen. Ends only with an error: a stream that breaks is taken up again after the last event.
pub fn events(client: Client, query: EventQuery) -> BoxStream<'static, Result<Event, ClientError>> {
    struct State {
        client: Client,
        query: EventQuery,
        last: Option<String>,
        reading: Option<Reading>,
        attempt: u32,
        over: bool,
    }
    let state = State { client, query, last: None, reading: None, attempt: 0, over: false };
    stream::unfold(state, |mut s| async move {
        while !s.over {
            let Some(reading) = &mut s.reading else {
                match s.client.open::<StreamEvents>(&Nothing {}, &s.query, s.last.as_deref()).await
                {
                    Ok(body) => s.reading = Some(Reading::new(body)),
                    Err(error) => {
                        // The first attempt says at once that nothing is there.
                        s.over = s.attempt == 0 || s.attempt >= ATTEMPTS || !error.passing();
                        if s.over {
                            return Some((Err(error), s));
                        }
                        s.attempt += 1;
                        pause(Duration::from_secs(2)).await;
                    }
                }
                continue;
            };
            match reading.next().await {
                Read::Message(message) => {
                    if message.event == "error" {
                        s.over = true;
                        return Some((Err(said(&s.client, &message.data)), s));
                    }
                    let Ok(event) = serde_json::from_str::<Event>(&message.data) else { continue };
                    s.attempt = 0;
                    s.last = Some(event.seq.to_string());
                    return Some((Ok(event), s));
                }
                Read::End | Read::Broken => {
                    s.reading = None;
                    s.attempt += 1;
                    if s.attempt > ATTEMPTS {
                        return None;
                    }
                    pause(Duration::from_millis(200)).await;
                }
            }
        }
        None
    })
    .boxed()
}

/// Log lines; with `follow`, new ones as they come. A followed stream that breaks is opened again and the lines that
/// were given already are left out.
pub fn logs(client: Client, query: LogQuery) -> BoxStream<'static, Result<LogEvent, ClientError>> {
    struct State {
        client: Client,
        query: LogQuery,
        seen: HashMap<String, Timestamp>,
        again: HashMap<String, Timestamp>,
        reading: Option<Reading>,
        attempt: u32,
        over: bool,
    }
    let state = State {
        client,
        query,
        seen: HashMap::new(),
        again: HashMap::new(),
        reading: None,
        attempt: 0,
        over: false,
    };
    stream::unfold(state, |mut s| async move {
        while !s.over {
            let Some(reading) = &mut s.reading else {
                match s.client.open::<StreamLogs>(&Nothing {}, &s.query, None).await {
                    Ok(body) => s.reading = Some(Reading::new(body)),
                    Err(error) => {
                        s.over = s.attempt == 0 || s.attempt >= ATTEMPTS || !error.passing();
                        if s.over {
                            return Some((Err(error), s));
                        }
                        s.attempt += 1;
                        pause(Duration::from_secs(2)).await;
                    }
                }
                continue;
            };
            match reading.next().await {
                Read::Message(message) => {
                    match message.event.as_str() {
                        "error" => {
                            s.over = true;
                            return Some((Err(said(&s.client, &message.data)), s));
                        }
                        "end" => return None,
                        _ => {}
                    }
                    let Ok(line) = serde_json::from_str::<LogEvent>(&message.data) else {
                        continue;
                    };
                    if s.again.get(&line.instance).is_some_and(|last| line.line.at <= *last) {
                        continue;
                    }
                    s.attempt = 0;
                    s.seen.insert(line.instance.clone(), line.line.at);
                    return Some((Ok(line), s));
                }
                // The server says `end` when that was all; anything else is a broken connection.
                Read::End if !s.query.follow => return None,
                Read::End | Read::Broken => {
                    s.reading = None;
                    s.attempt += 1;
                    if s.attempt > ATTEMPTS {
                        return None;
                    }
                    s.again = s.seen.clone();
                    s.query.tail = Some(1000);
                    pause(Duration::from_millis(200)).await;
                }
            }
        }
        None
    })
    .boxed()
}

/// The problem that a stream ended with.
fn said(client: &Client, data: &str) -> ClientError {
    match serde_json::from_str(data) {
        Ok(problem) => ClientError::Problem(Box::new(problem)),
        Err(error) => ClientError::Foreign {
            url: client.url().into(),
            status: 200,
            reason: error.to_string(),
        },
    }
}
