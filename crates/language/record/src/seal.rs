//! How the log of events is proved: seals over runs of it, each holding to the one before and signed. Decides nothing;
//! how leaf and root are computed is in `plan`.

use crate::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;

/// A signature with the key that made it. Ed25519, as in RFC 8032.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signature {
    /// Which key; derived from the public key, so that one can't stand in for another.
    pub key: String,
    /// Base64 of the 64 bytes.
    pub signature: String,
}

/// A run of events, sealed: whoever changes one of them later can't make a seal that fits without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seal {
    /// From 1, without gaps.
    pub number: i64,
    /// The first event's `seq`.
    pub from: i64,
    /// The last event's `seq`.
    pub to: i64,
    /// The root of the seal before; empty in the first.
    pub previous: String,
    /// For each event from `from` to `to` the digest of what it says, in hexadecimal; empty where there was no such
    /// event any more when it was to be sealed.
    pub leaves: Vec<String>,
    /// Over `previous` and all leaves, in hexadecimal.
    pub root: String,
    /// When.
    pub at: Timestamp,
    /// Over [`Seal::statement`].
    pub signature: Signature,
}

impl Seal {
    /// The reader of the log that this is the work of: its cursor stands at the last event sealed.
    pub const CONSUMER: &'static str = "seal";

    /// What is signed, for people and programs alike. Part of what is stored: a change makes every signature worthless.
    pub fn statement(&self) -> String {
        let Self { number, from, to, previous, root, at, .. } = self;
        format!(
            "towpath seal 1\nnumber {number}\nevents {from} {to}\nprevious {previous}\nroot {root}\nat {at}\n"
        )
    }
}

impl Record for Seal {
    const KIND: &'static str = "seal";
    fn id(&self) -> String {
        self.number.to_string()
    }
    fn subject(&self) -> String {
        String::new()
    }
    fn number(&self) -> i64 {
        self.number
    }
}

/// An event as it was found in the log, with what its body was found to be: for sealing and for checking, which never
/// trust what is written beside the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its place in the log.
    pub seq: i64,
    /// When, in microseconds, as written.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// The request it came from.
    pub request: String,
    /// What.
    pub kind: String,
    /// About what.
    pub subject: String,
    /// The digest written beside the body, in hexadecimal.
    pub body_sha256: String,
    /// The digest of the body that is there; none where it was erased.
    pub found: Option<String>,
    /// The events that this one says were erased; empty but for `event.erased`.
    pub erased: Vec<i64>,
}

/// A seal without its leaves, as it is handed out: whoever keeps one can prove later that the log still begins with
/// what it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    /// The seal's number.
    pub number: i64,
    /// Its first event.
    pub from: i64,
    /// Its last event.
    pub to: i64,
    /// The root of the seal before.
    pub previous: String,
    /// Its root.
    pub root: String,
    /// When it was made.
    pub at: Timestamp,
    /// Over [`Seal::statement`].
    pub signature: Signature,
    /// The public half of the key, base64.
    pub public: String,
}

impl Head {
    /// Of this seal.
    pub fn of(seal: &Seal, public: String) -> Self {
        Self {
            number: seal.number,
            from: seal.from,
            to: seal.to,
            previous: seal.previous.clone(),
            root: seal.root.clone(),
            at: seal.at,
            signature: seal.signature.clone(),
            public,
        }
    }

    /// The seal it is of, without its leaves.
    pub fn seal(&self) -> Seal {
        Seal {
            number: self.number,
            from: self.from,
            to: self.to,
            previous: self.previous.clone(),
            leaves: Vec::new(),
            root: self.root.clone(),
            at: self.at,
            signature: self.signature.clone(),
        }
    }
}

/// In what way the log is not what it was.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tampering {
    /// An event says something else than what was sealed.
    EventChanged,
    /// A body is not the one whose digest stands beside it.
    BodyChanged,
    /// An event is gone, and others come after it.
    EventDeleted,
    /// An event is there that was never sealed at this place.
    EventInserted,
    /// An event stands at another place.
    EventMoved,
    /// The end of the log is gone.
    TailCut,
    /// A body is gone, and no event tells of its erasure.
    ErasedWithoutRecord,
    /// A seal is gone.
    SealGone,
    /// A seal does not hold together: its leaves are not those of its root.
    SealChanged,
    /// A seal was not signed by the key it names.
    SealForged,
    /// A seal does not hold to the one before it.
    ChainBroken,
    /// A seal was signed by a key that is not known here: it can't be proved.
    KeyUnknown,
    /// The head given is not what the key it names has signed.
    HeadForged,
    /// The head given is of another log than this.
    HeadDiffers,
}

/// One thing that is wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// In what way.
    pub what: Tampering,
    /// The first event that it is about.
    pub from: i64,
    /// The last one.
    pub to: i64,
    /// The seal, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<i64>,
    /// For people.
    pub says: String,
}

/// What a look at the whole log came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AuditReport {
    /// Events seen.
    pub events: i64,
    /// Seals seen.
    pub seals: i64,
    /// The last event that a seal covers.
    pub sealed_to: i64,
    /// The last event.
    pub last: i64,
    /// Events whose body was erased.
    pub erased: i64,
    /// What is wrong, in the order of the log; empty where all is as it was.
    pub findings: Vec<Finding>,
    /// Further findings that were not listed.
    pub more: i64,
}
