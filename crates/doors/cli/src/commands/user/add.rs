//! `tow user add NAME --group G`.

use crate::context::Context;
use crate::failure::{Failure, Verdict};
use serde_json::json;
use tow_api::Nothing;
use tow_api::object::apply::{Apply, Body, Document};
use tow_api::object::get::GetObject;

/// Declare a User, so that somebody can be invited
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who, as in ann
    name: String,
    /// A group they are in, as in quay; several times for several
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let client = cx.client()?;
    let (path, none) = (crate::commands::get::path("user", &args.name)?, Nothing {});
    // Declaring it again would take them out of the groups they are in.
    match client.call::<GetObject>(&path, &none, &none).await.map_err(Failure::from) {
        Ok(_) => {
            let what = format!("{} is declared already", args.name);
            return Err(Failure::new("cli/nothing-to-apply", what)
                .hint(format!("tow describe user {} shows their groups", args.name)));
        }
        Err(Failure::Problem(problem)) if problem.code == "object/not-found" => {}
        Err(other) => return Err(other),
    }
    // JSON is YAML.
    let text = json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "User",
        "metadata": { "name": path.name, "namespace": path.namespace },
        "spec": { "memberOf": args.groups },
    });
    let document = Document::new(format!("user {}", args.name), text.to_string());
    let reply = client.call::<Apply>(&none, &none, &Body::of(vec![document])).await?;
    cx.printer.data(&reply, || crate::commands::apply::text_of(&reply))?;
    cx.printer.hint(&format!("tow user invite {} makes a link that lets them in", args.name));
    Ok(())
}
