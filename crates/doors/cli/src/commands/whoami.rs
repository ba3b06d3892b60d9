//! `tow whoami`.

use crate::context::Context;
use crate::failure::Verdict;
use crate::render::short;
use tow_api::Nothing;
use tow_api::access::whoami::WhoAmI;

/// Show who you are to the platform, and by what right
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(cx: &Context, _: Args) -> Verdict {
    let client = cx.client()?;
    let actor = client.call::<WhoAmI>(&Nothing {}, &Nothing {}, &Nothing {}).await?;
    cx.printer.data(&actor, || {
        let mut out = format!("{}  {}  at {}", actor.name, actor.role.as_str(), client.url());
        if !actor.groups.is_empty() {
            let groups: Vec<String> = actor.groups.iter().map(|group| short(group)).collect();
            out.push_str(&format!("  in {}", groups.join(", ")));
        }
        out
    })
}
