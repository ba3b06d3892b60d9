//! From the path of a URL to a file of the folder; never to one outside of it, never to a hidden one.

use percent_encoding::percent_decode_str;
use std::path::{Path, PathBuf};

/// What a path came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This file, below the root.
    File(PathBuf),
    /// A folder asked for without its slash: ask there.
    Slash,
    /// Nothing that may be shown.
    Nothing,
}

/// The names of a URL's path; `None` where one of them may not be shown. `.well-known` (RFC 8615) is the one name with
/// a leading dot that may.
fn names(path: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let name = percent_decode_str(part).decode_utf8().ok()?;
        let hidden = name.starts_with('.') && name != ".well-known";
        if hidden || name.contains(['/', '\\', '\0']) {
            return None;
        }
        names.push(name.into_owned());
    }
    Some(names)
}

/// `root` must be canonical. Reads the file system.
pub(super) fn find(root: &Path, path: &str) -> Found {
    let Some(names) = names(path) else { return Found::Nothing };
    let mut file = root.to_path_buf();
    file.extend(&names);
    // Canonical: a link out of the folder leads nowhere.
    let Some(file) = within(root, &file) else { return Found::Nothing };
    if file.is_dir() {
        return match within(root, &file.join("index.html")) {
            Some(index) if index.is_file() && path.ends_with('/') => Found::File(index),
            Some(index) if index.is_file() => Found::Slash,
            _ => Found::Nothing,
        };
    }
    if file.is_file() && !path.ends_with('/') { Found::File(file) } else { Found::Nothing }
}

fn within(root: &Path, file: &Path) -> Option<PathBuf> {
    file.canonicalize().ok().filter(|file| file.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_the_folder_and_not_hidden_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let root = base.join("site");
        for folder in ["site/docs", "site/empty", "site/.git", "site/.well-known"] {
            std::fs::create_dir_all(base.join(folder)).unwrap();
        }
        for file in
            ["secret", "site/index.html", "site/a b.txt", "site/docs/index.html", "site/.env"]
        {
            std::fs::write(base.join(file), "x").unwrap();
        }
        std::fs::write(root.join(".git/config"), "x").unwrap();
        std::fs::write(root.join(".well-known/x"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", root.join("out")).unwrap();
        std::os::unix::fs::symlink("a b.txt", root.join("in")).unwrap();

        let file = |name: &str| Found::File(root.join(name));
        for (path, expected) in [
            ("/", file("index.html")),
            ("/index.html", file("index.html")),
            ("/a%20b.txt", file("a b.txt")),
            ("/in", file("a b.txt")),
            ("/docs", Found::Slash),
            ("/docs/", file("docs/index.html")),
            ("/.well-known/x", file(".well-known/x")),
            ("/index.html/", Found::Nothing),
            ("/empty/", Found::Nothing),
            ("/out", Found::Nothing),
            ("/.env", Found::Nothing),
            ("/%2eenv", Found::Nothing),
            ("/.git/config", Found::Nothing),
            ("/../secret", Found::Nothing),
            ("/docs/../../secret", Found::Nothing),
            ("/%2e%2e/secret", Found::Nothing),
            ("/..%2fsecret", Found::Nothing),
            ("/docs%5c..%5csecret", Found::Nothing),
            ("/a%00", Found::Nothing),
            ("/%ff", Found::Nothing),
            ("//", file("index.html")),
        ] {
            assert_eq!(find(&root, path), expected, "{path}");
        }
    }
}
