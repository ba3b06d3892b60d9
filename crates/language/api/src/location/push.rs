//! `POST /api/v1/locations/{name}/push`: for git forges. The body is theirs and is not read but for its signature.

use super::get::{Path, Query};
use crate::{Nothing, endpoint};

/// The header with the signature: `sha256=` and HMAC-SHA256 of the body in hexadecimal digits, as GitHub, Gitea and
/// Forgejo send it.
pub const SIGNATURE: &str = "x-hub-signature-256";

endpoint!(PushLocation, "location.push", Post "/api/v1/locations/{name}/push", 202, Read,
    path: Path, query: Query, body: Nothing, reply: Nothing,
    "The push hook of a location: whoever signs with its secret makes the platform look at it. Needs no token.");
