//! A repository as a source: what its reference stands at, a shallow copy of that, and the files in it.

use crate::program::{Call, Failed, Program};
use crate::target::{Target, Transport, shown};
use async_trait::async_trait;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tow_names::Digest;
use tow_ports::{
    CatalogSource, CatalogTree, Listed, MAX_SOURCE_BYTES, MAX_SOURCE_FILES, Opened, Place,
    SourceError, Web, WebError,
};

/// What a file of the catalog ends with.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// No file is longer.
const LONGEST: usize = 1 << 20;
/// How much a list of all files of a repository may print.
const LIST: usize = 64 << 20;

/// How much, and how long, at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one repository's copy.
    pub repository: u64,
    /// Asking what a reference stands at.
    pub ask: Duration,
    /// Fetching.
    pub fetch: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { repository: 512 << 20, ask: Duration::from_secs(20), fetch: Duration::from_secs(90) }
    }
}

/// Git repositories.
pub struct GitSource {
    program: Program,
    /// A bare copy a repository; may be taken away at any time.
    cache: PathBuf,
    /// Says which hosts may be asked.
    web: Arc<dyn Web>,
    /// Folders of this machine that repositories may lie in; anywhere where there are none.
    roots: Vec<PathBuf>,
    /// The platform's own data, which no repository of this machine lies in.
    data: PathBuf,
    limits: Limits,
    /// One fetch a copy at a time.
    busy: std::sync::Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>,
}

impl GitSource {
    /// With copies in `cache`.
    pub fn new(
        program: Program,
        cache: PathBuf,
        web: Arc<dyn Web>,
        roots: &[PathBuf],
        data: &Path,
        limits: Limits,
    ) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let roots = roots.iter().map(|root| real(root)).collect();
        let data = real(data);
        Self { program, cache, web, roots, data, limits, busy: std::sync::Mutex::default() }
    }

    fn admitted(&self, target: &Target) -> Result<(), SourceError> {
        let refused = |why: String| SourceError::Refused { target: shown(&target.url), why };
        match &target.transport {
            Transport::File(path) => {
                let real = path.canonicalize().unwrap_or_else(|_| path.clone());
                if !self.roots.is_empty() && !self.roots.iter().any(|root| real.starts_with(root)) {
                    return Err(refused(
                        "it is not below a folder of tow up --location-root".into(),
                    ));
                }
                if real.starts_with(&self.data) {
                    return Err(refused("the platform's own data is there".into()));
                }
                Ok(())
            }
            Transport::Http { host, port, .. } | Transport::Ssh { host, port } => self
                .web
                .check(&format!("https://{host}:{port}/"))
                .map_err(|error| refused(error.to_string())),
        }
    }

    /// Looks the host up and judges every address it stands for. For HTTP git is held to those that were judged.
    async fn settings(&self, target: &Target) -> Result<Vec<String>, SourceError> {
        let (Transport::Http { host, port, .. } | Transport::Ssh { host, port }) =
            &target.transport
        else {
            return Ok(Vec::new());
        };
        let shown = shown(&target.url);
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found = self.web.resolve(name, *port).await.map_err(|error| match error {
            WebError::Refused { .. } => {
                SourceError::Refused { target: shown.clone(), why: error.to_string() }
            }
            _ => SourceError::Unreachable { target: shown.clone(), why: error.to_string() },
        })?;
        let addresses: Vec<String> = found
            .iter()
            .map(|address| match address.ip() {
                std::net::IpAddr::V6(ip) => format!("[{ip}]"),
                std::net::IpAddr::V4(ip) => ip.to_string(),
            })
            .collect();
        Ok(match &target.transport {
            Transport::Http { .. } => {
                vec![format!("http.curloptResolve={name}:{port}:{}", addresses.join(","))]
            }
            _ => Vec::new(),
        })
    }
}

