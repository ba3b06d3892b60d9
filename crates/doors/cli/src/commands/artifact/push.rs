//! `tow artifact push REF`.

use crate::commands::deploy::size;
use crate::context::Context;
use crate::failure::{Failure, Verdict};
use std::io::Read as _;
use tow_api::Nothing;
use tow_api::artifact::get::Path;
use tow_api::artifact::list::{ListArtifacts, Query};
use tow_api::artifact::push::{Body, PushArtifact};

/// Push an artifact to a registry, as an image
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to, as in registry.example/team/app:1
    #[arg(value_name = "REF")]
    reference: String,
    /// Its key or digest, or enough of either's beginning (else the newest of --component)
    #[arg(required_unless_present = "component")]
    artifact: Option<String>,
    /// The newest artifact of this component
    #[arg(short, long, value_name = "NAME", conflicts_with = "artifact")]
    component: Option<String>,
    /// What it stands on: an image of a registry, or scratch
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// Whose account at the registry
    #[arg(long, value_name = "USER", requires = "password_stdin")]
    user: Option<String>,
    /// Read the account's password from standard input
    #[arg(long, requires = "user")]
    password_stdin: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let client = cx.client()?;
    let artifact = match args.artifact {
        Some(artifact) => artifact,
        None => {
            let query = Query { component: args.component, limit: Some(1) };
            let newest = client.call::<ListArtifacts>(&Nothing {}, &query, &Nothing {}).await?;
            newest.items.into_iter().next().map(|one| one.key).ok_or_else(|| {
                Failure::new("object/not-found", "there is no artifact of it").hint("tow build")
            })?
        }
    };
    let mut password = None;
    if args.password_stdin {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::new("input/missing", error.to_string()))?;
        password = Some(text.trim_end_matches(['\r', '\n']).to_string());
    }
    let body = Body { reference: args.reference, base: args.base, user: args.user, password };
    cx.printer.wait("pushing");
    let reply = client.call::<PushArtifact>(&Path { artifact }, &Nothing {}, &body).await;
    cx.printer.waited();
    let reply = reply?;
    cx.printer.data(&reply, || {
        format!("{}  {} layers, {}", reply.reference, reply.layers, size(reply.size))
    })
}
