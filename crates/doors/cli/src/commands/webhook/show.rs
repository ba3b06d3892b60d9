//! `tow webhook show ID`.

use super::Which;
use crate::context::Context;
use crate::failure::Verdict;
use crate::render::{short, time};
use tow_api::Nothing;
use tow_api::webhook::get::GetWebhook;
use tow_api::webhook::list::WebhookView;

/// Show a webhook, without its secret
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = args.which.path();
    let hook = cx.client()?.call::<GetWebhook>(&path, &Nothing {}, &Nothing {}).await?;
    print(cx, &hook)
}

/// A line for each thing to know.
pub(super) fn print(cx: &Context, hook: &WebhookView) -> Verdict {
    cx.printer.data(hook, || {
        let state = match &hook.paused {
            None => "carrying".to_string(),
            Some(paused) => {
                let why = if paused.why.is_empty() { "no reason given" } else { &paused.why };
                format!("paused {} by {}: {why}", time(paused.at), short(&paused.by))
            }
        };
        let rows = [
            ("id", hook.id.clone()),
            ("url", hook.url.clone()),
            ("events", hook.events.join(", ")),
            ("state", state),
            ("delivered", hook.delivered.to_string()),
            ("reached", format!("event {}", hook.reached)),
            ("made", format!("{} by {}", time(hook.created_at), short(&hook.created_by))),
            ("note", hook.note.clone()),
        ];
        let shown = rows.iter().filter(|(_, text)| !text.is_empty());
        shown.map(|(name, text)| format!("{name:<10} {text}\n")).collect()
    })?;
    if hook.paused.is_some() {
        cx.printer.hint(&format!("tow webhook resume {} goes on from where it stopped", hook.id));
    }
    Ok(())
}
