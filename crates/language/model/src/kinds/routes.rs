//! What a route does with requests beside handing them on: time, size, tries and redirects. Said in `tow.yaml`, by the
//! workload and the route's name.

use crate::{Invalid, pointer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use tow_names::{Duration, Memory};

/// Rules of one route. What is left out follows from the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteRules {
    /// From the last piece of a request to the head of its answer; one minute where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long a connection whose protocol was changed, or a body, may be silent; without end where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// How large a request's body may be, as in `10Mi`; without bound where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub body: Option<String>,
    /// How many other instances a request that can be repeated without harm is sent to after a first one broke it off; 1
    /// where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3))]
    pub retries: Option<u32>,
    /// What its instances speak; HTTP/1.1 where nothing is said. gRPC needs `h2c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Spoken>,
    /// Requests over plain HTTP are led to HTTPS, where the route's host has a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<bool>,
    /// Paths that are led elsewhere, instead of to an instance: by the path asked for, exactly, or with `/*` at its end.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redirects: BTreeMap<String, Redirect>,
}

/// What instances speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Spoken {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS and without asking first.
    H2c,
}

/// Where a request is led.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redirect {
    /// A path of the same host, or a whole URL; a `*` at its end is what the `*` of the asked path stands for.
    #[schemars(length(min = 1))]
    pub to: String,
    /// 301, 302, 303, 307 or 308; 308 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl RouteRules {
    /// Nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The bound of a body in bytes.
    pub fn body_bytes(&self) -> Option<u64> {
        self.body.as_deref()?.parse::<Memory>().ok().map(|size| size.0)
    }
}

impl RouteRules {
    /// What is said here, and what `more` says instead. Redirects by the path asked for.
    #[must_use]
    pub fn with(self, more: &Self) -> Self {
        let mut redirects = self.redirects;
        redirects.extend(more.redirects.iter().map(|(path, to)| (path.clone(), to.clone())));
        Self {
            timeout: more.timeout.or(self.timeout),
            idle: more.idle.or(self.idle),
            body: more.body.clone().or(self.body),
            retries: more.retries.or(self.retries),
            protocol: more.protocol.or(self.protocol),
            https: more.https.or(self.https),
            redirects,
        }
    }
}

/// The broken rules of one workload's `routes`. `at` is the workload's pointer.
pub(super) fn check(at: &str, said: &Value, out: &mut Vec<Invalid>) {
    for (name, rules) in said["routes"].as_object().into_iter().flatten() {
        let at = pointer(&format!("{at}/routes"), name);
        let mut wrong = |at: String, message: String, expected: &str| {
            out.push(Invalid::new(at, "delivery/route", message, expected));
        };
        for key in ["timeout", "idle"] {
            let said = rules[key].as_str().and_then(|text| text.parse::<Duration>().ok());
            if let Some(said) = said.filter(|said| *said < Duration::from_millis(1)) {
                wrong(format!("{at}/{key}"), format!("{said} is over at once"), "1ms or more");
            }
        }
        if let Some(Err(error)) = rules["body"].as_str().map(str::parse::<Memory>) {
            wrong(format!("{at}/body"), error.to_string(), error.expected);
        }
        for (from, redirect) in rules["redirects"].as_object().into_iter().flatten() {
            let at = pointer(&format!("{at}/redirects"), from);
            if !is_asked(from) {
                let expected = "a path from the root, as in /old, or all below one, as in /old/*";
                wrong(at.clone(), format!("{from:?} is no path that is asked for"), expected);
                continue;
            }
            if let Some(Err((message, expected))) =
                redirect["to"].as_str().map(|to| leads(from, to))
            {
                wrong(format!("{at}/to"), message, expected);
            }
            let status = redirect["status"].as_u64();
            if let Some(status) = status.filter(|status| !STATUSES.contains(status)) {
                let expected = "301, 302, 303, 307 or 308";
                wrong(format!("{at}/status"), format!("{status} leads nowhere"), expected);
            }
        }
    }
}

/// Statuses with which a client goes elsewhere.
const STATUSES: [u64; 5] = [301, 302, 303, 307, 308];

fn is_asked(from: &str) -> bool {
    let path = from.strip_suffix('*').unwrap_or(from);
    let whole = from == path || path.ends_with('/');
    whole && path.starts_with('/') && !path.contains('*') && is_plain(path) && !path.contains('?')
}

