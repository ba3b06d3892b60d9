//! Which platform this is, for whoever hears of several.

use crate::Record;
use serde::{Deserialize, Serialize};
use tow_names::{Id, Timestamp};

/// Made once, kept over backup and restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// Nobody else has it.
    pub id: Id,
    /// When it was made.
    pub at: Timestamp,
    /// The build of tow that ran it last; empty where none said so.
    #[serde(default)]
    pub build: String,
}

impl Installation {
    /// The id of the one record of this kind.
    pub const ONE: &'static str = "this";

    /// The source of its events, as CloudEvents has it.
    pub fn source(&self) -> String {
        format!("urn:towpath:{}", self.id)
    }
}

impl Record for Installation {
    const KIND: &'static str = "installation";
    fn id(&self) -> String {
        Self::ONE.into()
    }
    fn subject(&self) -> String {
        String::new()
    }
}
