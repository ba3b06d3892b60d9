//! `POST /api/v1/audit/verify`.

use crate::{Nothing, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Against what, besides its own seals.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// A head that was handed out once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<tow_record::Head>,
}

endpoint!(VerifyAudit, "audit.verify", Post reads "/api/v1/audit/verify", 200, Audit,
    path: Nothing, query: Nothing, body: Body, reply: tow_record::AuditReport,
    "Reads the whole log and says what of it is not as it was sealed.");
