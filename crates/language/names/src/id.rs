//! Ids of produced things: a kind prefix and a UUID of version 7 (RFC 9562), so that they sort by time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An id such as `plan-01932f…`: safe as a file name and in a URL.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(with = "String")]
pub struct Id(String);

impl Id {
    /// A fresh id with this prefix (`plan`, `op`, `i`, …).
    pub fn fresh(prefix: &str) -> Self {
        Self(format!("{prefix}-{}", uuid::Uuid::now_v7().simple()))
    }

    /// 244 random bits from the operating system, as hexadecimal text: for tokens and one-time links.
    pub fn secret() -> String {
        format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
    }

    /// Takes a text that came from one of ours; only letters, digits, `-`, `_` and `.` pass.
    pub fn parse(text: &str) -> Option<Self> {
        let ok = (1..=200).contains(&text.len())
            && !text.starts_with('.')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        ok.then(|| Self(text.to_string()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
