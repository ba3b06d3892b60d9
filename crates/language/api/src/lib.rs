//! The contract: one file an endpoint, shared by server, client and OpenAPI. Knows neither app nor HTTP server nor SQL.

pub mod access;
pub mod artifact;
pub mod audit;
pub mod build;
pub mod config;
pub mod cron;
pub mod deployment;
mod endpoint;
pub mod event;
pub mod instance;
pub mod location;
pub mod log;
mod metric;
pub mod object;
mod openapi;
pub mod operation;
pub mod plan;
pub mod platform;
pub mod release;
pub mod request;
pub mod rollout;
pub mod route;
pub mod run;
pub mod source;
pub mod status;
pub mod tls;
pub mod webhook;

pub(crate) use endpoint::endpoint;
pub use endpoint::{Action, Endpoint, Method, Nothing};
pub use metric::{METRICS, Metric};
pub use openapi::openapi;

/// The cookie of a browser's session; its value is a token. Without the prefix `__Host-`, which browsers and curl
/// drop on plain http; the gateway never passes it on to workloads.
pub const SESSION_COOKIE: &str = "tow_session";

/// Calls `$callback!` with every endpoint of the contract that is plain JSON in and out, then those with a form of
/// their own: uploads and streams. Router, OpenAPI, client and coverage lists are made from it.
#[macro_export]
macro_rules! endpoints {
    ($callback:ident) => {
        $callback! {
            plain: [
                $crate::access::password_set::SetPassword,
                $crate::access::rights::ListRights,
                $crate::access::sign_in_link::CreateSignInLink,
                $crate::access::token_create::CreateToken,
                $crate::access::token_delete::DeleteToken,
                $crate::access::token_list::ListTokens,
                $crate::access::whoami::WhoAmI,
                $crate::access::why::WhyAccess,
                $crate::artifact::get::GetArtifact,
                $crate::artifact::list::ListArtifacts,
                $crate::artifact::prune::PruneArtifacts,
                $crate::artifact::push::PushArtifact,
                $crate::audit::erase::EraseEvents,
                $crate::audit::head::GetAuditHead,
                $crate::audit::list::ListAudit,
                $crate::audit::verify::VerifyAudit,
                $crate::build::cancel::CancelBuild,
                $crate::build::create::CreateBuild,
                $crate::build::get::GetBuild,
                $crate::build::list::ListBuilds,
                $crate::config::get::GetConfig,
                $crate::cron::list::ListCrons,
                $crate::cron::pause::PauseCron,
                $crate::cron::resume::ResumeCron,
                $crate::cron::trigger::TriggerCron,
                $crate::deployment::get::GetDeployment,
                $crate::deployment::list::ListDeployments,
                $crate::event::list::ListEvents,
                $crate::instance::list::ListInstances,
                $crate::location::get::GetLocation,
                $crate::location::list::ListLocations,
                $crate::location::preview::PreviewLocation,
                $crate::location::push_secret::CreatePushSecret,
                $crate::location::refresh::RefreshLocation,
                $crate::object::apply::Apply,
                $crate::object::delete::DeleteObject,
                $crate::object::facets::GetFacets,
                $crate::object::get::GetObject,
                $crate::object::list::FindObjects,
                $crate::object::list::ListObjects,
                $crate::operation::get::GetOperation,
                $crate::plan::apply::ApplyPlan,
                $crate::plan::create::CreatePlan,
                $crate::plan::get::GetPlan,
                $crate::platform::get::GetPlatform,
                $crate::release::list::ListReleases,
                $crate::request::list::ListRequests,
                $crate::rollout::abort::AbortRollout,
                $crate::rollout::list::ListRollouts,
                $crate::rollout::pause::PauseRollout,
                $crate::rollout::resume::ResumeRollout,
                $crate::route::explain::ExplainRoute,
                $crate::route::list::ListRoutes,
                $crate::route::maintain::MaintainRoutes,
                $crate::route::pause::PauseRoutes,
                $crate::route::serve::ServeRoutes,
                $crate::run::cancel::CancelRun,
                $crate::run::create::CreateRun,
                $crate::run::get::GetRun,
                $crate::run::list::ListRuns,
                $crate::status::get::GetStatus,
                $crate::tls::add::AddCertificate,
                $crate::tls::authority::GetAuthority,
                $crate::tls::list::ListCertificates,
                $crate::tls::remove::RemoveCertificate,
                $crate::webhook::create::CreateWebhook,
                $crate::webhook::delete::DeleteWebhook,
                $crate::webhook::deliveries::ListDeliveries,
                $crate::webhook::get::GetWebhook,
                $crate::webhook::list::ListWebhooks,
                $crate::webhook::pause::PauseWebhook,
                $crate::webhook::redeliver::Redeliver,
                $crate::webhook::resume::ResumeWebhook,
                $crate::webhook::test::TestWebhook,
            ],
            special: [
                $crate::event::stream::StreamEvents,
                $crate::instance::exec::ExecInstance,
                $crate::location::push::PushLocation,
                $crate::log::stream::StreamLogs,
                $crate::source::upload::UploadSource,
            ]
        }
    };
}
