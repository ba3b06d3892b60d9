//! What can be seen of a source without building anything: names near the top, and the texts that tools are known by. Read
//! from the archive before a build and from the folder when it begins, so that both see the same.

use crate::archive::inside;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use tow_names::{Digest, Tally};
use tow_record::BuildSpec;

/// Texts that are looked into.
const TEXTS: [&str; 5] = ["package.json", "Procfile", "pyproject.toml", "go.mod", "pom.xml"];
/// More of a text is not looked at.
const LARGEST: u64 = 1 << 20;
/// Names so deep are remembered: `public/index.html`, `gradle/wrapper/x`.
pub(crate) const DEPTH: usize = 3;

/// Is it looked into?
fn is_text(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    TEXTS.contains(&path)
        || ["Dockerfile", "Containerfile"]
            .iter()
            .any(|known| name == *known || name.starts_with(&format!("{known}.")))
        || name.ends_with(".Dockerfile")
}

/// What lies in the folder that is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    names: BTreeSet<String>,
    texts: BTreeMap<String, String>,
}

impl Sight {
    /// Is there such a file, by its path below the folder?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// One of [`TEXTS`].
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// `package.json`, where it is one.
    pub(crate) fn package(&self) -> serde_json::Value {
        self.text("package.json")
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(serde_json::Value::Null)
    }

    /// Is there anything at all?
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Of these files, for tests of what is detected.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut sight = Self::default();
        for (name, text) in files {
            sight.names.insert((*name).into());
            sight.texts.insert((*name).into(), (*text).into());
        }
        sight
    }

    /// Of a folder.
    pub(crate) fn of_folder(root: &Path) -> Result<Self, String> {
        let mut sight = Self::default();
        let mut open = vec![(root.to_path_buf(), String::new(), 1)];
        while let Some((folder, prefix, depth)) = open.pop() {
            let failed = |error| format!("cannot read {}: {error}", folder.display());
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}"))
                else {
                    continue;
                };
                if entry.path().is_dir() {
                    if depth < DEPTH && !entry.path().is_symlink() {
                        open.push((entry.path(), format!("{name}/"), depth + 1));
                    }
                    continue;
                }
                if is_text(&name)
                    && let Ok(file) = File::open(entry.path())
                {
                    sight.read(&name, file);
                }
                sight.names.insert(name);
            }
        }
        Ok(sight)
    }

    /// Of an archive, and the digest of what counts in it where the order says that not everything does.
    pub(crate) fn of_archive(
        archive: File,
        spec: &BuildSpec,
    ) -> Result<(Self, Option<Digest>), String> {
        let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 18, archive));
        let broken = |error: std::io::Error| format!("the source archive is broken: {error}");
        let mut sight = Self::default();
        let mut counted: BTreeMap<String, (u32, String)> = BTreeMap::new();
        let dir = inside(Path::new(&spec.dir)).unwrap_or_default();
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let path = entry.path().map_err(broken)?.into_owned();
            let Some(path) = inside(&path) else { continue };
            let kind = entry.header().entry_type();
            if kind.is_dir() || kind.is_pax_global_extensions() {
                continue;
            }
            let below = path.strip_prefix(&dir).ok().and_then(Path::to_str).unwrap_or_default();
            let mut head = Vec::new();
            if is_text(below) {
                entry.by_ref().take(LARGEST).read_to_end(&mut head).map_err(broken)?;
                sight.read(below, head.as_slice());
            }
            if !below.is_empty() && below.split('/').count() <= DEPTH {
                sight.names.insert(below.into());
            }
            if !spec.watch.is_empty() && counts(spec, &path) {
                let mode = entry.header().mode().map_err(broken)? & 0o111;
                let what = match entry.link_name().map_err(broken)? {
                    Some(target) => format!("-> {}", target.display()),
                    None => {
                        let mut tally = Tally::new(std::io::sink());
                        let mut whole = head.as_slice().chain(&mut entry);
                        std::io::copy(&mut whole, &mut tally).map_err(broken)?;
                        tally.finish().map_err(broken)?.1.to_string()
                    }
                };
                counted.insert(path.display().to_string(), (mode, what));
            }
        }
        if spec.watch.is_empty() {
            return Ok((sight, None));
        }
        let content = serde_json::to_vec(&counted).map_err(|error| error.to_string())?;
        Ok((sight, Some(Digest::of(&content))))
    }

    fn read(&mut self, name: &str, from: impl Read) {
        let mut bytes = Vec::new();
        if from.take(LARGEST).read_to_end(&mut bytes).is_ok() {
            self.texts.insert(name.into(), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

/// Is this file there when it is built? All are, where nothing is watched.
pub(crate) fn counts(spec: &BuildSpec, path: &Path) -> bool {
    spec.watch.is_empty()
        || std::iter::once(&spec.dir)
            .chain(&spec.watch)
            .filter_map(|said| inside(Path::new(said)))
            .any(|said| path.starts_with(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_names::Duration;

    fn archive(files: &[(&str, &str)]) -> File {
        use std::io::Seek as _;
        let mut tar = tar::Builder::new(tempfile::tempfile().unwrap());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        let mut file = tar.into_inner().unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn only_what_is_watched_counts() {
        let spec = BuildSpec {
            dir: "apps/web".into(),
            watch: vec!["libs/log".into(), "go.work".into()],
            ..BuildSpec::new(Digest::of(b""), Duration::from_secs(1))
        };
        let of = |files: &[(&str, &str)]| Sight::of_archive(archive(files), &spec).unwrap();
        let (sight, one) =
            of(&[("apps/web/go.mod", "m"), ("apps/api/go.mod", "1"), ("go.work", "w")]);
        assert!(sight.has("go.mod") && !sight.has("apps/api/go.mod"));
        let same = of(&[("apps/web/go.mod", "m"), ("apps/api/go.mod", "2"), ("go.work", "w")]).1;
        let other = of(&[("apps/web/go.mod", "m"), ("apps/api/go.mod", "1"), ("go.work", "x")]).1;
        assert_eq!(one, same);
        assert_ne!(one, other);
        for (path, there) in
            [("apps/web/x/y", true), ("libs/log/a", true), ("libs/logs/a", false), ("x", false)]
        {
            assert_eq!(counts(&spec, Path::new(path)), there, "{path}");
        }
    }

    #[test]
    fn archive_and_folder_show_the_same() {
        let files =
            [("package.json", "{\"name\":\"a\"}"), ("public/index.html", "1"), ("a/b/c/d", "1")];
        let spec = BuildSpec::new(Digest::of(b""), Duration::from_secs(1));
        let (seen, content) = Sight::of_archive(archive(&files), &spec).unwrap();
        assert_eq!(content, None);
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            std::fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        assert_eq!(Sight::of_folder(dir.path()).unwrap(), seen);
        assert_eq!(seen.package()["name"], "a");
    }
}
