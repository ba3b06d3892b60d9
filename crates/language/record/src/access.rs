//! Who acts, by what right, and what proves it.

use crate::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_model::kinds::role_binding::Role;

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
    /// What their token is cut down to.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
}

/// What somebody wants to do; access is decided on it. The golden role table lists them all.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Read the catalog, status, releases, deployments.
    Read,
    /// Read what owners alone may: configuration values, logs, plans.
    ReadPrivate,
    /// Declare a component, system or delivery of one's own.
    Declare,
    /// Declare what governs everybody: environments, runtimes, groups, users.
    Govern,
    /// Plan, deploy, roll back, scale, stop, start, configure.
    Deploy,
    /// Make and withdraw one's own tokens.
    OwnTokens,
    /// Make sign-in links and tokens for others.
    ManageAccess,
    /// Read, export and verify the whole log of events.
    Audit,
    /// Take bodies out of the log for good.
    Erase,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::ReadPrivate,
        Self::Declare,
        Self::Govern,
        Self::Deploy,
        Self::OwnTokens,
        Self::ManageAccess,
        Self::Audit,
        Self::Erase,
    ];
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadPrivate => "read-private",
            Self::Declare => "declare",
            Self::Govern => "govern",
            Self::Deploy => "deploy",
            Self::OwnTokens => "own-tokens",
            Self::ManageAccess => "manage-access",
            Self::Audit => "audit",
            Self::Erase => "erase",
        }
    }

    /// The one of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == text)
    }
}
