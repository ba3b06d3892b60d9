//! `Workload`: one Score file (`score.dev/v1b1`), whole. Its containers start, scale and die together.
//!
//! Source: `score-spec/spec`, `score-v1b1.json`, version 0.4.1. The deprecated array forms of `files` and `volumes`
//! are turned into maps by `formats` before they come here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod paths;
mod references;
mod rules;

pub use rules::check;

/// The one `apiVersion` of Score.
pub const SCORE_VERSION: &str = "score.dev/v1b1";

/// The pattern of `metadata.name` and of every key of containers, resources and ports.
pub const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$";
/// The pattern of a resource's type and class.
pub const TYPE_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]$";
/// The pattern of a resource's id: labels joined by dots.
pub const ID_PATTERN: &str = r"^[a-z0-9]+(-+[a-z0-9]+)*(\.[a-z0-9]+(-+[a-z0-9]+)*)*$";
/// The pattern of an annotation's key: an optional host name and `/`, then a name.
pub const ANNOTATION_PATTERN: &str = r"^(([a-z0-9][a-z0-9-]{0,61}[a-z0-9])(\.[a-z0-9][a-z0-9-]{0,61}[a-z0-9])*/)?[A-Za-z0-9][A-Za-z0-9._-]{0,61}[A-Za-z0-9]$";
/// The pattern of a file's mode.
pub const MODE_PATTERN: &str = "^0?[0-7]{3}$";
/// The pattern of an amount of memory.
pub const MEMORY_PATTERN: &str =
    r"^(0\.[0-9]+|[1-9][0-9]*(\.[0-9]+)?)(K|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$";
/// The pattern of an amount of CPU.
pub const CPU_PATTERN: &str = r"^[0-9]+(m|\.[0-9]+)?$";
/// The pattern of an HTTP header's name.
pub const HEADER_PATTERN: &str = "^[A-Za-z0-9_-]+$";
/// The pattern of a variable's name.
pub const VARIABLE_PATTERN: &str = "^[^=]+$";

fn score_name() -> serde_json::Value {
    serde_json::json!({ "minLength": 2, "maxLength": 63, "pattern": NAME_PATTERN })
}

fn annotation_key() -> serde_json::Value {
    serde_json::json!({ "minLength": 2, "maxLength": 316, "pattern": ANNOTATION_PATTERN })
}

fn annotations() -> serde_json::Value {
    serde_json::json!({
        "type": "object",
        "additionalProperties": { "type": "string" },
        "propertyNames": annotation_key(),
    })
}

/// A Score file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// `score.dev/v1b1`.
    #[schemars(extend("const" = SCORE_VERSION))]
    pub api_version: String,
    /// Who it is.
    pub metadata: WorkloadMetadata,
    /// Which ports it offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// What runs, by name; at least one.
    #[schemars(extend("minProperties" = 1, "propertyNames" = score_name()))]
    pub containers: BTreeMap<String, Container>,
    /// What it needs, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = score_name()))]
    pub resources: BTreeMap<String, Resource>,
}

/// A workload's name and whatever else was written beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadMetadata {
    /// 2 to 63 characters of `[a-z0-9-]`.
    #[schemars(length(min = 2, max = 63), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// Values for tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = annotation_key()))]
    pub annotations: BTreeMap<String, String>,
    /// Other keys; `${metadata.KEY}` may refer to them.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// The network side of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// By name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = score_name()))]
    pub ports: BTreeMap<String, ServicePort>,
}

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServicePort {
    /// What others ask for, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// TCP where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// What the program listens on; `port` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub target_port: Option<u16>,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    /// An image, or `.`: this folder, built.
    #[schemars(length(min = 1))]
    pub image: String,
    /// Replaces the image's entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Arguments of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Environment variables; placeholders are filled in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = serde_json::json!({ "minLength": 1, "pattern": VARIABLE_PATTERN })))]
    pub variables: BTreeMap<String, String>,
    /// Files, by target path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, File>,
    /// Volumes, by target path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Volume>,
    /// Other containers that start only after this one is so far.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = score_name()))]
    pub before: BTreeMap<String, Before>,
    /// How much it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ContainerResources>,
    /// Restart it where this fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// Send it requests only while this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
}

/// One file; exactly one of `source`, `content`, `binaryContent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["content"] }, { "required": ["binaryContent"] }, { "required": ["source"] }
]))]
pub struct File {
    /// Three octal digits, with or without a leading 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = MODE_PATTERN))]
    pub mode: Option<String>,
    /// A path beside the Score file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub source: Option<String>,
    /// The text itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Base64; never expanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_content: Option<String>,
    /// Leave placeholders alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_expand: Option<bool>,
}

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// What is mounted; usually `${resources.NAME}`.
    pub source: String,
    /// A path inside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// May it be written?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// How far this container must be before the other one starts. `A.before.B` starts A first: the schema's own text
/// reads the other way round, its implementations don't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum ReadyState {
    Started,
    Healthy,
    Complete,
}

/// See [`ReadyState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// How far.
    pub ready: ReadyState,
}

/// Limits and requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerResources {
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Amounts>,
    /// At least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
}

/// CPU and memory; texts, as in `"500m"` and `"128Mi"`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// Bytes with a unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = MEMORY_PATTERN))]
    pub memory: Option<String>,
    /// Cores or thousandths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = CPU_PATTERN))]
    pub cpu: Option<String>,
}

/// A probe: at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["httpGet"] }, { "required": ["exec"] }]))]
pub struct Probe {
    /// A GET that must answer 2xx or 3xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGet>,
    /// A command that must exit 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
}

/// HTTP or HTTPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Scheme {
    #[default]
    Http,
    Https,
}

/// A GET that must answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpGet {
    /// With its leading `/`.
    pub path: String,
    /// The port the program listens on.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The Host header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub host: Option<String>,
    /// HTTP where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// More headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http_headers: Vec<HttpHeader>,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "their names say it")]
pub struct HttpHeader {
    #[schemars(regex(pattern = HEADER_PATTERN))]
    pub name: String,
    #[schemars(length(min = 1))]
    pub value: String,
}

/// A command that must exit 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    /// Program and arguments.
    pub command: Vec<String>,
}

/// Something the workload needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// `postgres`, `route`, …
    #[serde(rename = "type")]
    #[schemars(length(min = 2, max = 63), regex(pattern = TYPE_PATTERN))]
    pub kind: String,
    /// `default` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 63), regex(pattern = TYPE_PATTERN))]
    pub class: Option<String>,
    /// The same id from two workloads is the same resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 63), regex(pattern = ID_PATTERN))]
    pub id: Option<String>,
    /// Whatever was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "object", "properties" = { "annotations": annotations() }))]
    pub metadata: Option<serde_json::Value>,
    /// What the recipe is told; placeholders are filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<serde_json::Map<String, serde_json::Value>>,
}
