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

/// By which name the gateway knows a host: the name itself, else `*.` and the longest rest of it.
fn heard_as(routes: &[Route], host: &str) -> Option<String> {
    let mut names = routes.iter().flat_map(|route| &route.hosts);
    names.any(|name| name.eq_ignore_ascii_case(host)).then(|| host.to_string()).or_else(|| {
        let rests =
            host.match_indices('.').filter(|(at, _)| !host[..*at].ends_with('.') && *at > 0);
        let mut wild = rests.map(|(at, _)| format!("*{}", &host[at..]));
        wild.find(|wild| routes.iter().any(|route| is_for(route, wild)))
    })
}

fn is_for(route: &Route, name: &str) -> bool {
    route.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The `*.` of a route that stands for this host, too.
fn wild<'a>(route: &'a Route, host: &str) -> Option<&'a String> {
    route.hosts.iter().find(|known| {
        let rest = known.strip_prefix('*').map(str::to_ascii_lowercase);
        rest.is_some_and(|rest| {
            rest.starts_with('.') && host.len() > rest.len() && host.ends_with(&rest)
        })
    })
}

/// `host`: without a port; `port`: the one asked, where it is not the gateway's own.
pub fn explain<'a>(
    routes: &'a [Route],
    host: &str,
    port: Option<u16>,
    path: &str,
) -> Explained<'a> {
    let host = &host.trim_end_matches('.').to_ascii_lowercase();
    let own = port.filter(|port| routes.iter().any(|route| route.port == *port));
    let name = heard_as(routes, host).filter(|_| own.is_none());
    let by = match (own, &name) {
        (Some(port), _) => format!("port {port}"),
        (None, Some(name)) => format!("host {name}"),
        (None, None) => format!("host {host}"),
    };
    let (mut heard, others): (Vec<&Route>, Vec<&Route>) =
        routes.iter().partition(|route| match (own, &name) {
            (Some(port), _) => route.port == port,
            (None, Some(name)) => is_for(route, name),
            (None, None) => false,
        });
    if heard.is_empty() {
        let near = near(routes, host);
        let why = format!("no route is for {by}");
        return Explained { route: None, why, others: Vec::new(), near };
    }
    // As the gateway has it: the longest prefix first, of equals the one with the least id.
    heard.sort_by(|one, other| (prefix(other).len(), &one.id).cmp(&(prefix(one).len(), &other.id)));
    let behind = others.into_iter().filter(|_| own.is_none()).filter_map(|route| {
        let wild = wild(route, host)?;
        Some(NotThis { route, why: format!("{} comes before its {wild}", name.as_ref()?) })
    });
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
        .chain(behind)
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

/// Why nobody hears what is asked at this port, where neither the gateway nor a route is at it. `doors`: the gateway's own
/// ports; none, while they are not known. 80 and 443 are what a proxy before the gateway is asked at.
pub fn unheard(routes: &[Route], doors: &[u16], port: u16) -> Option<String> {
    let heard = doors.is_empty()
        || [80, 443].contains(&port)
        || doors.contains(&port)
        || routes.iter().any(|route| route.port == port);
    (!heard).then(|| {
        let doors: Vec<String> = doors.iter().map(ToString::to_string).collect();
        format!(
            "no route is at port {port}, and the gateway is at {}; where something else stands before the gateway, \
             ask without the port",
            doors.join(" and ")
        )
    })
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
        .map(|known| (strsim::levenshtein(known, host), known.clone()))
        .filter(|(far, known)| *far <= 1 + host.len() / 5 || first(known) == first(host))
        .collect();
    all.sort();
    all.dedup();
    all.truncate(NEAR);
    all.into_iter().map(|(_, known)| known).collect()
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
    fn a_port_that_nobody_is_at_is_not_heard() {
        let routes = [route("all", "shop.localhost", "/", 5)];
        for (doors, port, heard) in [
            (&[7080, 7443][..], 7080, true),
            (&[7080, 7443], 7443, true),
            (&[7080], 5, true),
            (&[7080], 443, true),
            (&[7080], 80, true),
            (&[], 9999, true),
            (&[7080, 7443], 9999, false),
        ] {
            assert_eq!(unheard(&routes, doors, port).is_none(), heard, "{doors:?} {port}");
        }
        let why = unheard(&routes, &[7080, 7443], 9999).unwrap();
        assert!(
            why.starts_with("no route is at port 9999, and the gateway is at 7080 and 7443;"),
            "{why}"
        );
    }

    /// The cases of the gateway's own look-up.
    #[test]
    fn hosts_with_a_star_stand_for_all_below_unless_one_is_closer() {
        let routes = [
            route("any", "*.example.test", "/", 0),
            route("deep", "*.A.example.test", "/", 0),
            route("exact", "x.a.example.test", "/only", 0),
            route("b", "twice.test", "/", 0),
            route("a", "twice.test", "/", 0),
        ];
        for (host, path, chosen) in [
            ("b.example.test", "/", Some("any")),
            ("B.Example.Test.", "/", Some("any")),
            ("y.b.example.test", "/", Some("any")),
            ("y.a.example.test", "/", Some("deep")),
            ("z.y.a.example.test", "/", Some("deep")),
            ("a.example.test", "/", Some("any")),
            // The host that is known by its whole name is that one's, whatever the path.
            ("x.a.example.test", "/", None),
            ("x.a.example.test", "/only", Some("exact")),
            ("example.test", "/", None),
            (".example.test", "/", None),
            ("*.example.test", "/", Some("any")),
            ("twice.test", "/", Some("a")),
        ] {
            let found = explain(&routes, host, None, path).route.map(|route| route.id.as_str());
            assert_eq!(found, chosen, "{host} {path}");
        }
        let found = explain(&routes, "y.a.example.test", None, "/");
        assert!(found.why.starts_with("host *.a.example.test is its own"), "{}", found.why);
        let [other] = found.others.as_slice() else { panic!("{:?}", found.others) };
        assert_eq!(other.route.id, "any");
        assert_eq!(other.why, "*.a.example.test comes before its *.example.test");
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
