//! `Location` of the Backstage catalog: where declared objects come from.

use crate::declared::{Declared, KindFacts, Ownership};
use crate::envelope::BACKSTAGE_VERSIONS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Must what a location names be there?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It is an error if it is not.
    Required,
    /// It may be missing.
    Optional,
}

/// What a location is. Unknown fields are kept, as the catalog keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationSpec {
    /// `file` (a file or folder of the platform's machine), `url` or `git`; that of what it stands in where nothing is
    /// said.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub kind: Option<String>,
    /// One place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub target: Option<String>,
    /// Several places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1)))]
    pub targets: Vec<String>,
    /// `required` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// Everything else that was written.
    #[serde(flatten)]
    #[schemars(skip)]
    pub more: std::collections::BTreeMap<String, serde_json::Value>,
}

/// The annotation that says which kinds may come from a location: names, separated by commas.
pub const ALLOW: &str = "towpath.dev/allow";
/// The annotation that says what becomes of objects that a location names no more: `delete` (the default) or `keep`.
pub const ORPHANS: &str = "towpath.dev/orphans";
/// The annotation that says how often a location is looked at, as in `5m`.
pub const REFRESH: &str = "towpath.dev/refresh";

impl Declared for LocationSpec {
    const FACTS: KindFacts = KindFacts {
        plural: "locations",
        short: &[],
        versions: &BACKSTAGE_VERSIONS,
        namespaced: true,
        ownership: Ownership::Platform,
        references: &[],
    };
}

/// A kind of place that a location reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum SourceKind {
    File,
    Url,
    Git,
}

impl SourceKind {
    /// As written in `spec.type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Url => "url",
            Self::Git => "git",
        }
    }

    /// Where nothing is said it is told by the target.
    fn of(target: &str) -> Self {
        let scheme = target.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        let path = target.split('#').next().unwrap_or(target);
        let is_file = [".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end));
        match scheme.as_deref() {
            Some("ssh" | "git+ssh" | "git") => Self::Git,
            _ if path.ends_with(".git") && path.contains(':') => Self::Git,
            // Of a repository a branch or a path is named; of a file's URL at most a place in it.
            Some(_) if target.contains('#') && !is_file => Self::Git,
            Some("http" | "https") => Self::Url,
            None if target.starts_with("git@") => Self::Git,
            _ => Self::File,
        }
    }
}

impl LocationSpec {
    /// What it reads: the kind of place, and its targets.
    ///
    /// # Errors
    /// Why it can't be told, in words.
    pub fn targets(&self) -> Result<(SourceKind, Vec<String>), String> {
        let mut targets: Vec<String> = self.target.iter().chain(&self.targets).cloned().collect();
        let Some(first) = targets.first() else {
            return Err("it names no target".into());
        };
        let kind = match self.kind.as_deref() {
            None => SourceKind::of(first),
            Some("file" | "directory") => SourceKind::File,
            Some("url") => SourceKind::Url,
            Some("git") => SourceKind::Git,
            Some(other) => return Err(format!("its type {other:?} is none of file, url and git")),
        };
        if kind == SourceKind::Git {
            let word = |field: &str| self.more.get(field).and_then(|value| value.as_str());
            if let (None, None) = (word("ref"), word("path")) {
                return Ok((kind, targets));
            }
            let tail = format!("#{}:{}", word("ref").unwrap_or(""), word("path").unwrap_or(""));
            for target in targets.iter_mut().filter(|target| !target.contains('#')) {
                target.push_str(&tail);
            }
        }
        Ok((kind, targets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_tell_what_they_are() {
        let read = |spec: serde_json::Value| {
            let spec: LocationSpec = serde_json::from_value(spec).unwrap();
            spec.targets().map(|(kind, targets)| format!("{} {}", kind.as_str(), targets.join(" ")))
        };
        for (target, kind) in [
            ("./a.yaml", "file"),
            ("/srv/catalog", "file"),
            ("https://example.org/catalog-info.yaml", "url"),
            ("https://example.org/shop.git", "git"),
            ("https://example.org/shop.git#main:catalog", "git"),
            ("git@example.org:shop/catalog.git", "git"),
            ("file:///srv/shop#main:catalog", "git"),
            ("file:///srv/shop.git", "git"),
            ("https://example.org/shop#main", "git"),
            ("https://example.org/a.yaml#L7", "url"),
            ("/srv/shop#1", "file"),
            ("ssh://git@example.org/shop", "git"),
        ] {
            let read = read(serde_json::json!({ "target": target }));
            assert_eq!(read, Ok(format!("{kind} {target}")));
        }
        let git =
            serde_json::json!({ "type": "git", "target": "file:///r", "ref": "v1", "path": "c" });
        assert_eq!(read(git), Ok("git file:///r#v1:c".into()));
        assert!(read(serde_json::json!({})).is_err());
        assert!(read(serde_json::json!({ "type": "github", "target": "x" })).is_err());
    }
}
