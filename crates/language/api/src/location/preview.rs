//! `POST /api/v1/locations/preview`: what a location would bring in.

use crate::object::apply::Document;
use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_record::{StatusItem, Verdict};

/// Which location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// A document with one Location in it, as it would be applied.
    pub document: Document,
}

/// What would become of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Would {
    /// Its reference.
    pub entity: String,
    /// What would become of it.
    pub verdict: Verdict,
    /// Where it is declared, as `file:line`; empty for what goes.
    pub at: String,
}

/// What would come of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Its reference.
    pub location: String,
    /// What would change, by reference; at most 10,000 of it.
    pub objects: Vec<Would>,
    /// How many objects would come from it.
    pub total: u64,
    /// How many files were read.
    pub files: u64,
    /// What would not come in, or is wrong.
    pub items: Vec<StatusItem>,
}

endpoint!(PreviewLocation, "location.preview", Post reads "/api/v1/locations/preview", 200, Govern,
    path: Nothing, query: Nothing, body: Body, reply: Reply,
    "Reads a location and says what would come of it. Changes nothing.");
