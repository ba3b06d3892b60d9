//! `GET /api/v1/whoami`.

use crate::{Nothing, endpoint};

endpoint!(WhoAmI, "whoami.get", Get "/api/v1/whoami", 200, Read,
    path: Nothing, query: Nothing, body: Nothing, reply: tow_record::Actor,
    "Who the request comes from, and by what right.");
