//! Configuration of a component in an environment, by version; values are sealed at rest.

use crate::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tow_names::{Place, Timestamp};

/// An encrypted value: opened by the port `keys` alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sealed {
    /// Which key sealed it.
    pub key: String,
    /// Base64 of nonce and ciphertext.
    pub sealed: String,
    /// A keyed digest of the plain value: equal values have equal digests, and nobody can guess from it.
    pub digest: String,
}

/// All values at one moment. Never changed; the next change makes the next number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigVersion {
    /// Of which component in which environment.
    pub place: Place,
    /// From 1; version 0 is «nothing was ever set» and is not stored.
    pub number: i64,
    /// By name.
    pub values: BTreeMap<String, Sealed>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

impl ConfigVersion {
    /// What a value is sealed under: it opens only for this name at this place. Part of what is stored: a change makes
    /// every value unreadable.
    pub fn context(place: &Place, name: &str) -> String {
        format!("config {place} {name}")
    }
}

impl Record for ConfigVersion {
    const KIND: &'static str = "config";
    fn id(&self) -> String {
        format!("{}/{}", self.place, self.number)
    }
    fn subject(&self) -> String {
        self.place.to_string()
    }
    fn number(&self) -> i64 {
        self.number
    }
}
