//! `tow open`.

use crate::context::{Context, Named};
use crate::failure::{Failure, Verdict};
use crate::printer::on_terminal;
use tow_api::Nothing;
use tow_api::status::get::{GetStatus, Query};

/// Open a component's URL in a browser; without a terminal, print it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Named,
    /// Only print the URL
    #[arg(short, long)]
    print: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let at = args.at.place();
    let (component, environment) = (at.component()?, at.environment());
    let query =
        Query { component: Some(component.clone()), environment: Some(environment.clone()) };
    let reply = cx.client()?.call::<GetStatus>(&Nothing {}, &query, &Nothing {}).await?;
    let found = reply.items.into_iter().find_map(|item| Some((item.url?, item.port_url)));
    let Some((url, port_url)) = found else {
        let failure =
            Failure::new("cli/no-url", format!("{component} has no URL in {environment}"));
        return Err(failure.hint("a service with a port named web, http or www gets one"));
    };
    let value = serde_json::json!({"url": url, "port_url": port_url});
    cx.printer.data(&value, || url.clone())?;
    if !args.print && cx.printer.is_text() && on_terminal() {
        let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let started = std::process::Command::new(program)
            .arg(&url)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn();
        if started.is_err() {
            cx.printer.hint(&format!("{program} is not here: open the URL yourself"));
        }
    }
    Ok(())
}
