//! `tow route explain`.

use super::list::{doing, releases};
use crate::Exit;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::render::{line, served};
use tow_api::Nothing;
use tow_api::route::explain::{ExplainRoute, Query, Reply};

/// Say which route answers a URL, and why none of the others does
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// As it is asked for: http://HOST[:PORT]/PATH
    #[arg(value_name = "URL")]
    asked: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let query = Query { url: args.asked };
    let reply = cx.client()?.call::<ExplainRoute>(&Nothing {}, &query, &Nothing {}).await?;
    cx.printer.data(&reply, || text(&reply))?;
    match reply.route {
        Some(_) => Ok(()),
        None => Err(Failure::Shown(Exit::NotFound)),
    }
}

fn text(reply: &Reply) -> String {
    let mut out = String::new();
    match &reply.route {
        Some(route) => {
            line(&mut out, format_args!("{}  {}", served(route.state, &route.mode), route.id));
            let doing = doing(route);
            if !doing.is_empty() {
                line(&mut out, format_args!("  {doing}"));
            }
            line(&mut out, format_args!("  because {}", reply.why));
            line(&mut out, format_args!("  release {}", releases(route)));
            for target in &route.targets {
                line(
                    &mut out,
                    format_args!(
                        "  {}  {}  release {}, deployment {}",
                        target.instance, target.address, target.release, target.deployment
                    ),
                );
            }
        }
        None => line(&mut out, format_args!("nothing answers: {}", reply.why)),
    }
    for other in &reply.others {
        line(&mut out, format_args!("  not {}: {}", other.route, other.why));
    }
    if !reply.near.is_empty() {
        line(&mut out, format_args!("  near: {}", reply.near.join(", ")));
    }
    out
}
