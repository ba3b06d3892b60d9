//! Routes: who answers which requests, why, and what is done with requests beside handing them on.

use crate::handle::{body, component_ref};
use crate::{App, AppError, Call, Handle, OpCtx};
use serde_json::json;
use std::net::IpAddr;
use tow_api::route::{
    explain::{self, ExplainRoute},
    list::{ListRoutes, Reply, RouteView},
    maintain::{self, MaintainRoutes, ModeView},
    pause::PauseRoutes,
    serve::{Ending, ServeRoutes},
};
use tow_names::{Duration, EntityRef, Name, Place};
use tow_record::{Mode, Route, RouteSet};
use tow_store::Batch;

/// How often a change is tried again where the place changed meanwhile.
const TRIES: u32 = 8;
/// After how long clients of what is maintained are told to come again, where nothing is said.
const RETRY: Duration = Duration::from_secs(600);
/// How long a request is held where nothing is said, and at most.
const LIMIT: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(300);

impl Handle<ListRoutes> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ListRoutes>) -> Result<Reply, AppError> {
        let query = &call.query;
        let places =
            self.places(ctx, query.component.as_deref(), query.environment.as_deref()).await?;
        let own: Vec<String> =
            places.iter().map(|facts| format!("{}/", facts.placement.value.place)).collect();
        let mut routes = self.told_routes().await?;
        routes.retain(|route| own.iter().any(|own| route.id.starts_with(own)));
        Ok(Reply { items: routes.iter().map(view).collect() })
    }
}

impl Handle<ExplainRoute> for App {
    async fn handle(
        &self,
        ctx: &OpCtx,
        call: Call<ExplainRoute>,
    ) -> Result<explain::Reply, AppError> {
        let (host, port, path) = taken_apart(&call.query.url)?;
        let mut routes = self.told_routes().await?;
        // Of what the asker may not see nothing is said, not even that it is near.
        let components: Vec<EntityRef> =
            routes.iter().filter_map(|route| component_ref(&route.component).ok()).collect();
        let sight = self.seen(ctx, &components).await?;
        routes.retain(|route| component_ref(&route.component).is_ok_and(|c| sight.has(&c)));
        let port = port.filter(|port| *port != self.gateway_port());
        let found = tow_plan::explain(&routes, &host, port, &path);
        Ok(explain::Reply {
            port: port.filter(|port| routes.iter().any(|route| route.port == *port)),
            route: found.route.map(view),
            why: found.why,
            others: found
                .others
                .into_iter()
                .map(|other| explain::NotThis { route: other.route.id.clone(), why: other.why })
                .collect(),
            near: found.near,
            host,
            path,
        })
    }
}

impl Handle<MaintainRoutes> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<MaintainRoutes>) -> Result<ModeView, AppError> {
        let maintain::Body { component, environment, retry_after, allow, message } = &call.body;
        let mut tries = 0;
        loop {
            tries += 1;
            let work = async |batch: &mut Batch| {
                let place = self.served_place(ctx, component, environment.as_deref()).await?;
                for network in allow {
                    is_network(network)?;
                }
                let mode = Mode::Maintenance {
                    retry_after: retry_after.unwrap_or(RETRY),
                    allow: allow.clone(),
                    message: message.clone(),
                };
                self.turned(
                    ctx,
                    &place,
                    "route.maintenance",
                    "refused for maintenance",
                    mode,
                    batch,
                )
                .await
            };
            match self.write(ctx, &call, work).await {
                Err(error) if error.is("object/moved") && tries < TRIES => {}
                done => return done,
            }
        }
    }
}

impl Handle<PauseRoutes> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<PauseRoutes>) -> Result<ModeView, AppError> {
        let asked = &call.body;
        let mut tries = 0;
        loop {
            tries += 1;
            let work = async |batch: &mut Batch| {
                let place =
                    self.served_place(ctx, &asked.component, asked.environment.as_deref()).await?;
                let limit = asked.limit.unwrap_or(LIMIT);
                if limit == Duration::ZERO || limit > LONGEST {
                    return Err(AppError::new(
                        "input/invalid",
                        format!("a request can't be held for {limit}: expected up to {LONGEST}"),
                    )
                    .hint("for longer than that: tow maintenance on"));
                }
                let mode = Mode::Paused { limit };
                self.turned(ctx, &place, "route.paused", "held", mode, batch).await
            };
            match self.write(ctx, &call, work).await {
                Err(error) if error.is("object/moved") && tries < TRIES => {}
                done => return done,
            }
        }
    }
}

impl Handle<ServeRoutes> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ServeRoutes>) -> Result<ModeView, AppError> {
        let asked = &call.body;
        let mut tries = 0;
        loop {
            tries += 1;
            let work = async |batch: &mut Batch| {
                let place =
                    self.served_place(ctx, &asked.component, asked.environment.as_deref()).await?;
                let mode = self.store().place(&place).await?.placement.value.mode;
                let ends = match mode {
                    Mode::Serving => false,
                    Mode::Maintenance { .. } => asked.ends == Ending::Maintenance,
                    Mode::Paused { .. } => asked.ends == Ending::Pause,
                };
                let mode = if ends { Mode::Serving } else { mode };
                self.turned(ctx, &place, "route.serving", "handed on again", mode, batch).await
            };
            match self.write(ctx, &call, work).await {
                Err(error) if error.is("object/moved") && tries < TRIES => {}
                done => return done,
            }
        }
    }
}

