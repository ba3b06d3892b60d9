//! `tow token create NOTE`.

use crate::commands::access::why::action;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::short;
use tow_api::Nothing;
use tow_api::access::token_create::{Body, CreateToken};
use tow_names::Duration;
use tow_record::Role;

/// Make an API token; it is shown this once
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What it is for, in your words
    #[arg(default_value = "", hide_default_value = true)]
    note: String,
    /// Whose it shall be, as in serviceaccount:ci (else yours)
    #[arg(long = "for", value_name = "ACCOUNT")]
    owner: Option<String>,
    /// viewer, developer, platform or admin, at most; and at most your own
    #[arg(long)]
    role: Option<String>,
    /// Only for this, and reading: declare, deploy, read-private, …; several times for several
    #[arg(long = "action", value_name = "ACTION")]
    actions: Vec<String>,
    /// Only for this component or system, as in web or system:shop; several times for several
    #[arg(long, value_name = "REFERENCE")]
    only: Vec<String>,
    /// How long it holds, as in 30d (else 90 days), at most a year
    #[arg(long, alias = "expires-in", value_name = "TIME")]
    expires: Option<String>,
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
    let expires_in = match args.expires {
        None => None,
        Some(text) => Some(
            text.parse::<Duration>()
                .map_err(|error| Failure::new("cli/duration", error.to_string()))?,
        ),
    };
    let actions: Vec<_> = args.actions.iter().map(|text| action(text)).collect::<Verdict<_>>()?;
    let body = Body {
        note: args.note,
        owner: args.owner,
        role,
        actions: (!actions.is_empty()).then_some(actions),
        only: (!args.only.is_empty()).then_some(args.only),
        expires_in,
    };
    let reply = cx.client()?.call::<CreateToken>(&Nothing {}, &Nothing {}, &body).await?;
    cx.printer.data(&reply, || match &reply.token {
        Some(token) => token.clone(),
        None => format!("{} was made already; its text is not shown again", reply.id),
    })?;
    if reply.effective < reply.role {
        let (owner, now) = (short(&reply.owner), reply.effective.as_str());
        cx.printer.say(&format!(
            "{owner} is {now} at present, so the token is too; a RoleBinding makes it {}",
            reply.role.as_str()
        ));
    }
    cx.printer.hint(&format!(
        "keep it now, it is not shown again; `tow token delete {}` withdraws it",
        reply.id
    ));
    Ok(())
}
