//! `POST /api/v1/builds/{build}/cancel`.

use super::get::{BuildView, Path};
use crate::{Nothing, endpoint};

endpoint!(CancelBuild, "build.cancel", Post "/api/v1/builds/{build}/cancel", 200, Deploy,
    path: Path, query: Nothing, body: Nothing, reply: BuildView,
    "Ends a build before it is done. One that ended stays as it is; a deployment that waits for it fails, and what runs goes on running.");