#[async_trait]
impl CatalogSource for GitSource {
    fn check(&self, target: &str) -> Result<(), SourceError> {
        self.admitted(&Target::parse(target)?)
    }

    async fn open(&self, target: &str, known: Option<&str>) -> Result<Opened, SourceError> {
        let target = Target::parse(target)?;
        self.admitted(&target)?;
        let settings = self.settings(&target).await?;
        let stands_at = self.stands_at(&target, &settings).await?;
        if stands_at.is_some() && stands_at.as_deref() == known {
            return Ok(Opened::Unchanged);
        }
        let folder = self.cache.join(&Digest::of(target.url.as_bytes()).hex()[..32]);
        let lock = self.lock(&folder).await;
        let commit = self.fetch(&target, &folder, settings, stands_at.as_deref()).await?;
        if known == Some(commit.as_str()) {
            return Ok(Opened::Unchanged);
        }
        let files = self.files(&target, &folder, &commit).await?;
        let tree =
            GitTree { program: self.program.clone(), target, folder, commit, files, _lock: lock };
        Ok(Opened::Tree(Arc::new(tree)))
    }
}

impl GitSource {
    async fn lock(&self, folder: &Path) -> OwnedMutexGuard<()> {
        let lock = {
            let mut busy = self.busy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            busy.entry(folder.to_path_buf()).or_default().clone()
        };
        lock.lock_owned().await
    }

