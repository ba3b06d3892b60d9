//! References to catalog entities, `[kind:][namespace/]name`, and the place a component runs at.

use crate::{Name, NameError, Namespace};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A full reference. Its canonical text is lower case, `kind:namespace/name`, as in the Backstage catalog.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct EntityRef {
    kind: String,
    namespace: Namespace,
    name: Name,
}

const REF_RULE: &str = "[kind:][namespace/]name, no part empty";

impl EntityRef {
    /// From its parts; everything is lower-cased.
    pub fn new(kind: &str, namespace: &Namespace, name: &Name) -> Self {
        Self {
            kind: kind.to_ascii_lowercase(),
            namespace: namespace.clone(),
            name: Name::new(name.as_str().to_ascii_lowercase()).unwrap_or_else(|_| name.clone()),
        }
    }

    /// Parses a reference; `kind` and `namespace` fill in what the text leaves out. With `kind: None` the text must
    /// name its kind. The first `:` splits off the kind unless a `/` comes before it.
    pub fn parse(text: &str, kind: Option<&str>, namespace: &Namespace) -> Result<Self, NameError> {
        let bad =
            || NameError { text: text.to_string(), what: "entity reference", expected: REF_RULE };
        let (own_kind, rest) = split_kind(text);
        let kind = own_kind.or(kind).ok_or(NameError {
            text: text.to_string(),
            what: "entity reference",
            expected: "a kind before the name, as in component:default/web",
        })?;
        let kind_ok = (1..=63).contains(&kind.len())
            && kind.bytes().all(|b| b.is_ascii_alphanumeric())
            && kind.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if !kind_ok {
            return Err(bad());
        }
        let (namespace, name) = match rest.split_once('/') {
            Some((ns, name)) => (Namespace::new(ns.to_ascii_lowercase()).map_err(|_| bad())?, name),
            None => (namespace.clone(), rest),
        };
        let name = Name::new(name.to_ascii_lowercase()).map_err(|_| bad())?;
        Ok(Self { kind: kind.to_ascii_lowercase(), namespace, name })
    }

    /// Lower case: `component`, `group`, …
    pub fn kind(&self) -> &str {
        &self.kind
    }
    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }
    /// The name, lower case.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What a person reads: the name alone in the default namespace, else `namespace/name`.
    pub fn short(&self) -> String {
        if self.namespace.as_str() == "default" {
            self.name.to_string()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }
}

/// What a reference of the catalog names, as canonical text: lower case, `kind:namespace/name`. It may name what no entity
/// here could be called, such as `user:default/ann@example.org`: the Backstage catalog lets relations dangle, and its
/// references are split and nothing else. `kind` and `namespace` fill in what the text leaves out.
///
/// # Errors
/// An empty part, no kind where none is filled in, and what would mislead or not be kept: control and invisible
/// characters, more than [`LONGEST_REF`] bytes.
pub fn canonical_ref(
    text: &str,
    kind: Option<&str>,
    namespace: &Namespace,
) -> Result<String, NameError> {
    let bad = |expected| NameError { text: text.to_string(), what: "entity reference", expected };
    if text.len() > LONGEST_REF {
        return Err(bad("at most 255 bytes"));
    }
    if text.chars().any(is_invisible) {
        return Err(bad("no control characters and none that can't be seen"));
    }
    let (own_kind, rest) = split_kind(text);
    let kind = own_kind
        .or(kind)
        .ok_or_else(|| bad("a kind before the name, as in component:default/web"))?;
    let (namespace, name) = rest.split_once('/').unwrap_or((namespace.as_str(), rest));
    if kind.is_empty() || namespace.is_empty() || name.is_empty() {
        return Err(bad(REF_RULE));
    }
    Ok(format!("{kind}:{namespace}/{name}").to_lowercase())
}

/// The longest reference that is kept, in bytes.
pub const LONGEST_REF: usize = 255;

/// Control characters, and those that change how others are shown without being seen.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The first `:` splits off the kind unless a `/` comes before it.
fn split_kind(text: &str) -> (Option<&str>, &str) {
    match (text.find(':'), text.find('/')) {
        (Some(colon), slash) if slash.is_none_or(|s| colon < s) => {
            (Some(&text[..colon]), &text[colon + 1..])
        }
        _ => (None, text),
    }
}

