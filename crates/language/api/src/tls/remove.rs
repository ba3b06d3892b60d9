//! `DELETE /api/v1/certificates/{host}`.

use super::add::Path;
use crate::{Nothing, endpoint};

endpoint!(RemoveCertificate, "certificate.remove", Delete "/api/v1/certificates/{host}", 200, Govern,
    path: Path, query: Nothing, body: Nothing, reply: Nothing,
    "Takes the certificate of a host away; the gateway does not show it any more.");