    /// The commit that the reference stands at; none for one that only fetching can tell.
    async fn stands_at(
        &self,
        target: &Target,
        settings: &[String],
    ) -> Result<Option<String>, SourceError> {
        let reference = target.reference.as_deref().unwrap_or("HEAD");
        if is_commit(reference) {
            return Ok(Some(reference.to_string()));
        }
        let mut call = Call::new(None, &["ls-remote", "--quiet", "--", &target.url, reference]);
        call.settings = settings.to_vec();
        call.within = self.limits.ask;
        let printed = self.program.run(call).await.map_err(|failed| said(target, failed))?;
        let printed = String::from_utf8_lossy(&printed);
        let stands: BTreeMap<&str, &str> = printed
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(commit, name)| (name.trim(), commit.trim()))
            .collect();
        // A branch before a tag of the same name, as it is fetched.
        let names = ["".to_string(), "refs/heads/".into(), "refs/tags/".into()];
        let found = names.iter().find_map(|prefix| {
            stands.get(format!("{prefix}{reference}").as_str()).filter(|commit| is_commit(commit))
        });
        found
            .map(|commit| Some((*commit).to_string()))
            .ok_or_else(|| SourceError::Missing(format!("{reference} of {}", shown(&target.url))))
    }

    /// Makes the copy hold the reference, and nothing more than it needs; the commit.
    async fn fetch(
        &self,
        target: &Target,
        folder: &Path,
        settings: Vec<String>,
        stands_at: Option<&str>,
    ) -> Result<String, SourceError> {
        let io = |error: std::io::Error| SourceError::Unreachable {
            target: shown(&target.url),
            why: format!("the copy can't be kept: {error}"),
        };
        // One that broke off, or has grown too large over time, is made anew.
        let whole = folder.join("HEAD").is_file() && folder.join("objects").is_dir();
        if folder.exists()
            && (!whole || crate::program::size(folder, 0) > self.limits.repository / 2)
        {
            tokio::fs::remove_dir_all(folder).await.map_err(io)?;
        }
        tokio::fs::create_dir_all(folder).await.map_err(io)?;
        let text = folder.to_string_lossy().into_owned();
        let init = ["init", "--quiet", "--bare", "--template=", "--", &text];
        self.program.run(Call::new(None, &init)).await.map_err(|failed| said(target, failed))?;
        let reference = target.reference.as_deref().unwrap_or("HEAD");
        let mut call = Call::new(
            Some(folder),
            &[
                "fetch",
                "--quiet",
                "--depth=1",
                "--no-tags",
                "--no-recurse-submodules",
                "--force",
                "--no-write-commit-graph",
                "--no-auto-maintenance",
                "--",
                &target.url,
                &format!("+{reference}:refs/tow/fetched"),
            ],
        );
        call.settings = settings;
        call.within = self.limits.fetch;
        call.grows = Some((folder.join("objects"), self.limits.repository));
        if let Err(failed) = self.program.run(call).await {
            // What it left behind is of no use.
            let _ = tokio::fs::remove_dir_all(folder).await;
            return Err(said(target, failed));
        }
        let parse =
            Call::new(Some(folder), &["rev-parse", "--verify", "refs/tow/fetched^{commit}"]);
        let printed = self.program.run(parse).await.map_err(|failed| said(target, failed))?;
        let commit = String::from_utf8_lossy(&printed).trim().to_string();
        let asked = stands_at.filter(|_| is_commit(reference));
        if asked.is_some_and(|asked| asked != commit) || !is_commit(&commit) {
            let why = format!("{reference} was asked for, and {commit} came");
            return Err(SourceError::Unreachable { target: shown(&target.url), why });
        }
        Ok(commit)
    }

    /// Every plain file of the commit: its size and the id of its content. Links and submodules are none.
    async fn files(
        &self,
        target: &Target,
        folder: &Path,
        commit: &str,
    ) -> Result<BTreeMap<String, (String, usize)>, SourceError> {
        let mut call =
            Call::new(Some(folder), &["ls-tree", "-r", "-l", "-z", "--full-tree", commit]);
        call.output = LIST;
        let printed = self.program.run(call).await.map_err(|failed| said(target, failed))?;
        let mut files = BTreeMap::new();
        for line in printed.split(|byte| *byte == 0) {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            let Some((about, path)) = line.split_once('\t') else { continue };
            let about: Vec<&str> = about.split_whitespace().collect();
            if let [mode, "blob", id, size] = about[..]
                && mode.starts_with("100")
                && let Ok(size) = size.parse()
            {
                files.insert(path.to_string(), (id.to_string(), size));
            }
        }
        Ok(files)
    }
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What git said, without what stands before the host in a URL.
fn said(target: &Target, failed: Failed) -> SourceError {
    let shown = shown(&target.url);
    match failed {
        Failed::Said(words) => {
            let why = words.replace(&target.url, &shown);
            if words.contains("couldn't find remote ref")
                || words.contains("does not appear to be a git repository")
                || words.contains("not found")
            {
                return SourceError::Missing(format!("{shown} ({why})"));
            }
            SourceError::Unreachable { target: shown, why }
        }
        Failed::Limit(why) => SourceError::TooLarge { target: shown, why },
        Failed::Run(why) => SourceError::Unreachable { target: shown, why },
    }
}

struct GitTree {
    program: Program,
    target: Target,
    folder: PathBuf,
    commit: String,
    files: BTreeMap<String, (String, usize)>,
    /// Nobody else fetches into the copy while it is read.
    _lock: OwnedMutexGuard<()>,
}

impl GitTree {
    /// The page of the repository on a forge, as far as it can be told from its address.
    fn forge(&self) -> Option<(String, &'static str, &'static str)> {
        let Transport::Http { host, secure: true, .. } = &self.target.transport else {
            return None;
        };
        let base = self.target.url.trim_end_matches('/').trim_end_matches(".git").to_string();
        match host.as_str() {
            "github.com" => Some((base, "blob", "edit")),
            "gitlab.com" => Some((base, "-/blob", "-/edit")),
            _ => None,
        }
    }
}

#[async_trait]
impl CatalogTree for GitTree {
    fn entry(&self) -> String {
        self.target.path.clone()
    }

    fn revision(&self) -> String {
        self.commit.clone()
    }

    fn path_of(&self, _: &str) -> Option<String> {
        None
    }

