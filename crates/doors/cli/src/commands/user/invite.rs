//! `tow user invite USER`.

use crate::commands::sign_in;
use crate::context::Context;
use crate::failure::Verdict;
use tow_api::access::sign_in_link::Body;

/// Print a link with which somebody chooses a password and signs in, once, within three days
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who, as in ann or user:default/ann; administrators only
    user: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    sign_in::link(cx, Body { user: Some(args.user), invite: true }).await
}
