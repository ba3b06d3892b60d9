//! `tow delete KIND NAME`: asks for the name first.

use crate::Exit;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use crate::printer::can_ask;
use tow_api::Nothing;
use tow_api::object::delete::DeleteObject;

/// Take a declared thing away; asks for its name
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Any kind, such as component, group or environment; any case, singular or plural
    kind: String,
    /// NAME or NAMESPACE/NAME
    name: String,
    /// The name again, instead of being asked
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let path = super::get::path(&args.kind, &args.name)?;
    confirm(&args.name, args.confirm.as_deref())?;
    let reply = cx.client()?.call::<DeleteObject>(&path, &Nothing {}, &Nothing {}).await?;
    cx.printer.data(&reply, || format!("{} deleted", reply.entity))
}

/// The name must be said twice.
pub(crate) fn confirm(name: &str, said: Option<&str>) -> Verdict {
    let said = match said {
        Some(said) => said.to_string(),
        None if can_ask() => inquire::Text::new(&format!("type {name} to delete it:"))
            .prompt()
            .map_err(|_| Failure::Shown(Exit::Invalid))?,
        None => {
            return Err(Failure::new(
                "cli/not-confirmed",
                format!("deleting {name} must be confirmed, and nobody can be asked here"),
            )
            .hint(format!("--confirm {name}")));
        }
    };
    if said.trim() == name {
        return Ok(());
    }
    Err(Failure::new("cli/not-confirmed", format!("{:?} is not {name}", said.trim()))
        .hint(format!("--confirm {name}")))
}
