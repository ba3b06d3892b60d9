//! Who acts, by what right, and what proves it.

use crate::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::{Id, Timestamp};

/// What somebody may do at large; what they own is on top of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads the catalog.
    Viewer,
    /// Changes and runs what their groups own.
    Developer,
    /// Declares environments and runtimes; runs everything.
    Platform,
    /// Everything, tokens of others included.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Developer, Self::Platform, Self::Admin];
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Platform => "platform",
            Self::Admin => "admin",
        }
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    /// `user:default/ann`, or `system:rollout` for the platform itself.
    pub name: String,
    /// By what right.
    pub role: Role,
    /// The groups they are in, as references; what these own is theirs.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// An API token as stored: never the token itself, only its digest. Shown once, when made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id, safe to show.
    pub id: Id,
    /// SHA-256 of the token's text, hexadecimal.
    pub digest: String,
    /// What it is for, in the maker's words.
    pub note: String,
    /// Whose it is.
    pub user: String,
    /// By what right it acts.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; never, where nothing is said.
    pub expires_at: Option<Timestamp>,
    /// A browser's session rather than a program's token.
    pub session: bool,
    /// Withdrawn.
    pub revoked: bool,
}

impl Record for Token {
    const KIND: &'static str = "token";
    fn id(&self) -> String {
        self.id.to_string()
    }
    /// The digest, so that a request finds its token by it.
    fn subject(&self) -> String {
        self.digest.clone()
    }
    fn open(&self) -> bool {
        !self.revoked
    }
}

/// A one-time link that makes a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInLink {
    /// Its id.
    pub id: Id,
    /// SHA-256 of the secret in the link, hexadecimal.
    pub digest: String,
    /// Who it signs in.
    pub user: String,
    /// With which right.
    pub role: Role,
    /// When it ends.
    pub expires_at: Timestamp,
    /// It was used.
    pub used: bool,
}

impl Record for SignInLink {
    const KIND: &'static str = "sign-in-link";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn subject(&self) -> String {
        self.digest.clone()
    }
    fn open(&self) -> bool {
        !self.used
    }
}