impl App {
    /// The table as the gateway was last told it.
    async fn told_routes(&self) -> Result<Vec<Route>, AppError> {
        let set = self.store().get::<RouteSet>("routes").await?;
        let mut routes = set.map(|row| row.value.routes).unwrap_or_default();
        let seen = self.parts.edge.observe().await?;
        for route in &mut routes {
            // A port that the gateway picked is in no table.
            if let Some(port) = seen.ports.get(&route.id).filter(|_| route.port == 0) {
                route.port = *port;
            }
        }
        Ok(routes)
    }

    /// The place that is meant, where the asker may say what becomes of its requests.
    async fn served_place(
        &self,
        ctx: &OpCtx,
        component: &str,
        environment: Option<&str>,
    ) -> Result<Place, AppError> {
        let name = environment.unwrap_or("development");
        Name::new(name).map_err(|error| AppError::new("input/invalid", error.to_string()))?;
        let (place, facts) = self.runnable(ctx, component, environment).await?;
        if facts.placement.version == 0 {
            return Err(AppError::new(
                "plan/nothing-runs",
                format!("{} has never been live", place.short()),
            )
            .next("tow deploy"));
        }
        Ok(place)
    }

    async fn turned(
        &self,
        ctx: &OpCtx,
        place: &Place,
        kind: &str,
        word: &str,
        mode: Mode,
        batch: &mut Batch,
    ) -> Result<ModeView, AppError> {
        let row = self.store().place(place).await?.placement;
        let mut placement = row.value;
        if placement.mode != mode {
            let before = std::mem::replace(&mut placement.mode, mode.clone());
            batch.update(&placement, row.version);
            let what = body(
                format!("requests for {} are {word}", place.short()),
                json!({"mode": before}),
                json!({"mode": mode}),
            );
            batch.event(self.event(ctx, kind, place.to_string(), what));
        }
        Ok(ModeView {
            component: place.component.to_string(),
            environment: place.environment.to_string(),
            mode: placement.mode,
        })
    }
}

fn view(route: &Route) -> RouteView {
    RouteView {
        id: route.id.clone(),
        component: route.component.clone(),
        environment: route.environment.clone(),
        hosts: route.hosts.clone(),
        path: route.path.clone(),
        port: (route.port != 0).then_some(route.port),
        state: route.state,
        reason: route.reason.clone(),
        targets: route.targets.clone(),
        split: route.split.clone(),
        mode: route.mode.clone(),
    }
}

/// Host, port and path of a URL; of what is none, as of a browser's address line.
fn taken_apart(url: &str) -> Result<(String, Option<u16>, String), AppError> {
    let wrong = |why: &str| {
        AppError::new("input/invalid", format!("{url:?} {why}"))
            .hint("as in http://web-development.localhost:7080/path")
    };
    let rest = match url.split_once("://") {
        None => url,
        Some(("http" | "https", rest)) => rest,
        Some((scheme, _)) => return Err(wrong(&format!("is of {scheme}, not of http or https"))),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let tail = tail.split(['?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, Some(port.parse().map_err(|_| wrong("has a port that is none"))?))
        }
        _ => (authority, None),
    };
    if host.is_empty() {
        return Err(wrong("names no host"));
    }
    let path = if tail.is_empty() { "/" } else { tail };
    Ok((host.to_ascii_lowercase(), port, path.to_string()))
}

/// An address, or one with the length of its prefix.
fn is_network(text: &str) -> Result<(), AppError> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => 0,
    };
    let fits = length.is_none_or(|length| length.parse::<u8>().is_ok_and(|n| n <= most));
    if most > 0 && fits {
        return Ok(());
    }
    Err(AppError::new("input/invalid", format!("{text:?} is no network"))
        .hint("an address with the length of its prefix, as in 10.0.0.0/8 or 2001:db8::/32, or one address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_as_people_write_them() {
        for (url, host, port, path) in [
            ("http://Web.localhost:7080/a?b#c", "web.localhost", Some(7080), "/a"),
            ("https://shop.example.com", "shop.example.com", None, "/"),
            ("shop.example.com/api", "shop.example.com", None, "/api"),
            ("http://[::1]:8080/", "[::1]", Some(8080), "/"),
            ("http://[::1]/x", "[::1]", None, "/x"),
            ("http://user:secret@web.localhost/", "web.localhost", None, "/"),
        ] {
            let found = taken_apart(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(found, (host.to_string(), port, path.to_string()), "{url}");
        }
        for bad in ["", "ftp://x/", "http://", "http://x:99999/"] {
            assert!(taken_apart(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_are_addresses_with_a_length() {
        for good in ["10.0.0.0/8", "127.0.0.1", "2001:db8::/32", "::1"] {
            assert!(is_network(good).is_ok(), "{good}");
        }
        for bad in ["10.0.0.0/33", "localhost", "10.0.0/8", "::1/129", "", "/8"] {
            assert!(is_network(bad).is_err(), "{bad}");
        }
    }
}
