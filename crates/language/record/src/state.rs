//! The one vocabulary of state, the same words in CLI, portal, API and badges.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How something is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It runs, and everything wanted is ready.
    Live,
    /// It is being changed.
    Rolling,
    /// It waits for something or somebody.
    Waiting,
    /// It runs, but not everything wanted is ready.
    Degraded,
    /// It did not come to be, or broke for good.
    Failed,
    /// Nobody asks for it, so nothing of it runs; the first request wakes it.
    Asleep,
    /// It was asked to stop, or was replaced.
    Stopped,
    /// Nobody can say.
    Unknown,
}

impl State {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Rolling => "rolling",
            Self::Waiting => "waiting",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Asleep => "asleep",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
