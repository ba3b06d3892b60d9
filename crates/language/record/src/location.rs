//! What is known of a location: how it was when it was last read, that somebody wants it read again, and what its push
//! hook is signed with. Rows of their own, so that people and the controller do not write the same one.

use crate::{Level, Record, Sealed, StatusItem};
use serde::{Deserialize, Serialize};
use tow_names::{EntityRef, Timestamp};

/// How a location was found. Written by the controller alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationState {
    /// Which location.
    pub location: EntityRef,
    /// The version of its object that was read: another one is read anew, whatever its source says.
    pub version: i64,
    /// Of the source, when all of it was kept last; empty where it is not known.
    pub revision: String,
    /// When it was last looked at.
    pub looked_at: Timestamp,
    /// When all of it was last read without an error.
    pub good_at: Option<Timestamp>,
    /// When it is looked at next.
    pub due: Timestamp,
    /// What is wrong with it.
    pub items: Vec<StatusItem>,
    /// How many objects come from it.
    pub objects: u64,
    /// How many files they were read from.
    pub files: u64,
    /// What it names no more is kept, should the location itself go.
    pub keep_orphans: bool,
    /// Looks in a row that failed.
    pub failures: u32,
}

impl LocationState {
    /// Is something wrong that keeps objects from being as their source says?
    pub fn failed(&self) -> bool {
        self.items.iter().any(|item| item.level == Level::Error)
    }
}

impl Record for LocationState {
    const KIND: &'static str = "location-state";
    fn id(&self) -> String {
        self.location.to_string()
    }
    fn subject(&self) -> String {
        self.location.to_string()
    }
}

/// Somebody wants a location to be looked at now. Taken away by the controller once it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationAsk {
    /// Which location.
    pub location: EntityRef,
    /// Since when.
    pub at: Timestamp,
    /// By whom: a person, or `push` for the hook.
    pub by: String,
}

impl Record for LocationAsk {
    const KIND: &'static str = "location-ask";
    fn id(&self) -> String {
        self.location.to_string()
    }
    fn subject(&self) -> String {
        self.location.to_string()
    }
}

/// What a location's push hook is signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationHook {
    /// Which location.
    pub location: EntityRef,
    /// The key; shown once, when made.
    pub secret: Sealed,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

impl LocationHook {
    /// What its secret is sealed under. Part of what is stored: a change makes every secret unreadable.
    pub fn context(location: &EntityRef) -> String {
        format!("location hook {location}")
    }
}

impl Record for LocationHook {
    const KIND: &'static str = "location-hook";
    fn id(&self) -> String {
        self.location.to_string()
    }
    fn subject(&self) -> String {
        self.location.to_string()
    }
}
