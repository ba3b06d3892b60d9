//! Routes: who answers which requests, why, and what is done with requests beside handing them on.

use crate::handle::{body, component_ref};
use crate::{App, AppError, Call, Handle, OpCtx};
use serde_json::json;
use tow_api::Endpoint;
use tow_api::route::{
    explain::{self, ExplainRoute},
    list::{ListRoutes, Reply, RouteView},
    maintain::{self, MaintainRoutes, ModeView},
    pause::PauseRoutes,
    serve::{Ending, ServeRoutes},
};
use tow_names::{Duration, EntityRef, Network, Place};
use tow_record::{Mode, Placement, Route, RouteSet};
use tow_store::Batch;

/// How often a change is tried again where the place changed meanwhile.
const TRIES: u32 = 8;
/// How long the gateway is waited for, until the answer says that it has not confirmed.
const CONFIRMS: Duration = Duration::from_secs(10);
/// How often it is asked meanwhile.
const LOOKS: Duration = Duration::from_millis(20);
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
        let doors = self.doors().await?;
        let port = port.filter(|port| !doors.contains(port));
        if let Some(why) = port.and_then(|port| tow_plan::unheard(&routes, &doors, port)) {
            let (route, others, near) = (None, Vec::new(), Vec::new());
            return Ok(explain::Reply { host, port: None, path, route, why, others, near });
        }
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

/// What is to be done with the requests of a place.
enum Wish {
    Maintain {
        retry_after: Duration,
        allow: Vec<String>,
        message: String,
    },
    Pause(Duration),
    /// What was begun so ends; the other goes on.
    Serve(Ending),
}

impl Handle<MaintainRoutes> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<MaintainRoutes>) -> Result<ModeView, AppError> {
        let maintain::Body { component, environment, retry_after, allow, message } = &call.body;
        let (retry_after, message) = (retry_after.unwrap_or(RETRY), message.clone());
        let wish = Wish::Maintain { retry_after, allow: allow.clone(), message };
        self.wish_of_requests(ctx, &call, (component, environment.as_deref()), &wish).await
    }
}

impl Handle<PauseRoutes> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<PauseRoutes>) -> Result<ModeView, AppError> {
        let of = (call.body.component.as_str(), call.body.environment.as_deref());
        let wish = Wish::Pause(call.body.limit.unwrap_or(LIMIT));
        self.wish_of_requests(ctx, &call, of, &wish).await
    }
}

impl Handle<ServeRoutes> for App {
    async fn handle(&self, ctx: &OpCtx, call: Call<ServeRoutes>) -> Result<ModeView, AppError> {
        let of = (call.body.component.as_str(), call.body.environment.as_deref());
        self.wish_of_requests(ctx, &call, of, &Wish::Serve(call.body.ends)).await
    }
}

