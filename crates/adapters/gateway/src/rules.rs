//! What a route's rules come to: limits with nothing left open, and redirects made ready for look-ups.

use http::HeaderValue;
use std::collections::HashMap;
use std::time::Duration;
use tow_record::{RouteRules, Spoken};

/// From the last piece of a request to the head of its answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How many other instances are asked where one broke off.
const RETRIES: u32 = 1;

/// A route's rules, ready for use.
pub(crate) struct Rules {
    pub(crate) timeout: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) body: Option<u64>,
    pub(crate) retries: u32,
    pub(crate) h2c: bool,
    /// Requests over plain HTTP are led to HTTPS.
    pub(crate) https: bool,
    exact: HashMap<String, Lead>,
    /// By the path before `*`, longest first.
    below: Vec<(String, Lead)>,
}

/// Where a redirect leads.
struct Lead {
    to: String,
    status: u16,
}

impl Rules {
    pub(crate) fn of(said: &RouteRules) -> Self {
        let time = |time: tow_names::Duration| Duration::from_micros(time.micros().unsigned_abs());
        let mut rules = Self {
            timeout: said.timeout.map_or(TIMEOUT, time),
            idle: said.idle.map(time),
            body: said.body_bytes(),
            retries: said.retries.unwrap_or(RETRIES),
            https: said.https == Some(true),
            h2c: said.protocol == Some(Spoken::H2c),
            exact: HashMap::new(),
            below: Vec::new(),
        };
        for (asked, redirect) in &said.redirects {
            let lead = Lead { to: redirect.to.clone(), status: redirect.status.unwrap_or(308) };
            match asked.strip_suffix('*') {
                Some(start) => rules.below.push((start.to_string(), lead)),
                None => drop(rules.exact.insert(asked.clone(), lead)),
            }
        }
        rules.below.sort_by_key(|(start, _)| std::cmp::Reverse(start.len()));
        rules
    }

    /// Where a request for this path is led instead of to an instance, and with which status.
    pub(crate) fn redirect(&self, path: &str, query: Option<&str>) -> Option<(u16, HeaderValue)> {
        if self.exact.is_empty() && self.below.is_empty() {
            return None;
        }
        let (lead, rest) = match self.exact.get(path) {
            Some(lead) => (lead, ""),
            None => {
                let found = |(start, lead)| Some((lead, path.strip_prefix::<&str>(start)?));
                self.below.iter().map(|(start, lead)| (start.as_str(), lead)).find_map(found)?
            }
        };
        let mut to = match lead.to.strip_suffix('*') {
            Some(start) => format!("{start}{rest}"),
            None => lead.to.clone(),
        };
        if to.starts_with('/') {
            // Two slashes would begin the name of a host, of whoever's choice; browsers take `\` for one.
            to = format!("/{}", to.trim_start_matches(['/', '\\']));
        }
        if let Some(query) = query.filter(|_| !to.contains('?')) {
            to = format!("{to}?{query}");
        }
        Some((lead.status, HeaderValue::from_str(&to).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_record::Redirect;

    fn rules(redirects: &[(&str, &str)]) -> Rules {
        let redirects = redirects
            .iter()
            .map(|(from, to)| (from.to_string(), Redirect { to: (*to).into(), status: None }));
        Rules::of(&RouteRules { redirects: redirects.collect(), ..RouteRules::default() })
    }

    #[test]
    fn redirects_are_exact_or_for_all_below_and_never_lead_to_a_host_of_the_askers_choice() {
        let rules = rules(&[
            ("/old", "/new"),
            ("/docs/*", "https://docs.example.test/v2/*"),
            ("/docs/api/*", "/api/*"),
            ("/all/*", "/*"),
            ("/gone/*", "/"),
            ("/asks", "/answer?x=1"),
        ]);
        for (path, query, expected) in [
            ("/old", None, Some("/new")),
            ("/old", Some("a=b"), Some("/new?a=b")),
            ("/old/", None, None),
            ("/docs/a/b", Some("q"), Some("https://docs.example.test/v2/a/b?q")),
            ("/docs/api/x", None, Some("/api/x")),
            ("/docs/", None, Some("https://docs.example.test/v2/")),
            ("/docs", None, None),
            ("/all//evil.test/x", None, Some("/evil.test/x")),
            ("/all/\\evil.test", None, Some("/evil.test")),
            ("/all/", None, Some("/")),
            ("/gone/anything", None, Some("/")),
            ("/asks", Some("y=2"), Some("/answer?x=1")),
        ] {
            let found = rules.redirect(path, query).map(|(_, to)| to.to_str().unwrap().to_string());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
        assert_eq!(rules.redirect("/old", None).unwrap().0, 308);
    }
}
