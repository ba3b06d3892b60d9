//! `GET /api/v1/instances/{instance}/exec`: a WebSocket beside a program that runs.
//!
//! Text messages are JSON: what the asker wants ([`Ask`]) and what the platform says ([`Say`]). Binary messages are a
//! command's bytes: the first byte says whose they are ([`STDIN`], [`STDOUT`], [`STDERR`]), the rest are they.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_record::{Exit, Problem};

/// The WebSocket subprotocol: both sides name it.
pub const PROTOCOL: &str = "tow.exec.v1";
/// Before bytes of standard input.
pub const STDIN: u8 = 0;
/// Before bytes of standard output, or of a terminal.
pub const STDOUT: u8 = 1;
/// Before bytes of standard error.
pub const STDERR: u8 = 2;
/// No message is longer; longer ones end the connection.
pub const LONGEST: usize = 1 << 20;

/// Which instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// The instance's id.
    pub instance: String,
}

/// A terminal's size, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// The command; the first message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Start {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Over the instance's own environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// On a terminal of this size; none: three plain streams.
    #[serde(default)]
    pub tty: Option<Size>,
}

/// What the asker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    /// Run this. Once, and first of all.
    Start(Start),
    /// No more standard input.
    End,
    /// The terminal has this size now.
    Resize(Size),
}

/// What the platform says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Say {
    /// It runs.
    Started,
    /// How it ended: the last message.
    Ended(Exit),
    /// Why it is not run, or no more: the last message.
    Problem(Box<Problem>),
}

endpoint!(ExecInstance, "instance.exec", Get "/api/v1/instances/{instance}/exec", 101, Deploy,
    path: Path, query: Nothing, body: Nothing, reply: Say,
    "Runs a command beside a program, over a WebSocket (subprotocol tow.exec.v1); it ends when its asker goes.");
