//! Builds without a tool of ours: a command of the user's, pages as they are, a folder that runs as it is.

use crate::archive;
use crate::detect;
use crate::yard::{Output, Yard, within, words};
use std::path::Path;

/// `build.command`.
pub(crate) fn command(yard: &Yard<'_>, keep: &str) -> Result<Output, String> {
    let command = yard.order.spec.command.clone().unwrap_or_default();
    (yard.say)("by build.command");
    yard.run(Path::new("/bin/sh"), &["-c", &command])
        .map_err(|why| why.replace("sh ended", "build.command ended"))?;
    let kept = within(&yard.folder, keep, "build.output")?;
    let items = archive::items(&kept, "")?;
    Ok(Output {
        items,
        entry: Vec::new(),
        is_static: detect::is_site(&yard.folder, &yard.order.spec),
    })
}

/// Pages.
pub(crate) fn site(yard: &Yard<'_>, keep: &str) -> Result<Output, String> {
    let kept = within(&yard.folder, keep, "build.output")?;
    pages(&kept)
}

/// What of a folder of pages is served.
pub(crate) fn pages(folder: &Path) -> Result<Output, String> {
    let mut items = archive::items(folder, "")?;
    items.retain(|path, _| !detect::is_for_the_platform(path));
    Ok(Output { items, entry: Vec::new(), is_static: true })
}

/// The folder is what runs.
pub(crate) fn plain(yard: &Yard<'_>, keep: &str) -> Result<Output, String> {
    let kept = within(&yard.folder, keep, "build.output")?;
    let entry = detect::Procfile::of(&yard.sight)
        .web
        .map(|line| words(&line, &["bin"], &|name| kept.join(name).is_file()))
        .unwrap_or_default();
    Ok(Output { items: archive::items(&kept, "")?, entry, is_static: false })
}
