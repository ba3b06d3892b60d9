//! `tow access list [ACTOR]`.

use crate::context::Context;
use crate::failure::Verdict;
use crate::render::line;
use tow_api::Nothing;
use tow_api::access::rights::{ListRights, Query};

/// Show what somebody may do, and from which bindings and groups
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who: a user as in ann, or serviceaccount:NAME (else you)
    actor: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query { actor: args.actor.filter(|actor| actor != "me") };
    let reply = cx.client()?.call::<ListRights>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.data(&reply, || {
        let mut out = String::new();
        line(&mut out, format_args!("{}  {}", reply.actor, reply.role.as_str()));
        for role in &reply.roles {
            let by = role.binding.as_deref().unwrap_or("the default");
            let way = role.path.join(" → ");
            line(&mut out, format_args!("  role {:<10} by {by}, {way}", role.role.as_str()));
        }
        for group in &reply.groups {
            line(&mut out, format_args!("  in   {}", group.path.join(" → ")));
        }
        for right in &reply.rights {
            line(&mut out, format_args!("  may  {:<14} on {}", right.action.as_str(), right.on));
        }
        if let Some(only) = &reply.limits.only {
            let only: Vec<&str> = only.iter().map(String::as_str).collect();
            line(&mut out, format_args!("  this token is only for {}", only.join(", ")));
        }
        out
    })
}
