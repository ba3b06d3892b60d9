//! What was produced and is not edited by people: plans, releases, deployments, operations and their steps,
//! instances, artifacts, events, route tables, and what was observed of the world. Decides nothing.
//!
//! A produced thing that is kept implements [`Record`]: the store needs to know no more of it than that.

mod access;
mod artifact;
mod certificate;
mod code;
mod configuration;
mod declaration;
mod deployment;
mod event;
mod facts;
mod installation;
mod instance;
mod item;
mod lease;
mod location;
mod observed;
mod operation;
mod placement;
mod plan;
mod problem;
mod progress;
mod release;
mod request;
mod route;
mod run;
mod scale;
mod seal;
mod state;
mod token;
mod webhook;

pub use access::{Actor, Right};
pub use artifact::{Artifact, Build, BuildBounds, BuildSpec, BuildTool, Discarded, Found, Source};
pub use certificate::{
    AcmeAccount, AcmeOrder, AcmeStage, Authority, Certificate, CertificateFacts, CertificateSet,
    CertificateSource, ServedCertificate,
};
pub use code::{CODES, Code, ExitStatus};
pub use configuration::{ConfigVersion, Sealed};
pub use declaration::{Declaration, Kept, Verdict};
pub use deployment::{Deployment, Executes, Outcome, Reason};
pub use event::{EVENTS, Event, EventBody, NewEvent};
pub use facts::{Can, RuntimeFacts};
pub use installation::Installation;
pub use instance::{
    Backoff, Bounds, Desired, ExecProbe, HttpProbe, Instance, InstanceSpec, Isolation, Mount,
    Probe, Program, Restart, Setting, is_part,
};
pub use item::{CATALOG_PROCESSING, ItemError, Level, StatusItem};
pub use lease::{Fence, Lease};
pub use location::{LocationAsk, LocationHook, LocationState};
pub use observed::{
    Exit, LogLine, LogStream, Observed, ObservedBuild, ObservedEdge, ObservedInstance, Phase,
    ProbeReport, RouteCounters, RoutePart, TargetCounters, Usage,
};
pub use operation::{Effect, Failure, Operation, Step, StepRow, StepState, Turn};
pub use placement::{Placement, Pod, Trying};
pub use plan::{Action, Change, Gate, GateKind, Plan, PlanStep, ReadMember, Target};
pub use problem::{Problem, SourceLine, Violation};
pub use progress::{Before, Held, Progress, Stage, Tally};
pub use release::{Release, ReleaseWorkload};
pub use request::RequestLine;
// Said in `tow.yaml`, obeyed by the gateway as it was said.
pub use route::{Mark, Mode, Route, RouteAck, RouteSet, RouteTarget, Split};
pub use run::{CronPaused, CronState, OnUnknown, Run, RunKind, RunState};
pub use scale::{Peak, Sample, Scale, Scaled};
pub use seal::{AuditReport, Finding, Head, Logged, Seal, Signature, Tampering};
pub use state::State;
pub use token::{Credential, Limits, Purpose, SignInFailures, SignInLink, Token, TokenUse};
pub use tow_model::kinds::role_binding::Role;
pub use tow_model::kinds::routes::{Redirect, RouteRules, Spoken};
pub use tow_model::kinds::static_files::{Site, SiteHeaders};
pub use webhook::{Attempt, AttemptOutcome, Delivery, DeliveryState, Outbox, Paused, Webhook};

/// A produced thing that the store keeps: a kind, an id unique in the kind, the subject it is about, a number within
/// the subject, and whether it is still open (unfinished). The store allows one open operation a subject.
pub trait Record: serde::Serialize + serde::de::DeserializeOwned + Send + Sync {
    /// Such as `release`.
    const KIND: &'static str;
    /// Unique in the kind.
    fn id(&self) -> String;
    /// What it is about, such as a component's reference or a place; empty where there is nothing.
    fn subject(&self) -> String;
    /// Its number within the subject; 0 where it has none.
    fn number(&self) -> i64 {
        0
    }
    /// Is it unfinished?
    fn open(&self) -> bool {
        false
    }
}
