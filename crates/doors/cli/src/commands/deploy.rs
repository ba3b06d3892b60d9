//! `tow deploy`: from a folder to a live URL.

use crate::context::{Context, Where};
use crate::failure::{Failure, Verdict};
use crate::follow::{self, How};
use crate::project::{self, Project};
use std::path::{Path, PathBuf};
use tow_api::plan::create::{Body, ChangeRequest};
use tow_api::plan::get::{GetPlan, Path as PlanPath};
use tow_api::{Nothing, source};
use tow_client::source::{SIZE_LIMIT, commit_of, pack_to_file};

/// Plan a folder's Score files, build what needs building, and put it live
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder that holds score.yaml (else this one)
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,
    #[command(flatten)]
    at: Where,
    /// Carry out exactly this saved plan, or refuse if something moved
    #[arg(long, value_name = "ID", conflicts_with_all = ["release", "component", "environment", "dir"])]
    plan: Option<String>,
    /// Deploy this earlier release instead of the folder
    #[arg(long, value_name = "N")]
    release: Option<i64>,
    #[command(flatten)]
    how: How,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Verdict {
    let began = follow::now();
    if let Some(plan) = args.plan {
        let path = PlanPath { plan };
        let plan = cx.client()?.call::<GetPlan>(&path, &Nothing {}, &Nothing {}).await?;
        return follow::apply(cx, began, &plan, &args.how).await;
    }
    let body = request(cx, &args.dir, &args.at, args.release).await?;
    follow::change(cx, began, &body, &args.how).await
}

/// The request that a folder makes: its documents, and the folder itself where they need it.
pub(crate) async fn request(
    cx: &Context,
    dir: &Path,
    at: &Where,
    release: Option<i64>,
) -> Verdict<Body> {
    let environment = Some(at.environment());
    let change = ChangeRequest::Deploy { release };
    if release.is_some() {
        let component = match &at.component {
            Some(name) => Some(name.clone()),
            None => project::component(dir)?,
        };
        let body = Body { component, environment, documents: Vec::new(), source: None, change };
        return Ok(body);
    }
    let project = project::read(dir)?;
    if project.documents.is_empty() {
        return Err(Failure::new(
            "project/empty",
            format!("{} holds no score.yaml, *.score.yaml or score-*.yaml", dir.display()),
        )
        .hint("`tow schema Workload` says what a Score file may say; score.dev has examples"));
    }
    let source = if project.needs_source { Some(upload(cx, dir).await?) } else { None };
    let Project { documents, .. } = project;
    Ok(Body { component: at.component.clone(), environment, documents, source, change })
}

/// Packs the folder and uploads it; the platform keeps the same bytes once. The digest.
pub(crate) async fn upload(cx: &Context, dir: &Path) -> Verdict<String> {
    // Looked for first: nothing is packed for a platform that is not there.
    let client = cx.client()?;
    cx.printer.wait("packing the folder");
    let (packed, file) = pack_to_file(dir, SIZE_LIMIT)
        .map_err(|error| Failure::new(error.code(), error.to_string()).hint(error.hint()))?;
    cx.printer.wait(&format!("uploading {} files, {}", packed.files, size(packed.size)));
    let query = source::upload::Query { commit: commit_of(dir) };
    let source = client.upload_file(&query, file).await;
    cx.printer.waited();
    let source = source?;
    if source.digest != packed.digest {
        return Err(Failure::new(
            "source/digest",
            format!("sent {}, but {} arrived", packed.digest, source.digest),
        )
        .hint("deploy again"));
    }
    Ok(source.digest.to_string())
}

/// Bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
