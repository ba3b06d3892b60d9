//! What proves who somebody is: tokens and sessions, one-time links, passwords, and the memory of failed tries. Nothing
//! here holds a secret itself: digests and password hashes only.

use crate::{Record, Right};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tow_model::kinds::role_binding::Role;
use tow_names::{Digest, Id, Timestamp};

/// What a token is for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A program's, made by somebody.
    #[default]
    Api,
    /// A browser's session.
    Session,
    /// The command line's on the platform's own machine: in the data directory, whose reader is administrator.
    Local,
}

impl Purpose {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Session => "session",
            Self::Local => "local",
        }
    }
}

/// What a token may be used for at most, within its owner's right.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Only these, and reading what these need; all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<BTreeSet<Right>>,
    /// Only these components and systems (with what is in them), as references; all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<BTreeSet<String>>,
}

impl Limits {
    /// Cuts nothing.
    pub const fn is_none(&self) -> bool {
        self.actions.is_none() && self.only.is_none()
    }
}

/// A token as stored: never the token itself, only its digest. Shown once, when made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id, safe to show; made from the digest, so that a request finds its token by its key.
    pub id: Id,
    /// SHA-256 of the token's text, hexadecimal.
    pub digest: String,
    /// What it is for, in the maker's words.
    pub note: String,
    /// Whose it is: a reference to a user or a service account.
    #[serde(alias = "user")]
    pub owner: String,
    /// At most by this right; less where its owner's is less.
    pub role: Role,
    /// What form of token it is.
    #[serde(default)]
    pub purpose: Purpose,
    /// What it is cut down to.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; never, where nothing is said, which only the local one may.
    pub expires_at: Option<Timestamp>,
    /// Withdrawn.
    pub revoked: bool,
}

impl Token {
    /// The id of the token whose text has this digest, hexadecimal. Half of the digest of a random text: it can't be
    /// guessed, and nothing can be learnt from it.
    pub fn id_of(digest: &str) -> String {
        format!("token-{}", digest.get(..32).unwrap_or(digest))
    }
}

impl Record for Token {
    const KIND: &'static str = "token";
    fn id(&self) -> String {
        self.id.to_string()
    }
    /// Whose it is, so that somebody's tokens are found together.
    fn subject(&self) -> String {
        self.owner.clone()
    }
    fn open(&self) -> bool {
        !self.revoked
    }
}

/// When a token was last used, to the hour. Beside the token and not in it: using one changes nothing of it, and no event
/// tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUse {
    /// The token's id.
    pub token: String,
    /// Whose it is.
    pub owner: String,
    /// When; at most an hour before the last time.
    pub at: Timestamp,
}

impl Record for TokenUse {
    const KIND: &'static str = "token-use";
    fn id(&self) -> String {
        self.token.clone()
    }
    fn subject(&self) -> String {
        self.owner.clone()
    }
}

/// A one-time link that makes a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInLink {
    /// Its id, made from the digest as a token's is.
    pub id: Id,
    /// SHA-256 of the secret in the link, hexadecimal.
    pub digest: String,
    /// Who it signs in.
    pub user: String,
    /// At most with this right.
    pub role: Role,
    /// Its user chooses a password first.
    #[serde(default)]
    pub invites: bool,
    /// When it ends.
    pub expires_at: Timestamp,
    /// It was used.
    pub used: bool,
}

impl SignInLink {
    /// The id of the link whose secret has this digest, hexadecimal.
    pub fn id_of(digest: &str) -> String {
        format!("link-{}", digest.get(..32).unwrap_or(digest))
    }
}

impl Record for SignInLink {
    const KIND: &'static str = "sign-in-link";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn subject(&self) -> String {
        self.user.clone()
    }
    fn open(&self) -> bool {
        !self.used
    }
}

/// A user's password: Argon2id, as a PHC string with its own salt and costs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Whose: a reference.
    pub user: String,
    /// `$argon2id$…`
    pub phc: String,
    /// When it was last set.
    pub set_at: Timestamp,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Record for Credential {
    const KIND: &'static str = "credential";
    fn id(&self) -> String {
        self.user.clone()
    }
    fn subject(&self) -> String {
        self.user.clone()
    }
}

/// Sign-ins that failed, of one name or from one address, since the last that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInFailures {
    /// `user` or `address`.
    pub of: String,
    /// Which: as somebody typed it, so only its digest is the id.
    pub which: String,
    /// How many.
    pub count: u32,
    /// The last one.
    pub last_at: Timestamp,
}

impl SignInFailures {
    /// The id of the memory about `which`.
    pub fn id_of(of: &str, which: &str) -> String {
        format!("{of}-{}", &Digest::of(which.as_bytes()).hex()[..32])
    }
}

impl Record for SignInFailures {
    const KIND: &'static str = "sign-in-failures";
    fn id(&self) -> String {
        Self::id_of(&self.of, &self.which)
    }
    fn subject(&self) -> String {
        self.of.clone()
    }
    /// So that the oldest are found first, and taken away.
    fn number(&self) -> i64 {
        self.last_at.0
    }
}