impl std::fmt::Display for EntityRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}/{}", self.kind, self.namespace, self.name)
    }
}

impl TryFrom<String> for EntityRef {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text, None, &Namespace::default())
    }
}

impl From<EntityRef> for String {
    fn from(value: EntityRef) -> Self {
        value.to_string()
    }
}

/// A component in an environment: where deployments are numbered and rollouts take turns.
/// Text form `component:default/web@development`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Place {
    /// The component.
    pub component: EntityRef,
    /// The environment's name, lower case.
    pub environment: Name,
}

impl Place {
    /// From its parts.
    pub fn new(component: EntityRef, environment: &Name) -> Self {
        let environment = Name::new(environment.as_str().to_ascii_lowercase())
            .unwrap_or_else(|_| environment.clone());
        Self { component, environment }
    }

    /// What a person reads: `web in development`.
    pub fn short(&self) -> String {
        format!("{} in {}", self.component.short(), self.environment)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.component, self.environment)
    }
}

impl TryFrom<String> for Place {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        let (component, environment) = text.rsplit_once('@').ok_or(NameError {
            text: text.clone(),
            what: "place",
            expected: "component@environment",
        })?;
        Ok(Self {
            component: EntityRef::parse(component, Some("component"), &Namespace::default())?,
            environment: Name::new(environment)?,
        })
    }
}

impl From<Place> for String {
    fn from(value: Place) -> Self {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_fill_in_what_is_left_out() {
        let ns = Namespace::default();
        let full = |t: &str| EntityRef::parse(t, Some("Group"), &ns).map(|r| r.to_string());
        assert_eq!(full("Team").as_deref(), Ok("group:default/team"));
        assert_eq!(full("user:Ops/Ann").as_deref(), Ok("user:ops/ann"));
        assert!(full("user:").is_err());
        assert!(full("/x").is_err());
        assert!(EntityRef::parse("x", None, &ns).is_err());
    }

    #[test]
    fn canonical_references_are_split_as_backstage_splits_them() {
        let ns = |text: &str| Namespace::new(text).unwrap();
        let read = |text: &str, kind, namespace: &str| {
            canonical_ref(text, kind, &ns(namespace)).unwrap_or_else(|_| "-".into())
        };
        let plain = |text: &str| read(text, None, "default");
        for (text, canonical) in [
            ("a:b/c", "a:b/c"),
            ("a:c", "a:default/c"),
            ("c", "-"),
            ("b/c", "-"),
            ("a:b/c/d", "a:b/c/d"),
            ("a:b/c:d", "a:b/c:d"),
            ("a::b", "a:default/:b"),
            ("a:b//c", "a:b//c"),
            (" a:b/c ", " a:b/c "),
            ("A:B/C", "a:b/c"),
            ("ÄPI:b/İx", "äpi:b/i\u{307}x"),
            ("user:Ann@Example.org", "user:default/ann@example.org"),
        ] {
            assert_eq!(plain(text), canonical, "{text:?}");
        }
        for (text, canonical) in [
            ("b/c", "k:b/c"),
            ("a:c", "a:ns/c"),
            ("c", "k:ns/c"),
            ("a:b:c", "a:ns/b:c"),
            ("a/b/c", "k:a/b/c"),
            ("a/b:c", "k:a/b:c"),
        ] {
            assert_eq!(read(text, Some("k"), "ns"), canonical, "{text:?}");
        }
        for bad in [
            ":b/c",
            "a:/c",
            "a:b/",
            "a:/",
            ":b/",
            ":/c",
            ":/",
            "/c",
            "b/",
            ":c",
            "a:",
            "",
            "a\nb",
            "a\u{202e}b",
            "a\u{200b}b",
        ] {
            assert_eq!(read(bad, Some("k"), "ns"), "-", "{bad:?}");
        }
        assert_eq!(read(&"a".repeat(256), Some("k"), "ns"), "-");
    }
}
