//! `Runtime`: what executes the deployments of the environments that name it.

use crate::Invalid;
use crate::declared::{Declared, KindFacts, Ownership};
use crate::envelope::API_VERSION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kinds of runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeType {
    /// Processes of this machine, each under a small shim.
    #[default]
    Process,
    /// Containers of an engine that speaks the Docker API: Podman, Docker.
    Container,
}

/// How far processes are kept from each other and from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProcessIsolation {
    /// Not at all: the platform's own user, the machine's own files.
    None,
    /// Own view of files, own processes, nothing of the platform's data.
    Sandbox,
}

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// Before each start.
    Always,
    /// Where the engine does not have it.
    Missing,
    /// Never: the engine has it, or the start fails.
    Never,
}

/// What a runtime is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuntimeSpec {
    /// Which kind.
    #[serde(rename = "type")]
    pub kind: RuntimeType,
    /// Where it is, in the platform team's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// With `process`: how far processes are kept apart; `none` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<ProcessIsolation>,
    /// With `container`: the engine's socket, as in `unix:///run/podman/podman.sock`; looked for where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub engine: Option<String>,
    /// With `container`: when images are fetched; `missing` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<Pull>,
    /// With `container`: a file of registry credentials on the platform's machine, as `docker login` writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub credentials: Option<String>,
    /// With `container`: the image in which an artifact (`image: .`) runs, by the tool that built it (`cargo`, `node`, …)
    /// or `default`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bases: BTreeMap<String, String>,
}

impl Declared for RuntimeSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "runtimes",
        short: &[],
        versions: &[API_VERSION],
        namespaced: false,
        ownership: Ownership::Platform,
        references: &[],
    };

    fn check(spec: &serde_json::Value, out: &mut Vec<Invalid>) {
        check(spec, out);
    }
}

/// What is said belongs to the type that is said.
fn check(spec: &serde_json::Value, out: &mut Vec<Invalid>) {
    let (own, other): (&[&str], &str) = match spec["type"].as_str() {
        Some("process") => (&["engine", "pull", "credentials", "bases"], "container"),
        Some("container") => (&["isolation"], "process"),
        _ => return,
    };
    for key in own.iter().filter(|key| spec.get(**key).is_some()) {
        out.push(Invalid::new(
            format!("/spec/{key}"),
            "runtime/type",
            format!("{key} belongs to a runtime of type {other}"),
            format!("type: {other}, or no {key}"),
        ));
    }
    // A socket of this machine is guarded by its mode; a port would be everybody's.
    if let Some(engine) = spec["engine"].as_str()
        && !engine.is_empty()
        && !engine.strip_prefix("unix://").unwrap_or(engine).starts_with('/')
    {
        out.push(Invalid::new(
            "/spec/engine",
            "runtime/engine",
            format!("{engine:?} is no socket of this machine"),
            "unix:// and an absolute path, as in unix:///run/podman/podman.sock",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_engine_is_a_socket_of_this_machine() {
        let refused = |engine: &str| {
            let mut out = Vec::new();
            check(&json!({"type": "container", "engine": engine}), &mut out);
            out.into_iter().map(|invalid| invalid.pointer).collect::<Vec<_>>()
        };
        for bad in ["tcp://127.0.0.1:2375", "unix://run/x.sock", "ssh://host", "podman"] {
            assert_eq!(refused(bad), ["/spec/engine"], "{bad}");
        }
        for good in ["unix:///run/podman/podman.sock", "/run/docker.sock"] {
            assert_eq!(refused(good), [""; 0], "{good}");
        }
    }
}
