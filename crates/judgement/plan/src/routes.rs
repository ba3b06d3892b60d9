//! The route table as a function of what serves: routes ⊆ ready instances, every host once.

use crate::meaning;
use std::collections::BTreeMap;
use tow_model::kinds::{
    environment::{EnvironmentSpec, Tier},
    workload::{Protocol, ServicePort, Workload},
};
use tow_names::{Id, Place, host_label};
use tow_record::{
    Instance, Observed, Placement, Release, Route, RouteRules, RouteTarget, Split, State,
};

/// A placement with what is needed to route to it.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each field is the record of its name")]
pub struct Placed<'a> {
    pub placement: &'a Placement,
    pub release: &'a Release,
    pub environment: &'a EnvironmentSpec,
    /// All rows of the place.
    pub instances: &'a [Instance],
}

/// The port that `PORT` carries and that is routed to by default: the only one, or the one named web, http or www.
pub fn primary_port(score: &Workload) -> Option<(&str, &ServicePort)> {
    let ports = &score.service.as_ref()?.ports;
    if ports.len() == 1 {
        return ports.iter().next().map(|(name, port)| (name.as_str(), port));
    }
    ["web", "http", "www"]
        .iter()
        .find_map(|name| ports.get_key_value(*name))
        .map(|(name, port)| (name.as_str(), port))
}

struct Wanted {
    id: String,
    hosts: Vec<String>,
    path: String,
    port: String,
    rules: RouteRules,
}

/// What of a workload is routable in this environment.
fn wanted(placed: &Placed<'_>, workload: &str, score: &Workload) -> Vec<Wanted> {
    let place = &placed.placement.place;
    let delivered =
        crate::delivered(&placed.release.delivery, score, &place.environment, placed.environment);
    if !meaning(delivered.kind).routed {
        return Vec::new();
    }
    let tcp = |port: &ServicePort| port.protocol.unwrap_or_default() == Protocol::Tcp;
    let ports = score.service.iter().flat_map(|s| &s.ports);
    let own_host = || vec![own_host(placed, workload)];
    let rules = |name: &str| delivered.routes.get(name).cloned().unwrap_or_default();
    let mut all = Vec::new();
    for (name, resource) in score.resources.iter().filter(|(_, r)| r.kind == "route") {
        let param = |key: &str| resource.params.as_ref().and_then(|p| p.get(key));
        let text = |value: &serde_json::Value| {
            value.as_str().map_or_else(|| value.to_string(), str::to_string)
        };
        let asked = param("port").map(text);
        let port = match asked {
            None => primary_port(score).map(|(name, _)| name.to_string()),
            Some(asked) => ports
                .clone()
                .find(|(name, p)| **name == asked || p.port.to_string() == asked)
                .map(|(name, _)| name.clone()),
        };
        let host = param("host").map(text).filter(|h| !h.is_empty() && !h.contains("${"));
        if let Some(port) = port {
            all.push(Wanted {
                id: format!("{place}/{workload}/{name}"),
                hosts: host.map_or_else(own_host, |h| vec![h.to_ascii_lowercase()]),
                path: param("path").map_or_else(|| "/".to_string(), text),
                port,
                rules: rules(name),
            });
        }
    }
    let by_default = matches!(placed.environment.tier, Tier::Development | Tier::Preview);
    if all.is_empty()
        && by_default
        && let Some((name, port)) = primary_port(score)
        && tcp(port)
    {
        all.push(Wanted {
            id: format!("{place}/{workload}/{name}"),
            hosts: own_host(),
            path: "/".into(),
            port: name.to_string(),
            rules: rules(name),
        });
    }
    all
}

/// `component-environment.localhost`; with several workloads, the ones not named like the component say their name.
fn own_host(placed: &Placed<'_>, workload: &str) -> String {
    let place = &placed.placement.place;
    let component = place.component.name().as_str();
    let environment = place.environment.as_str();
    let mut parts = Vec::new();
    if placed.release.workloads.len() > 1 && workload != component {
        parts.push(workload);
    }
    parts.push(component);
    if place.component.namespace().as_str() != "default" {
        parts.push(place.component.namespace().as_str());
    }
    parts.push(environment);
    format!("{}.localhost", host_label(&parts))
}

