//! `tow resume`: what was held is answered.

use super::pause::told;
use crate::context::{Context, Named};
use crate::failure::Verdict;
use tow_api::Nothing;
use tow_api::route::serve::{Body, Ending, ServeRoutes};

/// Hand requests on again that `tow pause` holds
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    serve(cx, args.at, Ending::Pause).await
}

/// Ends a pause, or maintenance.
pub(crate) async fn serve(cx: &Context, at: Named, ends: Ending) -> Verdict {
    let at = at.place();
    let body = Body { component: at.component()?, environment: Some(at.environment()), ends };
    let view = cx.client()?.call::<ServeRoutes>(&Nothing {}, &Nothing {}, &body).await?;
    told(cx, view)
}
