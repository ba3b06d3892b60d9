//! The source against real repositories, made here by the git program.

#![expect(clippy::unwrap_used, reason = "what a test meets is its own")]

use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tow_git::{GitSource, Limits, Program};
use tow_ports::{
    Answer, CatalogSource, CatalogTree, Fetched, Listed, Opened, SourceError, Web, WebError,
    WebLimits,
};

/// Lets no address through that leads inside.
struct Guard;

#[async_trait]
impl Web for Guard {
    fn check(&self, url: &str) -> Result<(), WebError> {
        let host = url.trim_start_matches("https://").trim_start_matches('[');
        let inside = ["169.254.", "127.", "10.", "::1", "metadata"];
        match inside.iter().find(|inside| host.starts_with(**inside)) {
            Some(inside) => Err(WebError::Refused {
                host: host.into(),
                address: (*inside).into(),
                what: "inside".into(),
            }),
            None => Ok(()),
        }
    }
    async fn get(&self, _: &str, _: Option<&str>, _: WebLimits) -> Result<Fetched, WebError> {
        panic!("git fetches by itself")
    }
    async fn post(
        &self,
        _: &str,
        _: &[(String, String)],
        _: bytes::Bytes,
        _: WebLimits,
    ) -> Result<Answer, WebError> {
        panic!("nothing is sent")
    }
}

struct Given {
    dir: tempfile::TempDir,
}

impl Given {
    fn new() -> Self {
        let given = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(given.repository()).unwrap();
        given.git(&["init", "--quiet", "--initial-branch=main"]);
        given
    }

    fn repository(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"])
            .args(args)
            .current_dir(self.repository())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_string()
    }

    fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let path = self.repository().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn source(&self, limits: Limits, roots: &[PathBuf]) -> GitSource {
        let path =
            BTreeMap::from([("PATH".to_string(), "/usr/local/bin:/usr/bin:/bin".to_string())]);
        let data = self.dir.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        let cache = data.join("cache");
        GitSource::new(Program::new(path), cache, Arc::new(Guard), roots, &data, limits)
    }

    fn url(&self, tail: &str) -> String {
        format!("file://{}{tail}", self.repository().display())
    }
}

async fn tree(
    source: &GitSource,
    target: &str,
    known: Option<&str>,
) -> Option<Arc<dyn CatalogTree>> {
    match source.open(target, known).await.unwrap() {
        Opened::Tree(tree) => Some(tree),
        Opened::Unchanged => None,
    }
}

#[tokio::test]
async fn a_repository_is_read_and_read_again_only_when_it_moved() {
    let given = Given::new();
    let first = given.commit(&[
        ("catalog-info.yaml", "one"),
        ("apis/b.json", "{}"),
        ("node_modules/x.yaml", "x"),
        (".github/x.yaml", "x"),
        ("readme.md", "x"),
    ]);
    let source = given.source(Limits::default(), &[]);
    let url = given.url("");
    let opened = tree(&source, &url, None).await.unwrap();
    assert_eq!((opened.revision(), opened.entry()), (first.clone(), String::new()));
    let files = ["apis/b.json", "catalog-info.yaml"].map(String::from).to_vec();
    assert_eq!(opened.list("").await.unwrap(), Listed::Folder(files.clone()));
    assert_eq!(opened.list("apis/b.json").await.unwrap(), Listed::File);
    assert_eq!(opened.list("gone").await.unwrap(), Listed::Missing);
    let texts = opened.texts(&files).await.unwrap();
    assert_eq!(texts, [Ok("{}".to_string()), Ok("one".to_string())]);
    assert_eq!(opened.place("apis/b.json").location, format!("git:{url}#HEAD:apis/b.json"));
    drop(opened);

    assert!(tree(&source, &url, Some(&first)).await.is_none());
    let second = given.commit(&[("catalog-info.yaml", "two")]);
    let opened = tree(&source, &url, Some(&first)).await.unwrap();
    assert_eq!(opened.revision(), second);
    assert_eq!(opened.texts(&["catalog-info.yaml".into()]).await.unwrap()[0].as_deref(), Ok("two"));
    drop(opened);

    // A forced push leads back; a copy that broke off is made anew.
    given.git(&["reset", "--quiet", "--hard", &first]);
    assert_eq!(tree(&source, &url, Some(&second)).await.unwrap().revision(), first);
    for copy in std::fs::read_dir(given.dir.path().join("data/cache")).unwrap() {
        std::fs::remove_file(copy.unwrap().path().join("HEAD")).unwrap();
    }
    assert_eq!(tree(&source, &url, None).await.unwrap().revision(), first);
}