/// All routes, by id. Targets are the serving instances that are ready.
pub fn routes(all: &[Placed<'_>], observed: &Observed) -> Vec<Route> {
    let mut routes: BTreeMap<String, Route> = BTreeMap::new();
    for placed in all {
        let placement = placed.placement;
        for (workload, file) in &placed.release.workloads {
            for want in wanted(placed, workload, &file.score) {
                let (targets, reason) = targets(placed, workload, &want.port, observed);
                let split = split(placement, &targets);
                let wakes = targets.is_empty() && wakes(placed, workload, &file.score, observed);
                let asleep =
                    wakes && !placement.serving.iter().any(|pod| pod.workload == *workload);
                let state = match (placement.stopped, targets.is_empty()) {
                    (true, _) => State::Stopped,
                    (false, true) if asleep => State::Asleep,
                    (false, true) => State::Degraded,
                    (false, false) => State::Live,
                };
                let reason = if asleep { "it sleeps; a request wakes it".into() } else { reason };
                let port = placement.ports.get(&want.id).copied().unwrap_or(0);
                routes.insert(
                    want.id.clone(),
                    Route {
                        id: want.id,
                        hosts: want.hosts,
                        path: want.path,
                        port,
                        component: placement.place.component.short(),
                        environment: placement.place.environment.to_string(),
                        targets,
                        state,
                        reason,
                        wakes,
                        split,
                        mode: placement.mode.clone(),
                        rules: want.rules,
                    },
                );
            }
        }
    }
    routes.into_values().collect()
}

/// Who of the clients is answered by the deployment that is tried. Only while there is somebody of both: else there is
/// nothing to choose.
fn split(placement: &Placement, targets: &[RouteTarget]) -> Option<Split> {
    let trying = placement.trying.as_ref()?;
    let tried = |target: &RouteTarget| target.deployment == trying.deployment;
    (targets.iter().any(tried) && !targets.iter().all(tried)).then(|| Split {
        deployment: trying.deployment,
        weight: trying.weight,
        header: trying.header.clone(),
        // Another name each time: who was tried on once is not for ever.
        cookie: format!("tow-canary-{}-{}", placement.place.component.name(), trying.deployment),
    })
}

fn wakes(placed: &Placed<'_>, workload: &str, score: &Workload, observed: &Observed) -> bool {
    let name = &placed.placement.place.environment;
    let delivered = crate::delivered(&placed.release.delivery, score, name, placed.environment);
    crate::scale::wakes(placed, &delivered, workload, observed)
}

/// Does a route lead to this workload, where the release is deployed there?
pub(crate) fn is_routed(
    release: &Release,
    place: &Place,
    environment: &EnvironmentSpec,
    workload: &str,
) -> bool {
    let placement = Placement::empty(place.clone());
    let placed = Placed { placement: &placement, release, environment, instances: &[] };
    let score = release.workloads.get(workload).map(|file| &file.score);
    score.is_some_and(|score| !wanted(&placed, workload, score).is_empty())
}

fn targets(
    placed: &Placed<'_>,
    workload: &str,
    port: &str,
    observed: &Observed,
) -> (Vec<RouteTarget>, String) {
    let placement = placed.placement;
    if placement.stopped {
        return (Vec::new(), "it was stopped; `tow start` starts it again".into());
    }
    let mut targets = Vec::new();
    let mut reason = String::from("no instance of it runs");
    for pod in placement.serving.iter().filter(|pod| pod.workload == workload) {
        let ready = pod.instances.iter().all(|id| {
            let seen = observed.instances.get(id);
            if let Some(seen) = seen.filter(|seen| !instance_ready(seen)) {
                let probe = seen.probe.as_ref().filter(|p| !p.ok).map(|p| p.what.clone());
                reason = probe.unwrap_or_else(|| {
                    if seen.message.is_empty() {
                        "its instances are not ready".to_string()
                    } else {
                        seen.message.clone()
                    }
                });
            }
            seen.is_some_and(instance_ready)
        });
        // The containers of a pod share its ports. Requests count for the first of them that runs: never for one that
        // was to complete before the others, and did.
        let of_pod = || {
            let runs = |id: &&Id| observed.instances.get(*id).is_some_and(|seen| seen.ready);
            let id = pod.instances.iter().find(runs)?;
            let row = placed.instances.iter().find(|row| row.id == *id)?;
            Some((row, *row.ports.get(port)?))
        };
        if let (true, Some((row, port))) = (ready, of_pod()) {
            targets.push(RouteTarget {
                instance: row.id.to_string(),
                address: format!("127.0.0.1:{port}"),
                release: row.release,
                deployment: row.deployment,
            });
        }
    }
    let reason = if targets.is_empty() { reason } else { String::new() };
    (targets, reason)
}

/// How two routes are in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clash {
    /// The same host and path: only one of them can be served.
    Same,
    /// The same host, of two components: what one of them takes below its path is taken from the other. Only whoever
    /// owns both may want that.
    Beside,
}

