//! `PUT /api/v1/sources`: the body is the archive itself, streamed.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Beside the archive.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// The commit the folder is at; with `+changes` where it differs from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

endpoint!(UploadSource, "source.upload", Put "/api/v1/sources", 200, Deploy,
    path: Nothing, query: Query, body: Nothing, reply: tow_record::Source,
    "Uploads a folder as a tar archive (application/x-tar). The same bytes are kept once.");
