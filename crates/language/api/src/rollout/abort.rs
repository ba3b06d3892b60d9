//! `POST /api/v1/rollouts/abort`.

use super::list::RolloutView;
use super::pause::Body;
use crate::{Nothing, endpoint};

endpoint!(AbortRollout, "rollout.abort", Post "/api/v1/rollouts/abort", 200, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: RolloutView,
    "Breaks a rollout off: what was before serves again, and what is new is taken away.");
