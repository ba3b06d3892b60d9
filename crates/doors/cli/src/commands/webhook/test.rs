//! `tow webhook test ID`.

use super::Which;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use tow_api::Nothing;
use tow_api::webhook::test::TestWebhook;

/// Post a signed test event to it now, and show what came of it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = args.which.path();
    let reply = cx.client()?.call::<TestWebhook>(&path, &Nothing {}, &Nothing {}).await?;
    let said = match reply.status {
        Some(status) => format!("{status} after {}: {}", reply.took, reply.message),
        None => reply.message.clone(),
    };
    let said = said.trim_end_matches(": ").to_string();
    if !reply.taken {
        return Err(Failure::new("cli/not-taken", format!("the receiver did not take it: {said}"))
            .hint(format!(
                "`tow webhook deliveries {}` shows what else it answered",
                path.webhook
            )));
    }
    cx.printer.data(&reply, || format!("taken: {said}"))
}
