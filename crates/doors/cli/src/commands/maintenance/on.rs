//! `tow maintenance on`.

use crate::commands::pause::told;
use crate::context::{Context, Named};
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::route::maintain::{Body, MaintainRoutes};
use tow_names::Duration;

/// Refuse requests with 503 and a page; what runs goes on running
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
    /// After how long clients are told to come again (else 10m)
    #[arg(long, value_name = "TIME")]
    retry_after: Option<Duration>,
    /// A network whose clients are served all the same, as in 10.0.0.0/8; may be said several times
    #[arg(long, value_name = "NETWORK")]
    allow: Vec<String>,
    /// A sentence for the page
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let at = args.at.place();
    let body = Body {
        component: at.component()?,
        environment: Some(at.environment()),
        retry_after: args.retry_after,
        allow: args.allow,
        message: args.message,
    };
    let view = cx.client()?.call::<MaintainRoutes>(&Nothing {}, &Nothing {}, &body).await?;
    told(cx, view)
}
