//! `tow sign-in`: a one-time link for the browser.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use tow_api::Nothing;
use tow_api::access::sign_in_link::{Body, CreateSignInLink};

/// Print a link that signs a browser in, once, within 15 minutes
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For somebody else, as in user:default/ann; administrators only
    #[arg(long, value_name = "REFERENCE")]
    user: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    link(cx, Body { user: args.user, invite: false }).await
}

/// Makes a link and prints it with the platform's URL.
pub(crate) async fn link(cx: &Context, body: Body) -> Verdict {
    let client = cx.client()?;
    let reply = client.call::<CreateSignInLink>(&Nothing {}, &Nothing {}, &body).await?;
    let path = reply.path.ok_or_else(|| {
        Failure::new(
            "cli/shown-already",
            "the link was made by an earlier try and is not shown twice",
        )
        .hint("ask again")
    })?;
    let url = format!("{}{path}", client.url());
    let value = serde_json::json!({"url": url, "expires_at": reply.expires_at});
    cx.printer.data(&value, || url.clone())
}
