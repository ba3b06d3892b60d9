//! Webhooks: where the log of events is carried to, how far it has come, and what became of each delivery.

use crate::{Actor, Record, Sealed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::{Duration, Id, Timestamp};

/// So many attempts of a delivery are kept, the last ones.
const ATTEMPTS: usize = 10;

/// Somebody outside who is told of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its id.
    pub id: Id,
    /// Where events are posted to.
    pub url: String,
    /// Which events: `*`, `deployment.*`, `object.created`.
    pub events: Vec<String>,
    /// The key that signs each delivery; shown once, when made.
    pub secret: Sealed,
    /// What it is for, in the maker's words.
    pub note: String,
    /// Who made it, by which right then: it carries what they may see.
    pub created_by: Actor,
    /// When it was made.
    pub created_at: Timestamp,
    /// The last event before it was made: only later ones are carried.
    pub since: i64,
    /// Nothing is carried; none where it is.
    pub paused: Option<Paused>,
    /// When it was last resumed: giving up counts from then at the earliest.
    pub resumed_at: Option<Timestamp>,
}

/// Why a webhook is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Paused {
    /// Since when.
    pub at: Timestamp,
    /// By whom: a person, or `system:deliver`.
    pub by: String,
    /// Why; empty where a person gave no reason.
    pub why: String,
}

impl Webhook {
    /// What its secret is sealed under. Part of what is stored: a change makes every secret unreadable.
    pub fn context(id: &Id) -> String {
        format!("webhook {id} secret")
    }

    /// Where it leads, as events and people may read it: the rest of a URL is often its receiver's secret.
    pub fn origin(url: &str) -> &str {
        let host = url.find("://").map_or(0, |at| at + 3);
        url[host..].find(['/', '?', '#']).map_or(url, |end| &url[..host + end])
    }

    /// The subject of events about it.
    pub fn subject_of(id: &Id) -> String {
        format!("webhook:{id}")
    }
}

impl Record for Webhook {
    const KIND: &'static str = "webhook";
    fn id(&self) -> String {
        self.id.to_string()
    }
    fn subject(&self) -> String {
        self.created_by.name.clone()
    }
    /// Is it carried to?
    fn open(&self) -> bool {
        self.paused.is_none()
    }
}

/// How far a webhook has come in the log. A row of its own, so that people and the controller do not write the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// Of which webhook.
    pub webhook: Id,
    /// Every event up to here is dealt with: delivered, or not meant for it.
    pub seq: i64,
    /// How many were delivered.
    pub delivered: i64,
}

impl Record for Outbox {
    const KIND: &'static str = "outbox";
    fn id(&self) -> String {
        self.webhook.to_string()
    }
    fn subject(&self) -> String {
        self.webhook.to_string()
    }
}

/// What became of one event for one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// To which webhook.
    pub webhook: Id,
    /// Which event, by its place in the log.
    pub seq: i64,
    /// The event's kind.
    pub kind: String,
    /// How it stands.
    pub state: DeliveryState,
    /// Asked for again by a person: it holds up nothing and nothing holds it up.
    #[serde(default)]
    pub again: bool,
    /// How often it was posted, or is just being posted.
    pub tries: u32,
    /// The last attempts, the oldest first.
    pub attempts: Vec<Attempt>,
    /// Since when it is tried.
    pub since: Timestamp,
    /// When it is tried next; none once it is delivered or given up.
    pub next_at: Option<Timestamp>,
    /// When it was delivered or given up.
    pub finished_at: Option<Timestamp>,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It will be tried, for the first time or again.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// One post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: AttemptOutcome,
}

/// What came of an attempt. Before it is made it is written down as unknown, and stays so where the answer was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum AttemptOutcome {
    /// Whether it arrived is not known: the control plane ended while it was under way.
    Unknown,
    /// The receiver answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        excerpt: String,
        /// How long it took.
        took: Duration,
    },
    /// No answer.
    Failed {
        /// Why.
        why: String,
        /// It may have arrived all the same.
        arrived: bool,
    },
}

impl Delivery {
    /// The id of a delivery's record.
    pub fn id_of(webhook: &Id, seq: i64) -> String {
        format!("{webhook}/{seq}")
    }

    /// What receivers tell a repeat by: the same for each attempt. Without a dot, which parts a signed text.
    pub fn message(webhook: &Id, seq: i64) -> String {
        format!("{webhook}_{seq}")
    }

    /// Writes an attempt down, before it is made; the oldest are forgotten.
    pub fn begin(&mut self, at: Timestamp) {
        self.tries += 1;
        self.attempts.push(Attempt { at, outcome: AttemptOutcome::Unknown });
        let over = self.attempts.len().saturating_sub(ATTEMPTS);
        self.attempts.drain(..over);
    }

    /// Says what came of the last attempt.
    pub fn answer(&mut self, outcome: AttemptOutcome) {
        if let Some(last) = self.attempts.last_mut() {
            last.outcome = outcome;
        }
    }
}

impl Record for Delivery {
    const KIND: &'static str = "delivery";
    fn id(&self) -> String {
        Self::id_of(&self.webhook, self.seq)
    }
    fn subject(&self) -> String {
        self.webhook.to_string()
    }
    fn number(&self) -> i64 {
        self.seq
    }
    fn open(&self) -> bool {
        self.state == DeliveryState::Waiting
    }
}
