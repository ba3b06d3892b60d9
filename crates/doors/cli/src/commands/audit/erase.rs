//! `tow audit erase`: asks for the name first.

use crate::commands::delete::confirm;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use tow_api::Nothing;
use tow_api::audit::erase::{Body, EraseEvents};

/// Take what events say out of the log for good; that they were, and a digest, stay
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The event's number
    #[arg(value_name = "SEQ", required_unless_present = "subject", conflicts_with = "subject")]
    seq: Option<i64>,
    /// All about this, as in user:ann or component:default/web@production
    #[arg(long, value_name = "REFERENCE")]
    subject: Option<String>,
    /// Why; it stays in the log
    #[arg(long, value_name = "WHY")]
    reason: String,
    /// The number or reference again, instead of being asked
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let name = match (args.seq, &args.subject) {
        (Some(seq), _) => seq.to_string(),
        (None, Some(subject)) => subject.clone(),
        (None, None) => return Err(Failure::new("input/missing", "no event and no subject")),
    };
    confirm(&name, args.confirm.as_deref())?;
    let body =
        Body { events: args.seq.into_iter().collect(), subject: args.subject, reason: args.reason };
    let mut erased = Vec::new();
    loop {
        let reply = cx.client()?.call::<EraseEvents>(&Nothing {}, &Nothing {}, &body).await?;
        erased.extend(reply.erased);
        if !reply.more {
            break;
        }
    }
    cx.printer.data(&serde_json::json!({ "erased": erased }), || match erased.as_slice() {
        [] => "nothing was there to be erased".into(),
        [one] => format!("event {one} lost its body"),
        many => format!("{} events lost their bodies", many.len()),
    })
}
