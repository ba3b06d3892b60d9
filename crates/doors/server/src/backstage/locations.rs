//! Locations: registering one, what it would bring in, lists, and taking one away.

use super::answer::{Refused, answer, empty, text};
use super::params::{self, Params};
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tow_app::{App, LocationAsked};

fn location_of(body: &Map<String, Value>) -> Result<LocationAsked, Refused> {
    if let Some(name) =
        body.keys().find(|name| !matches!(name.as_str(), "type" | "target" | "presence"))
    {
        return Err(Refused::input(format!("Malformed request: Unrecognized key '{name}'")));
    }
    let presence = params::text(body, "presence")?;
    if presence.as_deref().is_some_and(|word| !matches!(word, "required" | "optional")) {
        return Err(Refused::input("Malformed request: presence is required or optional"));
    }
    let (kind, target) = (params::needed(body, "type")?, params::needed(body, "target")?);
    Ok(LocationAsked { kind, target, presence })
}

/// `GET /locations`
pub(super) async fn list(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |asked| {
        Params::read(&asked, &[])?;
        let found = asked.app.locations(&asked.ctx).await?;
        let items: Vec<Value> = found.iter().map(|one| json!({ "data": one })).collect();
        Ok(text(StatusCode::OK, Value::from(items).to_string()))
    })
    .await
}

/// `POST /locations`; with `dryRun` nothing is written.
pub(super) async fn create(state: State<App>, request: Request) -> Response {
    answer(state, request, true, async |mut asked| {
        let params = Params::read(&asked, &["dryRun", "onConflict"])?;
        let word = params.one("dryRun").unwrap_or_default().trim().to_lowercase();
        let dry = matches!(word.as_str(), "true" | "1" | "y" | "yes" | "on");
        let refresh = match params.one("onConflict") {
            None | Some("reject") => false,
            Some("refresh") => true,
            Some(_) => {
                let why = "request/query/onConflict must be one of reject, refresh";
                return Err(Refused::input(why));
            }
        };
        let body = params::body(&mut asked).await?;
        let location = location_of(&body)?;
        let done = if dry {
            asked.app.preview_location(&asked.ctx, &location).await?
        } else {
            asked.app.register_location(&asked.ctx, &location).await?
        };
        let LocationAsked { kind, target, .. } = &location;
        if !dry && done.exists {
            if !refresh {
                let why = format!("Location {kind}:{target} already exists");
                return Err(Refused::conflict(why));
            }
            asked.app.refresh_entity(&asked.ctx, &done.location.entity_ref).await?;
        }
        let entities: Vec<&str> = done.entities.iter().map(|one| RawValue::get(one)).collect();
        let (entities, location) = (entities.join(","), json!(done.location));
        let exists = if dry { format!(",\"exists\":{}", done.exists) } else { String::new() };
        let body = format!("{{\"location\":{location},\"entities\":[{entities}]{exists}}}");
        Ok(text(StatusCode::CREATED, body))
    })
    .await
}

/// `POST /locations/by-query`
pub(super) async fn by_query(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let body = params::body(&mut asked).await?;
        let (limit, cursor) = (params::number(&body, "limit")?, params::text(&body, "cursor")?);
        if cursor.as_deref() == Some("") {
            return Err(Refused::input("Cursor cannot be empty"));
        }
        let limit = limit.map(|limit| limit as usize);
        let found = asked
            .app
            .locations_by_query(&asked.ctx, body.get("query"), limit, cursor.as_deref())
            .await?;
        let mut info = Map::new();
        if let Some(next) = found.next {
            info.insert("nextCursor".into(), next.into());
        }
        let body = json!({ "items": found.items, "totalItems": found.total, "pageInfo": info });
        Ok(text(StatusCode::OK, body.to_string()))
    })
    .await
}

/// `GET /locations/{id}`
pub(super) async fn by_id(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let [id] = params::path(&mut asked).await?;
        let found = asked.app.location_by_id(&asked.ctx, &id).await?;
        Ok(text(StatusCode::OK, json!(found).to_string()))
    })
    .await
}

/// `GET /locations/by-entity/{kind}/{namespace}/{name}`
pub(super) async fn by_entity(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let [kind, namespace, name] = params::path(&mut asked).await?;
        let found = asked.app.location_by_entity(&asked.ctx, &kind, &namespace, &name).await?;
        Ok(text(StatusCode::OK, json!(found).to_string()))
    })
    .await
}

/// `PUT /locations/{id}`
pub(super) async fn update(state: State<App>, request: Request) -> Response {
    answer(state, request, true, async |mut asked| {
        let [id] = params::path(&mut asked).await?;
        let location = location_of(&params::body(&mut asked).await?)?;
        let moved = asked.app.move_location(&asked.ctx, &id, &location).await?;
        let moved = moved.ok_or_else(|| {
            let LocationAsked { kind, target, .. } = &location;
            Refused::conflict(format!("Location {kind}:{target} already exists"))
        })?;
        Ok(text(StatusCode::OK, json!(moved).to_string()))
    })
    .await
}

/// `DELETE /locations/{id}`
pub(super) async fn delete(state: State<App>, request: Request) -> Response {
    answer(state, request, true, async |mut asked| {
        let [id] = params::path(&mut asked).await?;
        asked.app.remove_location(&asked.ctx, &id).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    })
    .await
}

/// `POST /analyze-location`
pub(super) async fn analyze(state: State<App>, request: Request) -> Response {
    answer(state, request, false, async |mut asked| {
        let body = params::body(&mut asked).await?;
        let Some(Value::Object(location)) = body.get("location") else {
            let why = "request/body must have required property 'location'";
            return Err(Refused::input(why));
        };
        let target = params::needed(location, "target")?;
        let found = asked.app.analyze_location(&asked.ctx, &target)?;
        Ok(text(StatusCode::OK, found.to_string()))
    })
    .await
}
