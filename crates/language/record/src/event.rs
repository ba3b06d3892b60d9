//! The one log of what happened; audit, activity, webhooks and streams read it by cursor.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tow_names::Timestamp;

/// Every kind of event and when it is written; the reference is printed from it. Kinds are added, never renamed.
pub const EVENTS: &[(&str, &str)] = &[
    ("artifact.pruned", "artifacts that nothing needs were taken away"),
    ("artifact.pushed", "an image of an artifact is in a registry"),
    ("artifact.built", "a build ended well, and its result is kept"),
    ("backup.failed", "a scheduled backup was not made; it is tried again"),
    ("backup.made", "a scheduled backup was made"),
    ("build.cancelled", "somebody does not want a build any more"),
    ("build.created", "somebody wants a source built without deploying it"),
    ("build.failed", "such a build made nothing"),
    ("certificate.added", "somebody brought the certificate of a host"),
    ("certificate.failed", "the certificate of a host could not be ordered; it is tried again"),
    ("certificate.issued", "an authority made the certificate of a host"),
    ("certificate.removed", "the certificate of a host was taken away"),
    (
        "config.changed",
        "an applied plan brought other configuration; values appear as keyed digests",
    ),
    ("deployment.created", "a rollout has a number and begins"),
    ("deployment.remark", "it is live, and its post-deploy command did not end well"),
    ("deployment.failed", "a gate was not passed; what served goes on serving"),
    ("deployment.live", "the rollout is complete: what it replaced is stopped"),
    ("deployment.stopped", "nothing of the component runs in the environment any more"),
    ("event.erased", "bodies of events were taken out of the log for good; it names them, and why"),
    ("instance.exec", "somebody runs a command beside a program; what goes into it is not kept"),
    ("instance.exec-ended", "that command ended, and how"),
    ("location.asked", "somebody wants a location to be read now"),
    ("location.failed", "a location can't be read as it should be; what was read of it last stays"),
    ("location.recovered", "a location is read without an error again"),
    ("location.hook-created", "a location's push hook has a new secret"),
    ("object.created", "a declared object is there"),
    ("object.deleted", "a declared object was taken away"),
    ("object.updated", "a declared object says something else now"),
    ("operation.failed", "an operation ended without doing what it was to do"),
    ("operation.healed", "what had died is replaced"),
    ("operation.healing", "what died is being replaced"),
    ("platform.upgraded", "another build of tow runs the platform than before; it says which"),
    ("plan.applied", "a plan was accepted and its operation begins"),
    ("plan.created", "a plan was made and saved"),
    ("release.created", "a component has a new release"),
    ("rollout.aborted", "somebody broke a rollout off; it goes back"),
    ("rollout.paused", "somebody wants a rollout to stay at the step where it is"),
    ("rollout.resumed", "a rollout may go on from the step where it stayed"),
    ("rollout.reverted", "what was before serves again, by itself; it says why"),
    (
        "rollout.reverting",
        "what was before is deployed again, as nothing of it was left to go back to",
    ),
    (
        "rollout.shifted",
        "some new instances serve beside those of before, or some clients are answered by them",
    ),
    ("rollout.switched", "the gateway serves the new instances alone"),
    ("route.maintenance", "requests for a component are refused for a while, by somebody's order"),
    ("route.paused", "requests for a component are held for a while, by somebody's order"),
    ("route.serving", "requests for a component are handed on again"),
    ("run.created", "somebody wants a command run: a job, a firing, or one of their own"),
    ("run.cancelled", "somebody does not want a run any more"),
    ("run.started", "the first attempt of a run begins"),
    ("run.ended", "a run ended: succeeded, failed, timed out, cancelled, or nobody knows how"),
    ("run.missed", "a workload was due and was not run; it says why, and how many more"),
    ("cron.paused", "a schedule fires nothing for now, by somebody's order"),
    ("cron.resumed", "a paused schedule fires again, from now on"),
    (
        "password.set",
        "a user's password was set, by themselves or by an administrator; their sessions ended",
    ),
    ("session.created", "somebody signed a browser in"),
    ("session.ended", "somebody signed out"),
    (
        "sign-in.refused",
        "a sign-in with a password failed: the first of a name or an address, then every tenth",
    ),
    ("sign-in-link.created", "a link that signs in once was made"),
    ("source.uploaded", "a packed folder arrived"),
    ("token.created", "an API token was made"),
    ("token.revoked", "an API token or session was withdrawn"),
    ("webhook.created", "somebody outside will be told of events"),
    ("webhook.deleted", "somebody outside is told of events no more"),
    (
        "webhook.paused",
        "a webhook carries nothing for now: by somebody's order, or its receiver was given up",
    ),
    ("webhook.redelivery", "an event is to be carried to a webhook once more"),
    ("webhook.resumed", "a paused webhook goes on from where it stopped"),
    ("workload.scaled", "there are to be more or fewer of a workload, because of its load"),
];

/// What an event says: before and after of one thing. Values that hold a secret appear as keyed digests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventBody {
    /// One line for people.
    pub summary: String,
    /// How it was; null where it was not.
    #[serde(default)]
    pub before: serde_json::Value,
    /// How it is now; null where it is no more.
    #[serde(default)]
    pub after: serde_json::Value,
}

/// An event that is about to be written, in the same transaction as what it tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// When.
    pub at: Timestamp,
    /// Who, as an actor's reference: `user:default/ann`, `system:rollout`.
    pub actor: String,
    /// The request it came from; empty for the platform's own acts.
    pub request: String,
    /// What, such as `deployment.live`.
    pub kind: String,
    /// About what, such as `component:default/web@development`.
    pub subject: String,
    /// Before and after.
    pub body: EventBody,
}

/// An event as written. `seq` grows by one with each, in the order of commit, without gaps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its place in the log.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// The request it came from; empty for the platform's own acts.
    pub request: String,
    /// What.
    pub kind: String,
    /// About what.
    pub subject: String,
    /// Digest of the body as stored, so that a body can be erased and the log still proves.
    pub body_sha256: String,
    /// Before and after; null when erased.
    pub body: Option<EventBody>,
}
