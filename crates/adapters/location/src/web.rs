//! Files of the web, through the port `Web`, which guards where requests go. The root of a URL's source is its host:
//! what a file names relative to itself is read from there and from nowhere else.

use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use tow_names::Duration;
use tow_ports::{
    CatalogSource, CatalogTree, Fetched, Listed, Opened, Place, SourceError, Web, WebError,
    WebLimits,
};
use url::Url;

/// A file may take so long and be so large.
const LIMITS: WebLimits =
    WebLimits { total: Duration::from_secs(30), idle: Duration::from_secs(10), size: 1 << 20 };
/// Files of one source that are fetched, one after the other.
const MOST: usize = 500;

/// Reads `http` and `https` URLs.
pub struct WebSource {
    web: Arc<dyn Web>,
}

impl WebSource {
    /// Through this guard.
    pub fn new(web: Arc<dyn Web>) -> Self {
        Self { web }
    }
}

fn parsed(target: &str) -> Result<Url, SourceError> {
    let refused = |why: &str| SourceError::Refused { target: shown(target), why: why.into() };
    let mut url = Url::parse(target).map_err(|_| refused("it is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("a URL with a user or password in it would be shown to everybody"));
    }
    url.set_fragment(None);
    Ok(raw(url))
}

/// A target as it may be shown: without a user and password.
fn shown(target: &str) -> String {
    match (target.find("://"), target.find('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}…{}", &target[..scheme + 3], &target[at..])
        }
        _ => target.into(),
    }
}

/// The file itself where a URL is that of the page about it, on the forges that are known for it.
fn raw(mut url: Url) -> Url {
    let path = url.path().to_string();
    match url.host_str() {
        Some("github.com") => {
            let parts: Vec<&str> = path.trim_start_matches('/').splitn(4, '/').collect();
            if let [owner, repository, "blob" | "raw", rest] = parts[..] {
                let raw = format!("https://raw.githubusercontent.com/{owner}/{repository}/{rest}");
                return Url::parse(&raw).unwrap_or(url);
            }
        }
        Some(_) if path.contains("/-/blob/") => {
            url.set_path(&path.replacen("/-/blob/", "/-/raw/", 1));
        }
        _ => {}
    }
    url
}

/// Where a file of a known forge is looked at and edited.
fn pages(url: &Url) -> (Option<String>, Option<String>) {
    let path = url.path().trim_start_matches('/');
    if url.host_str() == Some("raw.githubusercontent.com") {
        let parts: Vec<&str> = path.splitn(3, '/').collect();
        if let [owner, repository, rest] = parts[..] {
            let page = |word| format!("https://github.com/{owner}/{repository}/{word}/{rest}");
            return (Some(page("blob")), editable(rest).then(|| page("edit")));
        }
    }
    if let Some((before, after)) = path.split_once("/-/raw/") {
        let host = url.origin().ascii_serialization();
        let page = |word| format!("{host}/{before}/-/{word}/{after}");
        return (Some(page("blob")), editable(after).then(|| page("edit")));
    }
    (None, None)
}

/// A commit can't be edited, a branch can.
fn editable(rest: &str) -> bool {
    let reference = rest.split('/').next().unwrap_or("");
    !(reference.len() == 40 && reference.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn failed(target: &str, error: &WebError) -> SourceError {
    let (target, why) = (shown(target), error.to_string());
    match error {
        WebError::Url { .. } | WebError::Refused { .. } | WebError::Redirect { .. } => {
            SourceError::Refused { target, why }
        }
        WebError::Status { status: 404 | 410, .. } => SourceError::Missing(target),
        WebError::TooLarge { .. } => SourceError::TooLarge { target, why },
        _ => SourceError::Unreachable { target, why },
    }
}

#[async_trait]
impl CatalogSource for WebSource {
    fn check(&self, target: &str) -> Result<(), SourceError> {
        let url = parsed(target)?;
        self.web.check(url.as_str()).map_err(|error| failed(target, &error))
    }

    async fn open(&self, target: &str, known: Option<&str>) -> Result<Opened, SourceError> {
        let url = parsed(target)?;
        let known = known.filter(|etag| !etag.is_empty());
        let fetched = self.web.get(url.as_str(), known, LIMITS).await;
        let (bytes, etag) = match fetched {
            Ok(Fetched::NotModified) => return Ok(Opened::Unchanged),
            Ok(Fetched::Body { bytes, etag }) => (Some(text(&bytes)), etag.unwrap_or_default()),
            // It may be missing where the location says so: that is for others to judge.
            Err(WebError::Status { status: 404 | 410, .. }) => (None, String::new()),
            Err(error) => return Err(failed(target, &error)),
        };
        let mut origin = url.clone();
        origin.set_query(None);
        origin.set_path("/");
        let entry = url.path().trim_start_matches('/').to_string();
        let seen = Mutex::new(Seen { first: bytes, fetched: 1 });
        let tree = WebTree { web: self.web.clone(), url, origin, entry, etag, seen };
        Ok(Opened::Tree(Arc::new(tree)))
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec())
        .map_err(|e| format!("it is not UTF-8 from byte {} on", e.utf8_error().valid_up_to()))
}

struct Seen {
    /// The target itself, until it is asked for; none where it is not there.
    first: Option<Result<String, String>>,
    fetched: usize,
}

struct WebTree {
    web: Arc<dyn Web>,
    url: Url,
    origin: Url,
    entry: String,
    etag: String,
    seen: Mutex<Seen>,
}

impl WebTree {
    fn url_of(&self, path: &str) -> Url {
        if path == self.entry {
            return self.url.clone();
        }
        let mut url = self.origin.clone();
        url.set_path(path);
        url
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn one(&self, path: &str) -> Result<Result<String, String>, SourceError> {
        let url = self.url_of(path);
        if path == self.entry
            && let Some(first) = self.seen().first.clone()
        {
            return Ok(first);
        }
        {
            let mut seen = self.seen();
            seen.fetched += 1;
            if seen.fetched > MOST {
                let why = format!("it leads to more than {MOST} files");
                return Err(SourceError::TooLarge { target: self.url.to_string(), why });
            }
        }
        match self.web.get(url.as_str(), None, LIMITS).await {
            Ok(Fetched::Body { bytes, .. }) => Ok(text(&bytes)),
            Ok(Fetched::NotModified) => Ok(Err("it was not sent".into())),
            Err(WebError::Status { status: 404 | 410, .. }) => Ok(Err("it is not there".into())),
            Err(error) => Ok(Err(failed(url.as_str(), &error).to_string())),
        }
    }
}

#[async_trait]
impl CatalogTree for WebTree {
    fn entry(&self) -> String {
        self.entry.clone()
    }

    /// An ETag speaks for one file only.
    fn revision(&self) -> String {
        if self.seen().fetched == 1 { self.etag.clone() } else { String::new() }
    }

    fn path_of(&self, url: &str) -> Option<String> {
        let url = parsed(url).ok()?;
        (url.origin() == self.origin.origin() && url.query().is_none())
            .then(|| url.path().trim_start_matches('/').to_string())
    }

    fn place(&self, path: &str) -> Place {
        let url = self.url_of(path);
        let folder = url.join("./").unwrap_or_else(|_| url.clone());
        let (view, edit) = pages(&url);
        Place { location: format!("url:{url}"), source: format!("url:{folder}"), view, edit }
    }

    async fn list(&self, path: &str) -> Result<Listed, SourceError> {
        // A web server lists nothing: every path is that of a file, until it is asked for.
        let missing = path == self.entry && self.seen().first.is_none();
        Ok(if missing { Listed::Missing } else { Listed::File })
    }

    async fn texts(&self, paths: &[String]) -> Result<Vec<Result<String, String>>, SourceError> {
        let mut texts = Vec::with_capacity(paths.len());
        for path in paths {
            texts.push(self.one(path).await?);
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tow_ports::Answer;

    struct Pages;

    #[async_trait]
    impl Web for Pages {
        fn check(&self, url: &str) -> Result<(), WebError> {
            let inside = url.contains("169.254");
            let refused = || WebError::Refused {
                host: "h".into(),
                address: "a".into(),
                what: "inside".into(),
            };
            if inside { Err(refused()) } else { Ok(()) }
        }
        async fn get(
            &self,
            url: &str,
            etag: Option<&str>,
            _: WebLimits,
        ) -> Result<Fetched, WebError> {
            self.check(url)?;
            if etag == Some("\"1\"") {
                return Ok(Fetched::NotModified);
            }
            if url.ends_with("gone") {
                return Err(WebError::Status { host: "h".into(), status: 404 });
            }
            let bytes = Bytes::from(url.to_string());
            Ok(Fetched::Body { bytes, etag: Some("\"1\"".into()) })
        }
        async fn post(
            &self,
            _: &str,
            _: &[(String, String)],
            _: Bytes,
            _: WebLimits,
        ) -> Result<Answer, WebError> {
            panic!("nothing is sent")
        }
    }

    async fn tree(target: &str) -> Arc<dyn CatalogTree> {
        match WebSource::new(Arc::new(Pages)).open(target, None).await.unwrap() {
            Opened::Tree(tree) => tree,
            Opened::Unchanged => panic!("nothing was known"),
        }
    }

    #[tokio::test]
    async fn an_etag_speaks_for_the_file_alone() {
        let source = WebSource::new(Arc::new(Pages));
        let known = source.open("https://example.org/c/a.yaml", Some("\"1\"")).await;
        assert!(matches!(known, Ok(Opened::Unchanged)));
        let tree = tree("https://example.org/c/a.yaml").await;
        assert_eq!(tree.entry(), "c/a.yaml");
        let texts = tree.texts(&["c/a.yaml".into()]).await.unwrap();
        assert_eq!(texts, [Ok("https://example.org/c/a.yaml".to_string())]);
        assert_eq!(tree.revision(), "\"1\"");
        let texts = tree.texts(&["c/b.yaml".into(), "c/gone".into()]).await.unwrap();
        assert_eq!(texts[0].as_deref(), Ok("https://example.org/c/b.yaml"));
        assert_eq!(texts[1], Err("it is not there".to_string()));
        assert_eq!(tree.revision(), "");
    }

    #[tokio::test]
    async fn only_the_same_host_is_part_of_it() {
        let tree = tree("https://example.org/c/a.yaml").await;
        assert_eq!(tree.path_of("https://example.org/d.yaml").as_deref(), Some("d.yaml"));
        for other in ["http://example.org/d", "https://example.org:8443/d", "https://other.org/d"] {
            assert_eq!(tree.path_of(other), None, "{other}");
        }
        assert_eq!(tree.place("c/a.yaml").source, "url:https://example.org/c/");
        let many: Vec<String> = (0..600).map(|i| format!("{i}.yaml")).collect();
        assert!(matches!(tree.texts(&many).await, Err(SourceError::TooLarge { .. })));
    }

    #[tokio::test]
    async fn pages_of_forges_lead_to_the_files() {
        let tree = tree("https://github.com/o/r/blob/main/catalog-info.yaml").await;
        let place = tree.place(&tree.entry());
        assert_eq!(
            place.location,
            "url:https://raw.githubusercontent.com/o/r/main/catalog-info.yaml"
        );
        let page = |word| format!("https://github.com/o/r/{word}/main/catalog-info.yaml");
        assert_eq!((place.view, place.edit), (Some(page("blob")), Some(page("edit"))));
    }

    #[test]
    fn targets_that_lead_inside_or_hold_a_secret_are_refused() {
        let source = WebSource::new(Arc::new(Pages));
        for target in ["http://169.254.169.254/x", "https://u:secret@example.org/x", "x.yaml"] {
            let error = source.check(target).unwrap_err();
            assert!(matches!(error, SourceError::Refused { .. }), "{target}");
            assert!(!error.to_string().contains("secret@"), "{error}");
        }
    }
}
