//! Folders and files of this machine.

use async_trait::async_trait;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tow_ports::{CatalogSource, CatalogTree, Listed, MAX_SOURCE_FILES, Opened, Place, SourceError};

/// How deep folders are looked into, and how many entries are looked at.
const DEEPEST: usize = 32;
const MOST: usize = 200_000;
/// No file is longer; what is longer is refused by its length.
const LONGEST: u64 = 1 << 20;
/// What a file of the catalog ends with. Nothing else can be named as a target.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads below the roots that the operator named; anywhere, but for the platform's own data, where none is named.
pub struct FileSource {
    roots: Vec<PathBuf>,
    /// The platform's data directory: its keys are nobody's catalog.
    data: PathBuf,
}

impl FileSource {
    /// Below `roots`, which are made absolute; never below `data`.
    pub fn new(roots: &[PathBuf], data: &Path) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        Self { roots: roots.iter().map(|root| real(root)).collect(), data: real(data) }
    }

    /// The absolute path that a target names, links resolved as far as it is there.
    fn locate(&self, target: &str) -> Result<PathBuf, SourceError> {
        let refused = |why: String| SourceError::Refused { target: target.into(), why };
        let path = Path::new(target.strip_prefix("file://").unwrap_or(target));
        if path.is_absolute() {
            let real = real(path);
            if !self.roots.is_empty() && !self.roots.iter().any(|root| real.starts_with(root)) {
                return Err(refused(format!("it is not below {}", self.named())));
            }
            return self.own(target, real);
        }
        if self.roots.is_empty() {
            return Err(refused(
                "a relative path is looked up below the folders of tow up --location-root, and there is none".into(),
            ));
        }
        let found = self.roots.iter().map(|root| (root, real(&root.join(path))));
        let mut inside = found.filter(|(root, real)| real.starts_with(root)).map(|(_, real)| real);
        let first = inside.next();
        let first = first.ok_or_else(|| refused(format!("it is not below {}", self.named())))?;
        let there = std::iter::once(first.clone()).chain(inside).find(|path| is_there(path));
        self.own(target, there.unwrap_or(first))
    }

    fn own(&self, target: &str, path: PathBuf) -> Result<PathBuf, SourceError> {
        if path.starts_with(&self.data) || self.data.starts_with(&path) {
            let why = "the platform's own data is there".into();
            return Err(SourceError::Refused { target: target.into(), why });
        }
        Ok(path)
    }

    fn named(&self) -> String {
        let names: Vec<String> = self.roots.iter().map(|r| r.display().to_string()).collect();
        format!("{} (tow up --location-root)", names.join(" or "))
    }
}

fn has_pattern(text: &str) -> bool {
    text.contains(['*', '?', '{'])
}

/// A path with links resolved as far as it is there, and the rest as written, without `..`.
fn real(path: &Path) -> PathBuf {
    let mut there = PathBuf::new();
    let mut rest = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                if rest.pop().is_none() {
                    there.pop();
                }
            }
            Component::CurDir => {}
            part if rest.is_empty() => {
                let next = there.join(part);
                match next.canonicalize() {
                    Ok(real) => there = real,
                    Err(_) => rest.push(part.as_os_str().to_owned()),
                }
            }
            part => rest.push(part.as_os_str().to_owned()),
        }
    }
    rest.iter().fold(there, |path, part| path.join(part))
}

fn is_there(path: &Path) -> bool {
    let fixed =
        path.components().take_while(|part| !has_pattern(&part.as_os_str().to_string_lossy()));
    fixed.collect::<PathBuf>().exists()
}

#[async_trait]
impl CatalogSource for FileSource {
    fn check(&self, target: &str) -> Result<(), SourceError> {
        self.locate(target).map(|_| ())
    }

    async fn open(&self, target: &str, _: Option<&str>) -> Result<Opened, SourceError> {
        let path = self.locate(target)?;
        let text = path.to_string_lossy().into_owned();
        // The root is the folder that was named, or that of the file or the pattern.
        let fixed: PathBuf = path
            .components()
            .take_while(|part| !has_pattern(&part.as_os_str().to_string_lossy()))
            .collect();
        let root = if fixed.is_dir() {
            fixed
        } else {
            let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
            if !ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
                let why = format!("a file of the catalog ends with .{}", ENDINGS.join(", ."));
                return Err(SourceError::Refused { target: target.into(), why });
            }
            fixed.parent().map(Path::to_path_buf).unwrap_or(fixed)
        };
        let entry =
            text.strip_prefix(&*root.to_string_lossy()).unwrap_or("").trim_start_matches('/');
        let tree = FileTree { entry: entry.to_string(), data: self.data.clone(), root };
        Ok(Opened::Tree(Arc::new(tree)))
    }
}

