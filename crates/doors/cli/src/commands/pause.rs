//! `tow pause`: requests are held for a while.

use crate::context::{Context, Named};
use crate::failure::{Failure, Verdict};
use crate::render::short;
use tow_api::Nothing;
use tow_api::route::maintain::ModeView;
use tow_api::route::pause::{Body, PauseRoutes};
use tow_names::Duration;
use tow_record::{Mode, Problem};

/// Hold a component's requests until `tow resume`, for a change that nobody is to notice
///
/// Returns once the gateway holds them. Where it has not said so within ten seconds, that is an error, and what was asked
/// for is kept all the same.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
    /// How long one request is held at most (else 30s); then it gets 504
    #[arg(long, value_name = "TIME")]
    limit: Option<Duration>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let at = args.at.place();
    let body =
        Body { component: at.component()?, environment: Some(at.environment()), limit: args.limit };
    let view = cx.client()?.call::<PauseRoutes>(&Nothing {}, &Nothing {}, &body).await?;
    told(cx, view)
}

/// What is done with a component's requests from now on.
pub(crate) fn told(cx: &Context, mut view: ModeView) -> Verdict {
    view.component = short(&view.component);
    cx.printer.data(&view, || {
        let what = match &view.mode {
            Mode::Serving => "requests are handed on".to_string(),
            Mode::Paused { limit } => {
                format!("requests are held, up to {limit} each; `tow resume` lets them go on")
            }
            Mode::Maintenance { retry_after, allow, .. } => {
                let but = match allow.is_empty() {
                    true => String::new(),
                    false => format!(", but not from {}", allow.join(", ")),
                };
                format!(
                    "requests are refused{but}, to come again after {retry_after}; `tow maintenance off` ends it"
                )
            }
        };
        let so_far = if view.confirmed { "" } else { "not so yet: " };
        format!("{} in {}: {so_far}{what}", view.component, view.environment)
    })?;
    if view.confirmed {
        return Ok(());
    }
    // Whoever goes on with `&&` relies on it.
    let why = "the gateway has not confirmed it: requests may still be treated as before";
    let problem = Problem {
        untouched: "what was asked for is kept, and is done as soon as the gateway takes it".into(),
        hint: Some(
            "the same command again waits for it again; `tow doctor` looks at the gateway".into(),
        ),
        ..Problem::refusal("route/unconfirmed", why)
    };
    Err(Failure::Problem(Box::new(problem)))
}
