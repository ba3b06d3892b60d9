//! Declared files of a folder, found without a platform: which of its YAML files are ours, told by their `apiVersion`.

use crate::attach;
use crate::failure::{Failure, Verdict};
use crate::project;
use std::path::{Path, PathBuf};
use tow_api::object::apply::Document;
use tow_record::Violation;

/// How deep folders are looked into, and how many files are looked at: a home directory given by mistake must end.
const DEEPEST: usize = 32;
const MOST: usize = 20_000;

/// What begins our `apiVersion`s.
const OURS: [&str; 4] = ["score.dev/", "towpath.dev/", "backstage.io/", "scaffolder.backstage.io/"];

/// What is declared in a folder.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// Our files, by name.
    pub(crate) documents: Vec<Document>,
    /// The names of the other YAML files.
    pub(crate) skipped: Vec<String>,
    /// What is wrong with those of ours that can't be sent.
    pub(crate) wrong: Vec<Violation>,
}

/// All of our files below a folder.
pub(crate) fn folder(dir: &Path) -> Verdict<Folder> {
    let mut found = Folder::default();
    for path in yaml_files(dir)? {
        let bytes = std::fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
        let text = String::from_utf8_lossy(&bytes);
        if is_ours(&text) {
            let read = attach::set_aside(project::document(&path, dir), &mut found.wrong)?;
            found.documents.extend(read);
        } else {
            found.skipped.push(path.strip_prefix(".").unwrap_or(&path).display().to_string());
        }
    }
    Ok(found)
}

/// `*.yaml` and `*.yml` below a folder, sorted; hidden folders and those of tools are left out, links not followed.
pub(crate) fn yaml_files(dir: &Path) -> Verdict<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![(dir.to_path_buf(), 0)];
    let mut seen = 0;
    while let Some((dir, depth)) = open.pop() {
        let entries = std::fs::read_dir(&dir).map_err(|error| Failure::file(&dir, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| Failure::file(&dir, &error))?;
            let kind = entry.file_type().map_err(|error| Failure::file(&entry.path(), &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            seen += 1;
            if seen > MOST {
                return Err(Failure::new(
                    "cli/too-many-files",
                    format!("there are more than {MOST} files to look at"),
                )
                .hint("name the folder that holds the declarations"));
            }
            if kind.is_dir() {
                let tools = matches!(name.as_str(), "node_modules" | "target" | "vendor");
                if !name.starts_with('.') && !tools && depth < DEEPEST {
                    open.push((entry.path(), depth + 1));
                }
            } else if kind.is_file() && (name.ends_with(".yaml") || name.ends_with(".yml")) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

pub(crate) use tow_formats::is_ours;

/// Holds nothing but Score files: what is deployed, not applied.
pub(crate) fn is_score(text: &str) -> bool {
    let versions = text.lines().filter(|line| line.starts_with("apiVersion"));
    let mut any = false;
    for line in versions {
        any = true;
        if !line.contains(OURS[0]) {
            return false;
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_told_by_their_version() {
        for good in [
            "# c\napiVersion: score.dev/v1b1\n",
            "apiVersion: \"towpath.dev/v1\"",
            "{\"apiVersion\": \"backstage.io/v1alpha1\"}",
            "\u{feff}apiVersion: score.dev/v1b1\n  : broken: [",
        ] {
            assert!(is_ours(good), "{good}");
        }
        for bad in ["", "apiVersion: v1\nkind: Pod", "apiVersion: kustomize.config.k8s.io/v1beta1"]
        {
            assert!(!is_ours(bad), "{bad}");
        }
        assert!(is_score("apiVersion: score.dev/v1b1\n---\napiVersion: score.dev/v1b1"));
        assert!(!is_score("apiVersion: score.dev/v1b1\n---\napiVersion: towpath.dev/v1"));
    }
}
