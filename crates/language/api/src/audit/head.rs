//! `GET /api/v1/audit/head`.

use crate::{Nothing, endpoint};

endpoint!(GetAuditHead, "audit.head", Get "/api/v1/audit/head", 200, Audit,
    path: Nothing, query: Nothing, body: Nothing, reply: tow_record::Head,
    "The last seal, signed. Kept elsewhere, it proves later that the log still begins with what it was now.");
