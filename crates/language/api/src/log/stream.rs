//! `GET /api/v1/logs`: a stream of server-sent events, each a [`LogEvent`] as JSON.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which lines. Either `build`, or `run`, or any of the others.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// A build's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// A run's id: all its attempts, until it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// An instance's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// In this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Of this workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The last so many lines of each instance; 100 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<usize>,
    /// Go on with new lines.
    #[serde(default)]
    pub follow: bool,
}

/// One line and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogEvent {
    /// The instance or build.
    pub instance: String,
    /// `web/0`, or `build`.
    pub source: String,
    /// The container; empty for builds.
    pub container: String,
    /// The line.
    #[serde(flatten)]
    pub line: tow_record::LogLine,
}

endpoint!(StreamLogs, "log.stream", Get "/api/v1/logs", 200, ReadPrivate,
    path: Nothing, query: Query, body: Nothing, reply: LogEvent,
    "Log lines as server-sent events; with `follow`, new ones as they come.");
