//! `GET /api/v1/components/{component}/releases`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// `web`, or `namespace/web` percent-encoded.
    pub component: String,
}

/// How many.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// At most so many; 100 where nothing is said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseView {
    /// Its number.
    pub number: i64,
    /// The artifact's digest; none where nothing was built.
    pub artifact: Option<String>,
    /// The commit it was made from.
    pub commit: Option<String>,
    /// When.
    pub created_at: tow_names::Timestamp,
    /// Who.
    pub created_by: String,
}

/// The newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// At most `limit`.
    pub items: Vec<ReleaseView>,
}

endpoint!(ListReleases, "release.list", Get "/api/v1/components/{component}/releases", 200, Read,
    path: Path, query: Query, body: Nothing, reply: Reply,
    "A component's releases, the newest first.");
