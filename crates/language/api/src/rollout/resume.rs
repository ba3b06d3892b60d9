//! `POST /api/v1/rollouts/resume`.

use super::list::RolloutView;
use super::pause::Body;
use crate::{Nothing, endpoint};

endpoint!(ResumeRollout, "rollout.resume", Post "/api/v1/rollouts/resume", 200, Deploy,
    path: Nothing, query: Nothing, body: Body, reply: RolloutView,
    "Lets a rollout go on: one that was paused, or waits at a step of a canary.");