/// What can stand in the head of an answer and means one thing to all.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '#' | '\\'))
}

/// May this be led there? Else why not, and what would do.
fn leads(from: &str, to: &str) -> Result<(), (String, &'static str)> {
    const EXPECTED: &str =
        "a path of the same host, as in /new or /new/*, or a URL, as in https://example.com/new/*";
    let path = to.strip_suffix('*').unwrap_or(to);
    let (url, below) = (path.split_once("://"), path != to);
    let fits = match url {
        // With `*` right behind the host, whoever asks would choose the host.
        Some(("http" | "https", rest)) => {
            !rest.is_empty() && !rest.starts_with('/') && (!below || rest.contains('/'))
        }
        Some(_) => false,
        None => path.starts_with('/') && !path.starts_with("//"),
    };
    if !fits || path.contains('*') || !is_plain(path) {
        return Err((format!("{to:?} is neither a path nor a URL"), EXPECTED));
    }
    let Some(asked) = from.strip_suffix('*') else {
        if below {
            return Err((
                format!("{to:?} says * of what {from} has none"),
                "* in both, or here not",
            ));
        }
        return if to == from {
            Err((format!("{from} would be led to itself"), EXPECTED))
        } else {
            Ok(())
        };
    };
    if url.is_none() && path.starts_with(asked) {
        return Err((format!("{to} is below {from}, so it would be led on for ever"), EXPECTED));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn broken(rules: Value) -> Vec<String> {
        let mut out = Vec::new();
        check("/w", &json!({"routes": {"web": rules}}), &mut out);
        out.into_iter().map(|invalid| invalid.pointer).collect()
    }

    #[test]
    fn rules_that_can_hold_are_taken_and_others_named_by_their_place() {
        let to = |from: &str, to: &str| json!({"redirects": {from: {"to": to}}});
        for (rules, expected) in [
            (json!({}), vec![]),
            (json!({"timeout": "5s", "idle": "1m", "body": "10Mi", "retries": 0}), vec![]),
            (json!({"timeout": "0s"}), vec!["/w/routes/web/timeout"]),
            (json!({"body": "lots"}), vec!["/w/routes/web/body"]),
            (to("/old", "/new"), vec![]),
            (to("/old/*", "/new/*"), vec![]),
            (to("/*", "https://example.com/*"), vec![]),
            (to("/old", "https://example.com"), vec![]),
            (to("/old/*", "/new"), vec![]),
            (to("old", "/new"), vec!["/w/routes/web/redirects/old"]),
            (to("/old*", "/new"), vec!["/w/routes/web/redirects/~1old*"]),
            (to("/a/*/b", "/new"), vec!["/w/routes/web/redirects/~1a~1*~1b"]),
            (to("/old", "//example.com"), vec!["/w/routes/web/redirects/~1old/to"]),
            (to("/old", "ftp://example.com"), vec!["/w/routes/web/redirects/~1old/to"]),
            (to("/old/*", "https://example.com*"), vec!["/w/routes/web/redirects/~1old~1*/to"]),
            (to("/old", "/new/*"), vec!["/w/routes/web/redirects/~1old/to"]),
            (to("/old", "/old"), vec!["/w/routes/web/redirects/~1old/to"]),
            (to("/old/*", "/old/v2/*"), vec!["/w/routes/web/redirects/~1old~1*/to"]),
            (to("/*", "/elsewhere"), vec!["/w/routes/web/redirects/~1*/to"]),
            (to("/old", "/a b"), vec!["/w/routes/web/redirects/~1old/to"]),
            (
                json!({"redirects": {"/old": {"to": "/new", "status": 200}}}),
                vec!["/w/routes/web/redirects/~1old/status"],
            ),
        ] {
            assert_eq!(broken(rules.clone()), expected, "{rules}");
        }
    }

    #[test]
    fn later_words_win_one_by_one() {
        let rules = |text: Value| serde_json::from_value::<RouteRules>(text).unwrap();
        let base =
            rules(json!({"timeout": "5s", "body": "1Mi", "redirects": {"/a": {"to": "/b"}}}));
        let more = rules(json!({"body": "2Mi", "redirects": {"/c": {"to": "/d"}}}));
        let all = base.with(&more);
        assert_eq!((all.body_bytes(), all.redirects.len()), (Some(2 << 20), 2));
        assert_eq!(all.timeout, Some(Duration::from_secs(5)));
    }
}
