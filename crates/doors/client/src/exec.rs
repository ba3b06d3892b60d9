//! A command beside a program: the WebSocket of `instance.exec`, as bytes in and out. Knows no terminal.

use crate::{Client, ClientError};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, header};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tow_api::Nothing;
use tow_api::instance::exec::{
    Ask, ExecInstance, LONGEST, PROTOCOL, Path, STDERR, STDIN, STDOUT, Say, Size, Start,
};
use tow_record::Exit;

/// What a command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Standard output, or all of a terminal.
    Out(Bytes),
    /// Standard error.
    Err(Bytes),
    /// How it ended.
    Ended(Exit),
}

/// What goes into a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Bytes(Bytes),
    /// No more of it.
    End,
    /// The terminal has this size now.
    Resize(Size),
}

/// A command that runs. Dropping it ends the command.
#[derive(Debug)]
pub struct Exec {
    socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>,
    url: String,
}

impl Client {
    /// Runs a command beside the program of an instance.
    pub async fn exec(&self, instance: &str, start: Start) -> Result<Exec, ClientError> {
        let key = generate_key();
        let path = Path { instance: instance.into() };
        let headers = [
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL)),
            (
                header::SEC_WEBSOCKET_KEY,
                HeaderValue::from_str(&key).map_err(|e| ClientError::Source(e.to_string()))?,
            ),
        ];
        let response = self.upgrade::<ExecInstance>(&path, &Nothing {}, headers).await?;
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        if accepted.map(HeaderValue::as_bytes) != Some(derive_accept_key(key.as_bytes()).as_bytes())
        {
            return Err(self.foreign(101, "it does not speak WebSocket"));
        }
        let upgraded = hyper::upgrade::on(response).await;
        let upgraded = upgraded.map_err(|error| self.interrupted(&error.to_string()))?;
        let config = WebSocketConfig::default().max_message_size(Some(2 * LONGEST));
        let io = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(io, Role::Client, Some(config)).await;
        let mut exec = Exec { socket, url: self.url().into() };
        exec.ask(&Ask::Start(start)).await?;
        match exec.message().await? {
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(Say::Started) => Ok(exec),
                Ok(Say::Problem(problem)) => Err(ClientError::Problem(problem)),
                _ => Err(exec.foreign("it says something unknown")),
            },
            _ => Err(exec.foreign("it does not say that the command runs")),
        }
    }
}

impl Exec {
    /// Says something to the command.
    pub async fn put(&mut self, input: Input) -> Result<(), ClientError> {
        match input {
            Input::End => self.ask(&Ask::End).await,
            Input::Resize(size) => self.ask(&Ask::Resize(size)).await,
            Input::Bytes(bytes) => {
                let mut message = Vec::with_capacity(bytes.len() + 1);
                message.push(STDIN);
                message.extend_from_slice(&bytes);
                self.send(Message::Binary(message.into())).await
            }
        }
    }

    /// The next that it says. Nothing is lost where this is dropped before it is done.
    pub async fn next(&mut self) -> Result<Output, ClientError> {
        loop {
            match self.message().await? {
                Message::Binary(bytes) => match bytes.first() {
                    Some(&STDOUT) => return Ok(Output::Out(bytes.slice(1..))),
                    Some(&STDERR) => return Ok(Output::Err(bytes.slice(1..))),
                    _ => return Err(self.foreign("bytes of an unknown stream")),
                },
                Message::Text(text) => match serde_json::from_str(&text) {
                    Ok(Say::Ended(exit)) => return Ok(Output::Ended(exit)),
                    Ok(Say::Problem(problem)) => return Err(ClientError::Problem(problem)),
                    Ok(Say::Started) => {}
                    Err(error) => return Err(self.foreign(&error.to_string())),
                },
                _ => {}
            }
        }
    }

    async fn message(&mut self) -> Result<Message, ClientError> {
        match self.socket.next().await {
            Some(Ok(Message::Close(_))) | None => Err(self.broken("the connection was closed")),
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(self.broken(&error.to_string())),
        }
    }

    async fn ask(&mut self, ask: &Ask) -> Result<(), ClientError> {
        let text =
            serde_json::to_string(ask).map_err(|error| ClientError::Source(error.to_string()))?;
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), ClientError> {
        let sent = self.socket.send(message).await;
        sent.map_err(|error| self.broken(&error.to_string()))
    }

    fn broken(&self, reason: &str) -> ClientError {
        ClientError::Interrupted { url: self.url.clone(), reason: reason.into() }
    }

    fn foreign(&self, reason: &str) -> ClientError {
        ClientError::Foreign { url: self.url.clone(), status: 101, reason: reason.into() }
    }
}