    fn place(&self, path: &str) -> Place {
        let reference = self.target.reference.as_deref().unwrap_or("HEAD");
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some((base, blob, edit)) = self.forge() {
            let view = format!("{base}/{blob}/{reference}/{path}");
            let edit = (!is_commit(reference)).then(|| format!("{base}/{edit}/{reference}/{path}"));
            let source =
                format!("url:{base}/{}/{reference}/{folder}", blob.replace("blob", "tree"));
            return Place { location: format!("url:{view}"), source, view: Some(view), edit };
        }
        let url = shown(&self.target.url);
        Place {
            location: format!("git:{url}#{reference}:{path}"),
            source: format!("git:{url}#{reference}:{folder}"),
            view: None,
            edit: None,
        }
    }

    async fn list(&self, path: &str) -> Result<Listed, SourceError> {
        if self.files.contains_key(path) {
            return Ok(Listed::File);
        }
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let ours = |file: &str| {
            let hidden = file[below.len()..].split('/').any(|part| {
                part.starts_with('.') || matches!(part, "node_modules" | "target" | "vendor")
            });
            !hidden && file.rsplit_once('.').is_some_and(|(_, end)| ENDINGS.contains(&end))
        };
        let mut there = false;
        let mut found = Vec::new();
        for file in self.files.keys().filter(|file| file.starts_with(&below)) {
            there = true;
            if ours(file) {
                found.push(file.clone());
            }
        }
        if found.len() > MAX_SOURCE_FILES {
            let why = format!("it has more than {MAX_SOURCE_FILES} files");
            return Err(SourceError::TooLarge { target: shown(&self.target.url), why });
        }
        Ok(if there { Listed::Folder(found) } else { Listed::Missing })
    }

    async fn texts(&self, paths: &[String]) -> Result<Vec<Result<String, String>>, SourceError> {
        let mut input = Vec::new();
        let mut bytes = 0;
        let mut asked: Vec<Result<usize, String>> = Vec::new();
        for path in paths {
            asked.push(match self.files.get(path) {
                None => Err("it is not there, or is a link".into()),
                Some((_, size)) if *size > LONGEST => {
                    Err(format!("it has {size} bytes, more than {LONGEST} (1 MiB)"))
                }
                Some((id, size)) => {
                    input.extend_from_slice(id.as_bytes());
                    input.push(b'\n');
                    bytes += size + 128;
                    Ok(*size)
                }
            });
        }
        if bytes > MAX_SOURCE_BYTES + (128 << 10) {
            let why = "its files are larger than 64 MiB".into();
            return Err(SourceError::TooLarge { target: shown(&self.target.url), why });
        }
        let printed = if input.is_empty() {
            Vec::new()
        } else {
            let mut call = Call::new(Some(&self.folder), &["cat-file", "--batch"]);
            (call.input, call.output) = (input, bytes + 1024);
            self.program.run(call).await.map_err(|failed| said(&self.target, failed))?
        };
        let mut rest = printed.as_slice();
        let mut texts = Vec::new();
        for asked in asked {
            texts.push(match asked {
                Err(why) => Err(why),
                Ok(size) => match one(rest, size) {
                    Some((text, after)) => {
                        rest = after;
                        text
                    }
                    None => {
                        let why = "git did not give what it has".into();
                        return Err(SourceError::Unreachable {
                            target: shown(&self.target.url),
                            why,
                        });
                    }
                },
            });
        }
        Ok(texts)
    }
}

/// One content of `git cat-file --batch`: a line about it, the bytes, and an end of line; and what follows.
fn one(printed: &[u8], size: usize) -> Option<(Result<String, String>, &[u8])> {
    let head = printed.iter().position(|byte| *byte == b'\n')? + 1;
    let bytes = printed.get(head..head + size)?;
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|e| format!("it is not UTF-8 from byte {} on", e.utf8_error().valid_up_to()));
    Some((text, printed.get(head + size + 1..).unwrap_or_default()))
}
