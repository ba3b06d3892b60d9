//! `GET /api/v1/events/stream`: server-sent events, `id` is `seq`; `Last-Event-ID` resumes.

use crate::{Nothing, endpoint};

endpoint!(StreamEvents, "event.stream", Get "/api/v1/events/stream", 200, Read,
    path: Nothing, query: super::list::Query, body: Nothing, reply: tow_record::Event,
    "What happens, as it happens, as server-sent events. Resumes from `after` or `Last-Event-ID`.");
