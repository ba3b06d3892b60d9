//! Which route answers a request, and why none of the others does: the gateway's own rule, said in words.

use tow_record::Route;

/// So many hosts are named where one is not known.
const NEAR: usize = 5;

/// A route that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotThis<'a> {
    /// Which.
    pub route: &'a Route,
    /// Why not.
    pub why: String,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained<'a> {
    /// Who answers.
    pub route: Option<&'a Route>,
    /// Why that one, or why none.
    pub why: String,
    /// The others that have something to do with it.
    pub others: Vec<NotThis<'a>>,
    /// Hosts that are written nearly so.
    pub near: Vec<String>,
}

/// `host` in lower case; `port`: the one asked, where it is not the gateway's own.
pub fn explain<'a>(
    routes: &'a [Route],
    host: &str,
    port: Option<u16>,
    path: &str,
) -> Explained<'a> {
    let own = port.filter(|port| routes.iter().any(|route| route.port == *port));
    let heard = |route: &&Route| match own {
        Some(port) => route.port == port,
        None => route.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)),
    };
    let by = match own {
        Some(port) => format!("port {port}"),
        None => format!("host {host}"),
    };
    let mut heard: Vec<&Route> = routes.iter().filter(heard).collect();
    if heard.is_empty() {
        let near = near(routes, host);
        let why = format!("no route is for {by}");
        return Explained { route: None, why, others: Vec::new(), near };
    }
    // As the gateway has it: the longest prefix first, of equals the first in the table.
    heard.sort_by_key(|route| std::cmp::Reverse(prefix(route).len()));
    let chosen = heard.iter().copied().find(|route| begins(path, prefix(route)));
    let others = heard
        .iter()
        .filter(|route| chosen.is_none_or(|chosen| chosen.id != route.id))
        .map(|route| NotThis {
            route,
            why: match (begins(path, prefix(route)), chosen) {
                (true, Some(chosen)) => format!(
                    "its path {} is no longer than {} of the one that answers",
                    prefix(route),
                    prefix(chosen)
                ),
                _ => format!("{path} does not begin with its path {}", prefix(route)),
            },
        })
        .collect();
    let why = match chosen {
        Some(route) if heard.len() == 1 => {
            format!("{by} is its own, and its path is {}", prefix(route))
        }
        Some(route) => {
            format!("{by}, and {} is the longest path that {path} begins with", prefix(route))
        }
        None => format!("{by} is known, and {path} begins with no path of it"),
    };
    Explained { route: chosen, why, others, near: Vec::new() }
}

fn prefix(route: &Route) -> &str {
    if route.path.is_empty() { "/" } else { &route.path }
}

/// A prefix covers whole segments: `/api` covers `/api` and `/api/x`, not `/apis`.
fn begins(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'),
        None => false,
    }
}

/// Hosts that differ by a letter or two, or begin with the same name.
fn near(routes: &[Route], host: &str) -> Vec<String> {
    let first = |host: &str| host.split(['.', '-']).next().unwrap_or_default().to_string();
    let mut all: Vec<(usize, String)> = routes
        .iter()
        .flat_map(|route| &route.hosts)
        .map(|known| (distance(known, host), known.clone()))
        .filter(|(far, known)| *far <= 1 + host.len() / 5 || first(known) == first(host))
        .collect();
    all.sort();
    all.dedup();
    all.truncate(NEAR);
    all.into_iter().map(|(_, known)| known).collect()
}

/// How many letters are put in, left out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, letter) in one.chars().enumerate() {
        let mut corner = n;
        row[0] = n + 1;
        for (m, wanted) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *wanted);
            corner = row[m + 1];
            row[m + 1] = changed.min(row[m] + 1).min(corner + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tow_record::{Mode, RouteRules, State};

    fn route(id: &str, host: &str, path: &str, port: u16) -> Route {
        Route {
            id: id.into(),
            hosts: vec![host.into()],
            path: path.into(),
            port,
            component: "c".into(),
            environment: "e".into(),
            targets: Vec::new(),
            state: State::Live,
            reason: String::new(),
            wakes: false,
            split: None,
            mode: Mode::Serving,
            rules: RouteRules::default(),
        }
    }

    #[test]
    fn as_the_gateway_chooses() {
        let routes = [
            route("all", "shop.localhost", "/", 5),
            route("api", "shop.localhost", "/api", 6),
            route("only", "b.localhost", "/x", 0),
        ];
        for (host, port, path, chosen) in [
            ("shop.localhost", None, "/", Some("all")),
            ("shop.localhost", Some(7080), "/apis", Some("all")),
            ("shop.localhost", None, "/api/x", Some("api")),
            ("127.0.0.1", Some(6), "/api", Some("api")),
            ("127.0.0.1", Some(6), "/", None),
            ("b.localhost", None, "/", None),
            ("c.localhost", None, "/", None),
        ] {
            let found = explain(&routes, host, port, path).route.map(|route| route.id.as_str());
            assert_eq!(found, chosen, "{host} {port:?} {path}");
        }
    }

    #[test]
    fn the_others_say_why_and_what_is_near_is_named() {
        let routes = [
            route("all", "shop-development.localhost", "/", 5),
            route("api", "shop-development.localhost", "/api", 6),
            route("other", "quay.example.com", "/", 7),
        ];
        let found = explain(&routes, "shop-development.localhost", None, "/api");
        assert_eq!(found.others.len(), 1);
        assert!(found.others[0].why.contains("no longer than /api"), "{found:?}");
        let found = explain(&routes, "shop-developmnt.localhost", None, "/");
        assert_eq!((found.route, found.near), (None, vec!["shop-development.localhost".into()]));
    }
}
