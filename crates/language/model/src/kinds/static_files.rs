//! How the files of a `static` workload are served: part of a `Delivery`.

use crate::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Names of headers that the server sets itself: saying them differently would break the answer.
const OWN: [&str; 9] = [
    "accept-ranges",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "etag",
    "transfer-encoding",
    "vary",
];

/// What differs from serving the files as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Site {
    /// The file that answers, with 200, where a page is asked for that is not there: `index.html` for an application
    /// that reads the address itself. Files (a last part with a dot) that are missing stay 404.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub fallback: Option<String>,
    /// Headers by path; where several say the same header, the last wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<SiteHeaders>,
}

impl Site {
    /// Where the file server reads it, below the folder that is served; hidden names are never served.
    pub const FILE: &str = ".tow/site.json";

    /// The headers that are said for this path of a URL, the last one of each name.
    pub fn headers_of(&self, path: &str) -> BTreeMap<&str, &str> {
        let said = self.headers.iter().filter(|entry| entry.speaks_of(path));
        said.flat_map(|entry| &entry.set).map(|(n, v)| (n.as_str(), v.as_str())).collect()
    }
}

/// Headers of some paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SiteHeaders {
    /// `/assets/*` for all below a folder, `*.html` for an ending, `/robots.txt` for one path, `*` for all.
    #[schemars(length(min = 1))]
    pub path: String,
    /// Name → value.
    pub set: BTreeMap<String, String>,
}

impl SiteHeaders {
    /// Does it speak of this path of a URL?
    pub fn speaks_of(&self, path: &str) -> bool {
        match (self.path.strip_suffix('*'), self.path.strip_prefix('*')) {
            (Some(start), _) => path.starts_with(start),
            (None, Some(end)) => path.ends_with(end),
            (None, None) => path == self.path,
        }
    }
}

/// The broken rules of one `static`, found at this pointer.
pub(super) fn check(site: &Value, at: &str, out: &mut Vec<Invalid>) {
    if let Some(fallback) = site["fallback"].as_str()
        && (fallback.starts_with('/') || fallback.split('/').any(|part| part.starts_with('.')))
    {
        out.push(Invalid::new(
            format!("{at}/fallback"),
            "delivery/static-path",
            format!("{fallback:?} is no file that would be served"),
            "a path below the folder that is served, as in index.html",
        ));
    }
    for (index, entry) in site["headers"].as_array().into_iter().flatten().enumerate() {
        if let Some(path) = entry["path"].as_str() {
            let rest = path.strip_suffix('*').or_else(|| path.strip_prefix('*')).unwrap_or(path);
            if rest.contains('*') || !(path.starts_with('/') || path.starts_with('*')) {
                out.push(Invalid::new(
                    format!("{at}/headers/{index}/path"),
                    "delivery/static-path",
                    format!("{path:?} is no pattern of paths"),
                    "/folder/*, *.ending, /one/path or *",
                ));
            }
        }
        for (name, value) in entry["set"].as_object().into_iter().flatten() {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let value = value.as_str().unwrap_or_default();
            let lower = name.to_ascii_lowercase();
            let own = OWN.contains(&lower.as_str());
            let printable = value.bytes().all(|b| b == b'\t' || (0x20..0x7f).contains(&b));
            if name.is_empty() || !name.chars().all(word) || !printable || own {
                let what = if own {
                    format!("{name} is set by the server itself")
                } else {
                    format!("{name}: {value:?} is no header")
                };
                out.push(Invalid::new(
                    format!(
                        "{at}/headers/{index}/set/{}",
                        name.replace('~', "~0").replace('/', "~1")
                    ),
                    "delivery/static-header",
                    what,
                    "a header of the answer, as in Cache-Control: public, max-age=31536000",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_speak_of_folders_endings_and_single_paths() {
        let of = |path: &str| SiteHeaders { path: path.into(), set: BTreeMap::new() };
        for (pattern, path, speaks) in [
            ("/assets/*", "/assets/a.js", true),
            ("/assets/*", "/other/assets/a.js", false),
            ("*.html", "/a/b.html", true),
            ("*.html", "/a/b.htm", false),
            ("/robots.txt", "/robots.txt", true),
            ("/robots.txt", "/robots.txt/x", false),
            ("*", "/", true),
        ] {
            assert_eq!(of(pattern).speaks_of(path), speaks, "{pattern} {path}");
        }
    }

    #[test]
    fn what_would_not_be_served_or_break_an_answer_is_refused() {
        let bad = json!({"fallback": "../x", "headers": [
            {"path": "assets", "set": {"ETag": "x"}},
            {"path": "/a*b*", "set": {"X-A": "a\nb", "": "x"}},
        ]});
        let mut out = Vec::new();
        check(&bad, "/s", &mut out);
        let mut at: Vec<&str> = out.iter().map(|invalid| invalid.pointer.as_str()).collect();
        at.sort_unstable();
        assert_eq!(
            at,
            [
                "/s/fallback",
                "/s/headers/0/path",
                "/s/headers/0/set/ETag",
                "/s/headers/1/path",
                "/s/headers/1/set/",
                "/s/headers/1/set/X-A",
            ]
        );
        let mut out = Vec::new();
        let good =
            json!({"fallback": "index.html", "headers": [{"path": "*", "set": {"X-A": "b"}}]});
        check(&good, "/s", &mut out);
        assert!(out.is_empty(), "{out:?}");
    }
}
