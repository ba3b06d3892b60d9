//! `POST /api/v1/crons/resume`.

use super::list::CronView;
use super::pause::Body;
use crate::{Nothing, endpoint};

endpoint!(ResumeCron, "cron.resume", Post "/api/v1/crons/resume", 200, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: CronView,
    "Fires again from now on; what was due meanwhile is not made good.");
