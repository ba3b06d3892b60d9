//! Names of objects and namespaces, in the formats of the Backstage catalog (`FieldFormatEntityPolicy`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: expected {expected}")]
pub struct NameError {
    /// What was given.
    pub text: String,
    /// What it was meant to be: `name`, `namespace`, `entity reference`, …
    pub what: &'static str,
    /// The rule, in words.
    pub expected: &'static str,
}

/// An object's name: 1 to 63 characters, letters, digits, `-`, `_`, `.`; begins and ends with a letter or digit.
/// Keeps its spelling; two names that differ only in case are the same object.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"))]
pub struct Name(String);

/// A namespace: a DNS label of 1 to 63 characters. `default` where nothing is said.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))]
pub struct Namespace(String);

const NAME_RULE: &str =
    "1 to 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit";
const NAMESPACE_RULE: &str =
    "1 to 63 lower-case letters, digits or '-', beginning and ending with a letter or digit";

impl Name {
    /// Parses a name; the error says the rule.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let ok = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric());
        if ok { Ok(Self(text)) } else { Err(NameError { text, what: "name", expected: NAME_RULE }) }
    }

    /// `local`: what the platform calls this machine's processes.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Namespace {
    /// Parses a namespace; the error says the rule.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let ok = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if ok {
            Ok(Self(text))
        } else {
            Err(NameError { text, what: "namespace", expected: NAMESPACE_RULE })
        }
    }

    /// The namespace as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self("default".into())
    }
}

macro_rules! text {
    ($t:ty) => {
        impl std::fmt::Display for $t {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $t {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
        impl std::str::FromStr for $t {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
        impl From<$t> for String {
            fn from(value: $t) -> Self {
                value.0
            }
        }
    };
}
text!(Name);
text!(Namespace);

/// Is this a Score name: 2 to 63 characters of `[a-z0-9-]`, beginning and ending with a letter or digit?
/// Source: `score-v1b1.json`, the pattern of `metadata.name` and of every key of containers, resources and ports.
pub fn is_score_name(text: &str) -> bool {
    (2..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Is this an absolute URL by the WHATWG rules, as `https://example.org/x` is and `example.org/x` is not?
pub fn is_absolute_url(text: &str) -> bool {
    url::Url::parse(text).is_ok()
}

/// One DNS label made from several parts, joined by `-`: lower case, at most 63 characters. A label that had to be
/// shortened or respelled ends in six characters of the parts' digest, so two different sources never meet by
/// being cut.
pub fn host_label(parts: &[&str]) -> String {
    let whole = parts.join("-");
    let mut label: String = whole
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    while label.contains("--") {
        label = label.replace("--", "-");
    }
    let label = label.trim_matches('-').to_string();
    if label == whole && label.len() <= 63 {
        return label;
    }
    let digest = crate::Digest::of(parts.join("\u{0}").as_bytes()).hex()[..6].to_string();
    let head: String = label.chars().take(56).collect();
    format!("{}-{digest}", head.trim_end_matches('-')).trim_start_matches('-').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_backstage_rule() {
        for good in ["a", "A.b_c-9", &"x".repeat(63)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "é", &"x".repeat(64)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn host_labels_fit_and_do_not_collide() {
        assert_eq!(host_label(&["web", "development"]), "web-development");
        let long = host_label(&[&"a".repeat(60), "development"]);
        assert!(long.len() <= 63, "{long}");
        assert_ne!(host_label(&["A_b"]), host_label(&["a-b"]));
    }
}
