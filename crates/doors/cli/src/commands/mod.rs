//! One file a verb: its arguments, whose comments are its help, and what it does.

mod access;
mod apply;
mod artifact;
mod audit;
mod build;
mod config;
mod cron;
mod delete;
mod deploy;
mod deployments;
mod describe;
mod dev;
mod events;
mod exec;
mod explain;
mod get;
mod job;
mod lifecycle;
mod location;
mod logs;
mod maintenance;
mod open;
pub(crate) mod pause;
pub(crate) mod plan;
mod ps;
mod releases;
pub(crate) mod resume;
mod rollback;
mod rollout;
mod route;
pub(crate) mod run;
mod scale;
mod schema;
mod search;
mod session;
mod sign_in;
mod status;
mod tls;
mod token;
mod user;
mod validate;
mod webhook;
mod whoami;

use crate::context::Context;
use crate::failure::Verdict;

/// All verbs of this crate.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    Deploy(deploy::Args),
    Plan(plan::Args),
    Build(build::Args),
    #[command(subcommand)]
    Artifact(artifact::Verb),
    Rollback(rollback::Args),
    #[command(subcommand)]
    Config(config::Verb),
    Scale(scale::Args),
    /// Start fresh instances of what runs
    Restart(lifecycle::Args),
    /// Stop a component: nothing of it runs any more
    Stop(lifecycle::Args),
    /// Start again what was stopped
    Start(lifecycle::Args),
    #[command(subcommand)]
    Rollout(rollout::Verb),
    #[command(subcommand)]
    Maintenance(maintenance::Verb),
    Pause(pause::Args),
    Resume(resume::Args),
    #[command(subcommand)]
    Route(route::Verb),
    Run(run::Args),
    #[command(subcommand)]
    Job(job::Verb),
    #[command(subcommand)]
    Cron(cron::Verb),
    Status(status::Args),
    Ps(ps::Args),
    Releases(releases::Args),
    Deployments(deployments::Args),
    Logs(logs::Args),
    Events(events::Args),
    Exec(exec::Args),
    #[command(subcommand)]
    Audit(audit::Verb),
    Open(open::Args),
    Apply(apply::Args),
    Get(get::Args),
    Search(search::Args),
    Describe(describe::Args),
    Dev(dev::Args),
    Delete(delete::Args),
    Validate(validate::Args),
    Schema(schema::Args),
    Explain(explain::Args),
    #[command(subcommand)]
    Token(token::Verb),
    #[command(subcommand)]
    Location(location::Verb),
    #[command(subcommand)]
    Tls(tls::Verb),
    #[command(subcommand)]
    Webhook(webhook::Verb),
    SignIn(sign_in::Args),
    #[command(subcommand)]
    Session(session::Verb),
    #[command(subcommand)]
    User(user::Verb),
    #[command(subcommand)]
    Access(access::Verb),
    Whoami(whoami::Args),
}

impl Verb {
    pub(crate) async fn run(self, cx: &Context) -> Verdict {
        use tow_api::plan::create::ChangeRequest as Change;
        match self {
            Self::Deploy(args) => deploy::run(cx, args).await,
            Self::Plan(args) => plan::run(cx, args).await,
            Self::Build(args) => build::run(cx, args).await,
            Self::Artifact(verb) => artifact::run(cx, verb).await,
            Self::Rollback(args) => rollback::run(cx, args).await,
            Self::Config(verb) => config::run(cx, verb).await,
            Self::Scale(args) => scale::run(cx, args).await,
            Self::Restart(args) => lifecycle::run(cx, args, Change::Restart).await,
            Self::Stop(args) => lifecycle::run(cx, args, Change::Stop).await,
            Self::Start(args) => lifecycle::run(cx, args, Change::Start).await,
            Self::Rollout(verb) => rollout::run(cx, verb).await,
            Self::Maintenance(verb) => maintenance::run(cx, verb).await,
            Self::Pause(args) => pause::run(cx, args).await,
            Self::Resume(args) => resume::run(cx, args).await,
            Self::Route(verb) => route::run(cx, verb).await,
            Self::Run(args) => run::run(cx, args).await,
            Self::Job(verb) => job::run(cx, verb).await,
            Self::Cron(verb) => cron::run(cx, verb).await,
            Self::Status(args) => status::run(cx, args).await,
            Self::Ps(args) => ps::run(cx, args).await,
            Self::Releases(args) => releases::run(cx, args).await,
            Self::Deployments(args) => deployments::run(cx, args).await,
            Self::Logs(args) => logs::run(cx, args).await,
            Self::Events(args) => events::run(cx, args).await,
            Self::Exec(args) => exec::run(cx, args).await,
            Self::Audit(verb) => audit::run(cx, verb).await,
            Self::Open(args) => open::run(cx, args).await,
            Self::Apply(args) => apply::run(cx, args).await,
            Self::Get(args) => get::run(cx, args).await,
            Self::Search(args) => search::run(cx, args).await,
            Self::Describe(args) => describe::run(cx, args).await,
            Self::Dev(args) => dev::run(cx, args).await,
            Self::Delete(args) => delete::run(cx, args).await,
            Self::Validate(args) => validate::run(cx, args),
            Self::Schema(args) => schema::run(cx, &args),
            Self::Explain(args) => explain::run(cx, &args),
            Self::Token(verb) => token::run(cx, verb).await,
            Self::Location(verb) => location::run(cx, verb).await,
            Self::Tls(verb) => tls::run(cx, verb).await,
            Self::Webhook(verb) => webhook::run(cx, verb).await,
            Self::SignIn(args) => sign_in::run(cx, args).await,
            Self::Session(verb) => session::run(cx, verb).await,
            Self::User(verb) => user::run(cx, verb).await,
            Self::Access(verb) => access::run(cx, verb).await,
            Self::Whoami(args) => whoami::run(cx, args).await,
        }
    }
}
