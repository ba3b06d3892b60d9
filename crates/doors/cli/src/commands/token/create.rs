//! `tow token create NOTE`.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use tow_api::Nothing;
use tow_api::access::token_create::{Body, CreateToken};
use tow_names::Duration;
use tow_record::Role;

/// Make an API token; it is shown this once
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What it is for
    note: String,
    /// viewer, developer, platform or admin; at most your own
    #[arg(long)]
    role: Option<String>,
    /// How long it holds, as in 30d (else 90 days)
    #[arg(long, value_name = "TIME")]
    expires_in: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let role = match args.role {
        None => None,
        Some(text) => {
            Some(Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
                Failure::new("cli/role", format!("there is no role {text:?}"))
                    .hint("roles are viewer, developer, platform and admin")
            })?)
        }
    };
    let expires_in = match args.expires_in {
        None => None,
        Some(text) => Some(
            text.parse::<Duration>()
                .map_err(|error| Failure::new("cli/duration", error.to_string()))?,
        ),
    };
    let body = Body { note: args.note, owner: None, role, actions: None, only: None, expires_in };
    let reply = cx.client()?.call::<CreateToken>(&Nothing {}, &Nothing {}, &body).await?;
    cx.printer.data(&reply, || match &reply.token {
        Some(token) => token.clone(),
        None => format!("{} was made already; its text is not shown again", reply.id),
    })?;
    cx.printer.hint(&format!(
        "keep it now, it is not shown again; `tow token delete {}` withdraws it",
        reply.id
    ));
    Ok(())
}