#[tokio::test]
async fn branches_tags_and_commits_are_references() {
    let given = Given::new();
    let first = given.commit(&[("a.yaml", "main")]);
    given.git(&["tag", "-a", "v1", "-m", "x"]);
    given.git(&["checkout", "--quiet", "-b", "feature/x"]);
    let second = given.commit(&[("a.yaml", "feature"), ("dir/b.yaml", "b")]);
    let source = given.source(Limits::default(), &[]);
    for (tail, commit, entry) in [
        ("#main", &first, ""),
        ("#v1", &first, ""),
        ("#feature/x:dir", &second, "dir"),
        (&format!("#{first}:a.yaml"), &first, "a.yaml"),
    ] {
        let opened = tree(&source, &given.url(tail), None).await.unwrap();
        assert_eq!((&opened.revision(), opened.entry().as_str()), (commit, entry), "{tail}");
    }
    let gone = source.open(&given.url("#gone"), None).await;
    assert!(matches!(gone, Err(SourceError::Missing(_))));
    let none = format!("file://{}/none", given.dir.path().display());
    assert!(source.open(&none, None).await.is_err());
}

#[tokio::test]
async fn links_and_submodules_are_no_files_and_hooks_do_not_run() {
    let given = Given::new();
    std::fs::write(given.dir.path().join("secret.yaml"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret.yaml", given.repository().join("link.yaml")).unwrap();
    std::os::unix::fs::symlink("/etc", given.repository().join("etc")).unwrap();
    let commit = given.commit(&[
        ("a.yaml", "a"),
        (".gitattributes", "*.yaml filter=evil\n"),
        (".gitmodules", "[submodule \"s\"]\npath = s\nurl = file:///etc\n"),
    ]);
    given.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},s")]);
    given.git(&["commit", "--quiet", "--message=submodule"]);
    let hooks = given.repository().join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let opened = tree(&given.source(Limits::default(), &[]), &given.url(""), None).await.unwrap();
    assert_eq!(opened.list("").await.unwrap(), Listed::Folder(vec!["a.yaml".into()]));
    let texts = opened.texts(&["link.yaml".into(), "s".into(), "a.yaml".into()]).await.unwrap();
    assert!(texts[0].is_err() && texts[1].is_err());
    assert_eq!(texts[2].as_deref(), Ok("a"));
}

#[tokio::test]
async fn limits_end_what_is_too_large_or_too_long() {
    let given = Given::new();
    let large = "x".repeat((1 << 20) + 1);
    given.commit(&[("a.yaml", "a"), ("large.yaml", &large)]);
    let opened = tree(&given.source(Limits::default(), &[]), &given.url(""), None).await.unwrap();
    let texts = opened.texts(&["large.yaml".into(), "a.yaml".into()]).await.unwrap();
    assert!(texts[0].as_ref().unwrap_err().contains("1 MiB"));
    assert_eq!(texts[1].as_deref(), Ok("a"));

    let hasty = Limits { ask: std::time::Duration::ZERO, ..Limits::default() };
    let ended = given.source(hasty, &[]).open(&given.url(""), None).await;
    assert!(matches!(ended, Err(SourceError::TooLarge { .. })));
}

#[tokio::test]
async fn where_it_may_not_go_it_does_not() {
    let given = Given::new();
    given.commit(&[("a.yaml", "a")]);
    let elsewhere: &Path = &given.dir.path().join("elsewhere");
    let bounded = given.source(Limits::default(), &[elsewhere.to_path_buf()]);
    let free = given.source(Limits::default(), &[]);
    assert!(bounded.check(&given.url("")).is_err());
    assert!(free.check(&given.url("")).is_ok());
    let own = format!("file://{}", given.dir.path().join("data/cache").display());
    for target in [
        own.as_str(),
        "https://169.254.169.254/latest/meta-data.git",
        "https://[::1]/x.git",
        "ssh://git@127.0.0.1/x",
        "git@10.0.0.1:x",
        "https://metadata.google.internal/x.git",
    ] {
        assert!(matches!(free.check(target), Err(SourceError::Refused { .. })), "{target}");
        assert!(free.open(target, None).await.is_err(), "{target}");
    }
}