impl Wish {
    /// What it makes of what is done now; the kind of its event, and its word.
    fn makes(&self, now: &Mode) -> Result<(Mode, &'static str, &'static str), AppError> {
        Ok(match self {
            Self::Maintain { retry_after, allow, message } => {
                for network in allow {
                    network.parse::<Network>().map_err(|error| {
                        AppError::new("input/invalid", error.to_string())
                            .hint("--allow takes one network; it may be said several times")
                    })?;
                }
                let (allow, message) = (allow.clone(), message.clone());
                let mode = Mode::Maintenance { retry_after: *retry_after, allow, message };
                (mode, "route.maintenance", "refused for maintenance")
            }
            Self::Pause(limit) if *limit == Duration::ZERO || *limit > LONGEST => {
                let why = format!("a request can't be held for {limit}: expected up to {LONGEST}");
                return Err(AppError::new("input/invalid", why)
                    .hint("for longer than that: tow maintenance on"));
            }
            Self::Pause(limit) => (Mode::Paused { limit: *limit }, "route.paused", "held"),
            Self::Serve(ends) => {
                let is_meant = match now {
                    Mode::Serving => false,
                    Mode::Maintenance { .. } => *ends == Ending::Maintenance,
                    Mode::Paused { .. } => *ends == Ending::Pause,
                };
                let mode = if is_meant { Mode::Serving } else { now.clone() };
                (mode, "route.serving", "handed on again")
            }
        })
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

    /// The gateway's own ports, that of HTTPS too.
    async fn doors(&self) -> Result<Vec<u16>, AppError> {
        let seen = self.parts.runtime.observe().await?;
        let gateway = seen.into_iter().find(|one| one.id.as_str() == "gateway");
        let bound = gateway.map(|one| one.listening).unwrap_or_default();
        let port = |address: &String| address.rsplit(':').next()?.parse::<u16>().ok();
        let mut doors: Vec<u16> = [self.gateway_port()]
            .into_iter()
            .chain(bound.iter().filter_map(port))
            .filter(|port| *port != 0)
            .collect();
        doors.sort_unstable();
        doors.dedup();
        Ok(doors)
    }

    /// The place that is meant, where the asker may say what becomes of its requests.
    async fn served_place(
        &self,
        ctx: &OpCtx,
        component: &str,
        environment: Option<&str>,
    ) -> Result<Place, AppError> {
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

    async fn wish_of_requests<E: Endpoint<Reply = ModeView>>(
        &self,
        ctx: &OpCtx,
        call: &Call<E>,
        (component, environment): (&str, Option<&str>),
        wish: &Wish,
    ) -> Result<ModeView, AppError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let work = async |batch: &mut Batch| {
                let place = self.served_place(ctx, component, environment).await?;
                self.set_mode(ctx, &place, wish, batch).await
            };
            match self.write(ctx, call, work).await {
                Err(error) if error.is("object/moved") && tries < TRIES => {}
                Ok(mut view) => {
                    view.confirmed = self.confirmed(&view).await?;
                    return Ok(view);
                }
                refused => return refused,
            }
        }
    }

    /// Waits until the gateway serves a table that says so of all routes of the place, as a switch does: by the table's
    /// mark. False: it has not in time, or somebody wanted something else meanwhile.
    async fn confirmed(&self, view: &ModeView) -> Result<bool, AppError> {
        let place = Place::try_from(format!("{}@{}", view.component, view.environment));
        let Ok(place) = place else { return Ok(false) };
        let own = format!("{place}/");
        let end = self.now().plus(CONFIRMS);
        let mut commits = self.store().commits();
        // The table that says so, once it is written.
        let mut says = None;
        loop {
            commits.mark_unchanged();
            if says.is_none() {
                let placement = self.store().get::<Placement>(&place.to_string()).await?;
                if placement.is_none_or(|row| row.value.mode != view.mode) {
                    return Ok(false);
                }
                let set = self.store().get::<RouteSet>("routes").await?.map(|row| row.value);
                let set = set.unwrap_or_default();
                let mut routes = set.routes.iter().filter(|route| route.id.starts_with(&own));
                says = routes.all(|route| route.mode == view.mode).then(|| set.mark());
            }
            if let Some(mark) = says {
                let edge = self.parts.edge.observe().await?;
                if edge.reachable && edge.mark() >= mark {
                    return Ok(true);
                }
            }
            let now = self.now();
            if now >= end {
                return Ok(false);
            }
            // What the gateway serves is in no commit.
            let soon = if says.is_some() { now.plus(LOOKS).min(end) } else { end };
            tokio::select! {
                _ = commits.changed(), if says.is_none() => {}
                () = self.parts.clock.sleep_until(soon) => {}
            }
        }
    }

    async fn set_mode(
        &self,
        ctx: &OpCtx,
        place: &Place,
        wish: &Wish,
        batch: &mut Batch,
    ) -> Result<ModeView, AppError> {
        let row = self.store().place(place).await?.placement;
        let mut placement = row.value;
        let (mode, kind, word) = wish.makes(&placement.mode)?;
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
            confirmed: false,
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
}
