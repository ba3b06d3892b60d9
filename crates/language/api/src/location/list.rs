//! `GET /api/v1/locations`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::{Duration, Timestamp};
use tow_record::{State, StatusItem};

/// A location and how it was found last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LocationView {
    /// Its reference.
    pub location: String,
    /// `file`, `url` or `git`; empty where it can't be told.
    pub source: String,
    /// What it names.
    pub targets: Vec<String>,
    /// `live`: all of it is as its source says; `degraded`: not all, and what was read last stays; `failed`: nothing of it
    /// was ever read; `waiting`: it was not looked at yet.
    pub state: State,
    /// Which kinds come in.
    pub allow: Vec<String>,
    /// How often it is looked at.
    pub every: Duration,
    /// What it names no more is kept and marked, and not removed.
    pub keep_orphans: bool,
    /// How many objects come from it.
    pub objects: u64,
    /// How many files they were read from.
    pub files: u64,
    /// What its source was at, such as a commit; empty where that can't be told.
    pub revision: String,
    /// When it was last looked at.
    pub looked_at: Option<Timestamp>,
    /// When all of it was last read without an error.
    pub good_at: Option<Timestamp>,
    /// When it is looked at next.
    pub due: Option<Timestamp>,
    /// A look was asked for and comes next.
    pub asked: bool,
    /// Its push hook has a secret.
    pub push: bool,
    /// What is wrong with it, as in its status.
    pub items: Vec<StatusItem>,
}

/// By reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Those that are looked at by themselves; locations in what they name are part of them.
    pub items: Vec<LocationView>,
}

endpoint!(ListLocations, "location.list", Get "/api/v1/locations", 200, Read,
    path: Nothing, query: Nothing, body: Nothing, reply: Reply,
    "Locations that are looked at by themselves, and how each was found last.");
