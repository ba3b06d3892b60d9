//! `tow location remove NAME`: asks for the name first, because what comes from it goes with it.

use super::Which;
use crate::commands::delete::confirm;
use crate::context::Context;
use crate::failure::Verdict;
use crate::render::count;
use tow_api::Nothing;
use tow_api::location::get::GetLocation;
use tow_api::object::delete::DeleteObject;
use tow_api::object::get::Path;

/// Take a location away; what came from it goes by its rule for orphans. Asks for its name
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// The name again, instead of being asked
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let (path, query) = args.which.parts();
    let client = cx.client()?;
    let view = client.call::<GetLocation>(&path, &query, &Nothing {}).await?;
    let becomes = match (view.keep_orphans, view.objects) {
        (true, 1) => "stays, marked as an orphan",
        (true, _) => "stay, marked as orphans",
        (false, 1) => "goes with it",
        (false, _) => "go with it",
    };
    let (come, they) = if view.objects == 1 { ("comes", "it") } else { ("come", "they") };
    let objects = count(view.objects, "object");
    cx.printer.say(&format!("{objects} {come} from it; {they} {becomes}"));
    confirm(&path.name, args.confirm.as_deref())?;
    let object = Path {
        kind: "location".into(),
        namespace: query.namespace.unwrap_or_else(|| "default".into()),
        name: path.name.clone(),
    };
    client.call::<DeleteObject>(&object, &Nothing {}, &Nothing {}).await?;
    cx.printer
        .data(&serde_json::json!({"deleted": view.location}), || format!("{} removed", path.name))
}