/// Routes of `table` that are in the way of routes of others, each with the other.
pub fn clashes<'a>(table: &'a [Route], others: &'a [Route]) -> Vec<(&'a Route, &'a Route, Clash)> {
    let shares = |one: &Route, other: &Route| {
        one.id != other.id && other.hosts.iter().any(|host| one.hosts.contains(host))
    };
    let mut found = Vec::new();
    for one in table {
        for other in others.iter().filter(|other| shares(one, other)) {
            let own = other.component == one.component;
            match (other.path == one.path, own) {
                (true, true) if other.environment == one.environment => {}
                (true, _) => found.push((one, other, Clash::Same)),
                (false, true) => {}
                (false, false) => found.push((one, other, Clash::Beside)),
            }
        }
    }
    found
}

/// Names of `routes` in `tow.yaml` that no route of the workload could have, and those that one could.
pub(crate) fn unknown_rules(
    score: &Workload,
    delivered: &crate::Delivered,
) -> (Vec<String>, Vec<String>) {
    let made = score.resources.iter().filter(|(_, resource)| resource.kind == "route");
    let ports = score.service.iter().flat_map(|service| service.ports.keys());
    let known: Vec<String> = made.map(|(name, _)| name).chain(ports).cloned().collect();
    let unknown = delivered.routes.keys().filter(|name| !known.contains(name)).cloned().collect();
    (unknown, known)
}

/// Is it a path that a route can have: from the root, segment by segment, leading nowhere else?
pub(crate) fn is_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !"?#%\\".contains(c);
    path.starts_with('/')
        && path.chars().all(plain)
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
        && !path.contains("//")
}

/// Ready, or a container that was to complete and did.
pub(crate) fn instance_ready(seen: &tow_record::ObservedInstance) -> bool {
    seen.ready
        || (seen.phase == tow_record::Phase::Exited
            && seen.exit == Some(tow_record::Exit::Code { code: 0 }))
}

/// The URLs of a workload, the name URL first: `http://HOST:GATEWAY/`, then `http://127.0.0.1:PORT/` once known.
pub fn workload_urls(placed: &Placed<'_>, workload: &str, gateway_port: u16) -> Vec<String> {
    let Some(file) = placed.release.workloads.get(workload) else { return Vec::new() };
    let mut urls = Vec::new();
    for want in wanted(placed, workload, &file.score) {
        for host in &want.hosts {
            let suffix = if want.path == "/" { "" } else { want.path.trim_start_matches('/') };
            urls.push(format!("http://{host}:{gateway_port}/{suffix}"));
        }
        if let Some(port) = placed.placement.ports.get(&want.id).filter(|p| **p != 0) {
            urls.push(format!("http://127.0.0.1:{port}/"));
        }
    }
    urls
}

/// Why a release has no route here, in a line.
pub(crate) fn why_no_route(release: &Release, environment: &EnvironmentSpec) -> String {
    let ported = release.workloads.values().any(|file| primary_port(&file.score).is_some());
    match (ported, environment.tier) {
        (false, _) => {
            "no workload declares a port named web, http or www, or one port alone".into()
        }
        (true, Tier::Development | Tier::Preview) => "its workloads answer no requests".into(),
        (true, tier) => {
            let tier = tier.as_str();
            format!(
                "in tier {tier} only a resource of type route makes one: resources of the Score file, params host, path and port"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(component: &str, environment: &str, path: &str) -> Route {
        Route {
            id: format!("{component}@{environment}{path}"),
            hosts: vec!["shop.example.com".into()],
            path: path.into(),
            port: 0,
            component: component.into(),
            environment: environment.into(),
            targets: Vec::new(),
            state: State::Live,
            reason: String::new(),
            wakes: false,
            split: None,
            mode: tow_record::Mode::Serving,
            rules: RouteRules::default(),
        }
    }

    #[test]
    fn nobody_takes_another_s_path_or_lies_over_it_unseen() {
        let mine = [route("web", "production", "/")];
        let clash = |other: Route| clashes(&mine, &[other]).first().map(|found| found.2);
        assert_eq!(clash(route("web", "production", "/")), None, "itself");
        assert_eq!(clash(route("web", "staging", "/")), Some(Clash::Same));
        assert_eq!(clash(route("thief", "production", "/")), Some(Clash::Same));
        assert_eq!(clash(route("thief", "production", "/login")), Some(Clash::Beside));
        assert_eq!(clash(route("web", "staging", "/login")), None, "its own");
        let elsewhere = Route { hosts: vec!["other".into()], ..route("thief", "staging", "/") };
        assert_eq!(clash(elsewhere), None);
    }

    #[test]
    fn a_path_begins_at_the_root_and_leads_nowhere_else() {
        for good in ["/", "/api", "/api/", "/a-b_c/d.e/~f"] {
            assert!(is_path(good), "{good}");
        }
        for bad in ["", "api", "/../x", "/a/./b", "/a//b", "/a?b", "/a#b", "/%2e%2e", "/a b", "/é"]
        {
            assert!(!is_path(bad), "{bad}");
        }
    }
}
