//! `tow rollback`: an earlier deployment again.

use crate::context::{Context, Where};
use crate::failure::Verdict;
use crate::follow::{self, How};
use tow_api::plan::create::{Body, ChangeRequest};

/// Bring an earlier deployment's release, configuration and replicas back
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The deployment's number (else the last good one before the current)
    #[arg(value_name = "N")]
    to: Option<i64>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let body = request(&args.at, ChangeRequest::Rollback { to: args.to })?;
    follow::change(cx, follow::now(), &body, &args.how).await
}

/// A change of what is there: without documents.
pub(crate) fn request(at: &Where, change: ChangeRequest) -> Verdict<Body> {
    Ok(Body {
        component: Some(at.component()?),
        environment: Some(at.environment()),
        documents: Vec::new(),
        source: None,
        change,
    })
}
