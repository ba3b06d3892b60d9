//! `POST /api/v1/crons/trigger`.

use super::pause::Body;
use crate::run::list::RunView;
use crate::{Nothing, endpoint};

endpoint!(TriggerCron, "cron.trigger", Post "/api/v1/crons/trigger", 201, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: RunView,
    "Runs a workload with a schedule now, whether or not it is due or paused.");