struct FileTree {
    root: PathBuf,
    entry: String,
    data: PathBuf,
}

impl FileTree {
    /// The real path of a file of this tree.
    fn inside(&self, path: &str) -> Result<PathBuf, String> {
        let real = self.root.join(path).canonicalize().map_err(|error| why(&error))?;
        if !real.starts_with(&self.root) {
            return Err("a link leads out of the folder".into());
        }
        if real.starts_with(&self.data) {
            return Err("the platform's own data is there".into());
        }
        Ok(real)
    }

    fn text(&self, path: &str) -> Result<String, String> {
        let real = self.inside(path)?;
        let meta = real.metadata().map_err(|error| why(&error))?;
        if !meta.is_file() {
            return Err("it is not a file".into());
        }
        let file = std::fs::File::open(&real).map_err(|error| why(&error))?;
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| why(&error))?;
        if bytes.len() as u64 > LONGEST {
            return Err(format!("it has more than {LONGEST} bytes (1 MiB)"));
        }
        String::from_utf8(bytes)
            .map_err(|e| format!("it is not UTF-8 from byte {} on", e.utf8_error().valid_up_to()))
    }

    fn files(&self, folder: &Path) -> Result<Vec<String>, SourceError> {
        let named = |path: &Path| path.display().to_string();
        let failed = |path: &Path, error: &std::io::Error| SourceError::Unreachable {
            target: named(path),
            why: why(error),
        };
        let too_large = |limit: String| SourceError::TooLarge { target: named(folder), why: limit };
        let (mut found, mut seen) = (Vec::new(), 0);
        let mut open = vec![(folder.to_path_buf(), 0)];
        while let Some((dir, depth)) = open.pop() {
            if dir.starts_with(&self.data) {
                continue;
            }
            for entry in std::fs::read_dir(&dir).map_err(|error| failed(&dir, &error))? {
                let entry = entry.map_err(|error| failed(&dir, &error))?;
                let kind = entry.file_type().map_err(|error| failed(&entry.path(), &error))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                seen += 1;
                if seen > MOST {
                    return Err(too_large(format!("it has more than {MOST} entries")));
                }
                if kind.is_dir() {
                    let tools = matches!(name.as_str(), "node_modules" | "target" | "vendor");
                    if !name.starts_with('.') && !tools && depth < DEEPEST {
                        open.push((entry.path(), depth + 1));
                    }
                    continue;
                }
                let ours = name.rsplit_once('.').is_some_and(|(_, end)| ENDINGS.contains(&end));
                if kind.is_file()
                    && ours
                    && let Ok(path) = entry.path().strip_prefix(&self.root)
                {
                    found.push(path.to_string_lossy().into_owned());
                    if found.len() > MAX_SOURCE_FILES {
                        return Err(too_large(format!(
                            "it has more than {MAX_SOURCE_FILES} files"
                        )));
                    }
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

fn why(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "it is not there".into(),
        ErrorKind::PermissionDenied => "the platform's user may not read it".into(),
        _ => error.to_string(),
    }
}

#[async_trait]
impl CatalogTree for FileTree {
    fn entry(&self) -> String {
        self.entry.clone()
    }

    fn revision(&self) -> String {
        String::new()
    }

    fn path_of(&self, _: &str) -> Option<String> {
        None
    }

    fn place(&self, path: &str) -> Place {
        let file = self.root.join(path);
        let folder = file.parent().unwrap_or(&self.root);
        Place {
            location: format!("file:{}", file.display()),
            source: format!("file:{}/", folder.display()),
            view: None,
            edit: None,
        }
    }

    async fn list(&self, path: &str) -> Result<Listed, SourceError> {
        let tree = Self { root: self.root.clone(), entry: String::new(), data: self.data.clone() };
        let path = path.to_string();
        blocking(move || {
            let real = match tree.inside(&path) {
                Ok(real) => real,
                Err(_) if !tree.root.join(&path).exists() => return Ok(Listed::Missing),
                Err(why) => return Err(SourceError::Refused { target: path, why }),
            };
            if real.is_dir() { tree.files(&real).map(Listed::Folder) } else { Ok(Listed::File) }
        })
        .await?
    }

    async fn texts(&self, paths: &[String]) -> Result<Vec<Result<String, String>>, SourceError> {
        let tree = Self { root: self.root.clone(), entry: String::new(), data: self.data.clone() };
        let paths = paths.to_vec();
        blocking(move || paths.iter().map(|path| tree.text(path)).collect()).await
    }
}

/// Reading files takes a thread of its own: nobody else waits for a slow disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| SourceError::Unreachable {
        target: "a folder".into(),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Given {
        dir: tempfile::TempDir,
    }

    impl Given {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let at = |path: &str| dir.path().join(path);
            for folder in ["shop/apis/deep", "shop/.git", "shop/node_modules", "data", "other"] {
                std::fs::create_dir_all(at(folder)).unwrap();
            }
            for file in [
                "shop/a.yaml",
                "shop/apis/b.yml",
                "shop/apis/deep/c.json",
                "shop/readme.md",
                "shop/.git/x.yaml",
                "shop/node_modules/x.yaml",
                "other/o.yaml",
                "data/keys.yaml",
            ] {
                std::fs::write(at(file), file).unwrap();
            }
            std::fs::write(at("shop/binary.yaml"), [0xff]).unwrap();
            symlink(at("other"), at("shop/apis/out")).unwrap();
            symlink(at("other/o.yaml"), at("shop/link.yaml")).unwrap();
            symlink(at("shop/a.yaml"), at("shop/inner.yaml")).unwrap();
            Self { dir }
        }

        fn source(&self, roots: &[&str]) -> FileSource {
            let roots: Vec<PathBuf> = roots.iter().map(|root| self.dir.path().join(root)).collect();
            FileSource::new(&roots, &self.dir.path().join("data"))
        }

        fn path(&self, path: &str) -> String {
            self.dir.path().join(path).display().to_string()
        }

        async fn tree(&self, target: &str) -> Arc<dyn CatalogTree> {
            match self.source(&[]).open(&self.path(target), None).await.unwrap() {
                Opened::Tree(tree) => tree,
                Opened::Unchanged => panic!("it can't know"),
            }
        }
    }

    #[tokio::test]
    async fn a_folder_is_listed_without_links_and_what_belongs_to_tools() {
        let given = Given::new();
        let tree = given.tree("shop").await;
        assert_eq!(tree.entry(), "");
        let listed = tree.list("").await.unwrap();
        let files = ["a.yaml", "apis/b.yml", "apis/deep/c.json", "binary.yaml"];
        assert_eq!(listed, Listed::Folder(files.map(String::from).to_vec()));
        assert_eq!(tree.list("a.yaml").await.unwrap(), Listed::File);
        assert_eq!(tree.list("gone").await.unwrap(), Listed::Missing);
        assert!(tree.place("apis/b.yml").location.ends_with("/shop/apis/b.yml"));

        let tree = given.tree("shop/apis/*.yml").await;
        assert_eq!(tree.entry(), "*.yml");
        let tree = given.tree("shop/a.yaml").await;
        assert_eq!(tree.entry(), "a.yaml");
    }

    #[tokio::test]
    async fn nothing_outside_is_read() {
        let given = Given::new();
        let tree = given.tree("shop").await;
        let paths = [
            "a.yaml",
            "inner.yaml",
            "link.yaml",
            "apis/out/o.yaml",
            "../other/o.yaml",
            "gone.yaml",
            "binary.yaml",
            "apis",
        ];
        let texts = tree.texts(&paths.map(String::from)).await.unwrap();
        assert_eq!(texts[0].as_deref(), Ok("shop/a.yaml"));
        assert_eq!(texts[1].as_deref(), Ok("shop/a.yaml"));
        for (at, words) in [
            (2, "leads out"),
            (3, "leads out"),
            (4, "leads out"),
            (5, "not there"),
            (6, "UTF-8"),
            (7, "not a file"),
        ] {
            let why = texts[at].clone().unwrap_err();
            assert!(why.contains(words), "{}: {why}", paths[at]);
        }
        assert!(matches!(tree.list("apis/out").await, Err(SourceError::Refused { .. })));
    }

    #[tokio::test]
    async fn targets_are_held_to_the_roots() {
        let given = Given::new();
        let bounded = given.source(&["shop"]);
        assert!(bounded.check(&given.path("shop/a.yaml")).is_ok());
        assert!(bounded.check("apis").is_ok());
        for target in [
            given.path("other/o.yaml"),
            given.path("shop/../other"),
            "../other".into(),
            "/etc".into(),
        ] {
            assert!(bounded.check(&target).is_err(), "{target}");
        }
        // A link is judged by where it leads.
        assert!(bounded.check(&given.path("shop/apis/out/o.yaml")).is_err());

        let free = given.source(&[]);
        assert!(free.check(&given.path("other/o.yaml")).is_ok());
        assert!(free.check("relative.yaml").is_err());
        for own in ["data/keys.yaml", "data", ""] {
            assert!(free.check(&given.path(own)).is_err(), "{own}");
        }
        let passwd = free.open("/etc/passwd", None).await;
        assert!(matches!(passwd, Err(SourceError::Refused { .. })));
    }
}
