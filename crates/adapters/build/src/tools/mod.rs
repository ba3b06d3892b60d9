//! One file a tool: what it runs, what it keeps for the next build, and what of it is the artifact. Each takes a
//! [`Yard`](crate::yard::Yard) and decides nothing about when it is asked.

pub(crate) mod cargo;
pub(crate) mod folder;
pub(crate) mod go;
pub(crate) mod gradle;
pub(crate) mod jar;
pub(crate) mod maven;
pub(crate) mod node;
pub(crate) mod python;

use crate::yard::{Output, Yard};
use tow_record::BuildTool;

/// Builds with the tool that was detected; `keep` is the folder that is kept where files are taken as they are.
pub(crate) fn build(tool: BuildTool, keep: &str, yard: &Yard<'_>) -> Result<Output, String> {
    let mut output = match tool {
        BuildTool::Cargo => cargo::build(yard),
        BuildTool::Go => go::build(yard),
        BuildTool::Node => node::build(yard),
        BuildTool::Python => python::build(yard),
        BuildTool::Maven => maven::build(yard),
        BuildTool::Gradle => gradle::build(yard),
        BuildTool::Command => folder::command(yard, keep),
        BuildTool::Dockerfile => Err("a Dockerfile makes an image and no files".into()),
        BuildTool::Static => folder::site(yard, keep),
        BuildTool::None => folder::plain(yard, keep),
    }?;
    if let Some(web) = crate::detect::Procfile::of(&yard.sight).web
        && !output.is_static
        && matches!(
            tool,
            BuildTool::Cargo
                | BuildTool::Go
                | BuildTool::Maven
                | BuildTool::Gradle
                | BuildTool::None
        )
    {
        output.entry = crate::yard::words(&web, &[], &|_| false);
    }
    Ok(output)
}

/// Folders that a tool keeps in the source for the next build, at any depth.
pub(crate) const fn keeps(tool: BuildTool) -> &'static [&'static str] {
    match tool {
        BuildTool::Node => &["node_modules", ".next"],
        BuildTool::Maven => &["target"],
        BuildTool::Gradle => &["build", ".gradle"],
        _ => &[],
    }
}
