//! `POST /api/v1/runs/{run}/cancel`.

use super::get::Path;
use super::list::RunView;
use crate::{Nothing, endpoint};

endpoint!(CancelRun, "run.cancel", Post "/api/v1/runs/{run}/cancel", 200, Deploy,
    path: Path, query: Nothing, body: Nothing, reply: RunView,
    "Stops a run and lets it not be tried again. One that ended stays as it is.");
