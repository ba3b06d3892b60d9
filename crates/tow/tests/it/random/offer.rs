//! What can be asked: the operations of the platform's own OpenAPI document, and those it does not list: the catalog as
//! Backstage's clients ask it, the pages, health.

use serde_json::{Value, json};
use tow_record::Right;

#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) schema: Value,
    pub(super) required: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    /// What it needs.
    pub(super) action: Option<Right>,
    pub(super) query: Vec<Parameter>,
    pub(super) body: Option<(String, Value)>,
    /// One in so many throws is kept: some are slow.
    pub(super) rare: usize,
}

fn rare(id: &str) -> usize {
    match id {
        "password.set" => 16,
        "audit.verify" | "portal.enter" | "location.preview" => 8,
        "audit.erase" | "webhook.create" => 4,
        "log.stream" | "event.stream" | "portal.live" => 3,
        _ => 1,
    }
}

/// Of the document.
pub(super) fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("it has paths") {
        for (method, of) in methods.as_object().expect("a path has methods") {
            let id = of["operationId"].as_str().expect("an operation has an id").to_string();
            let parameters = of["parameters"].as_array().into_iter().flatten();
            let query = parameters
                .filter(|one| one["in"] == "query")
                .map(|one| Parameter {
                    name: one["name"].as_str().unwrap_or_default().into(),
                    schema: one["schema"].clone(),
                    required: one["required"] == true,
                })
                .collect();
            let body = of["requestBody"]["content"].as_object().and_then(|content| {
                let (kind, of) = content.iter().next()?;
                Some((kind.clone(), of["schema"].clone()))
            });
            let action = serde_json::from_value(of["x-tow-action"].clone()).ok();
            let rare = rare(&id);
            all.push(Operation {
                id,
                method: method.to_uppercase(),
                path: path.clone(),
                action,
                query,
                body,
                rare,
            });
        }
    }
    all
}

/// Beside the document: the catalog as Backstage's clients ask it, the pages, health.
pub(super) fn others() -> Vec<Operation> {
    let make = |id: &str, method: &str, path: &str, action, query: &[&str], body: Option<Value>| {
        let text = json!({ "type": "string" });
        let query = query
            .iter()
            .map(|name| Parameter { name: (*name).into(), schema: text.clone(), required: false })
            .collect();
        let body = body.map(|schema| {
            let form = id.starts_with("portal.");
            let kind = if form { "application/x-www-form-urlencoded" } else { "application/json" };
            (kind.to_string(), schema)
        });
        Operation {
            id: id.into(),
            method: method.into(),
            path: path.into(),
            action,
            query,
            body,
            rare: rare(id),
        }
    };
    let fields = |names: &[(&str, Value)]| -> Option<Value> {
        let fields: serde_json::Map<String, Value> =
            names.iter().map(|(name, of)| ((*name).to_string(), of.clone())).collect();
        Some(json!({ "type": "object", "properties": fields }))
    };
    let text = || json!({ "type": "string" });
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    let number = || json!({ "type": "integer" });
    let any = || {
        json!({ "oneOf": [
        { "type": "object", "properties": {
            "$all": { "type": "array" }, "$any": { "type": "array" }, "$not": { "type": "object" },
            "kind": text(), "spec.owner": text(), "metadata.name": { "type": "object", "properties": { "$in": texts(), "$exists": { "type": "boolean" } } },
        } },
        { "type": "array", "items": { "type": "object" } },
    ] })
    };
    let entity = || json!({ "$ref": "#/components/schemas/Entity" });
    let page = [
        "limit",
        "offset",
        "orderField",
        "fields",
        "filter",
        "cursor",
        "fullTextFilterTerm",
        "fullTextFilterFields",
        "after",
        "order",
    ];
    let read = Some(Right::Read);
    let predicate = [
        ("query", any()),
        ("limit", number()),
        ("offset", number()),
        ("cursor", text()),
        (
            "orderBy",
            json!({ "type": "array", "items": { "type": "object", "properties": { "field": text(), "order": text() } } }),
        ),
        (
            "fullTextFilter",
            json!({ "type": "object", "properties": { "term": text(), "fields": texts() } }),
        ),
        ("fields", texts()),
        ("filter", any()),
        ("facets", texts()),
    ];
    let place = [("type", text()), ("target", text())];
    let c = "/api/catalog";
    let named = "{kind}/{namespace}/{name}";
    let mut all = vec![
        make("catalog.list", "GET", &format!("{c}/entities"), read, &page, None),
        make("catalog.query", "GET", &format!("{c}/entities/by-query"), read, &page, None),
        make(
            "catalog.predicate",
            "POST",
            &format!("{c}/entities/by-query"),
            read,
            &[],
            fields(&predicate),
        ),
        make(
            "catalog.refs",
            "POST",
            &format!("{c}/entities/by-refs"),
            read,
            &["filter"],
            fields(&[("entityRefs", texts()), ("fields", texts()), ("query", any())]),
        ),
        make("catalog.uid", "GET", &format!("{c}/entities/by-uid/{{uid}}"), read, &[], None),
        make(
            "catalog.delete",
            "DELETE",
            &format!("{c}/entities/by-uid/{{uid}}"),
            Some(Right::Declare),
            &[],
            None,
        ),
        make("catalog.name", "GET", &format!("{c}/entities/by-name/{named}"), read, &[], None),
        make(
            "catalog.ancestry",
            "GET",
            &format!("{c}/entities/by-name/{named}/ancestry"),
            read,
            &[],
            None,
        ),
        make(
            "catalog.facets",
            "GET",
            &format!("{c}/entity-facets"),
            read,
            &["facet", "filter"],
            None,
        ),
        make(
            "catalog.facets-by",
            "POST",
            &format!("{c}/entity-facets"),
            read,
            &[],
            fields(&predicate),
        ),
        make(
            "catalog.refresh",
            "POST",
            &format!("{c}/refresh"),
            read,
            &[],
            fields(&[("entityRef", text())]),
        ),
        make(
            "catalog.validate",
            "POST",
            &format!("{c}/validate-entity"),
            read,
            &[],
            fields(&[("entity", entity()), ("location", text())]),
        ),
        make(
            "catalog.analyze",
            "POST",
            &format!("{c}/analyze-location"),
            read,
            &[],
            fields(&[("location", fields(&place).unwrap_or_default())]),
        ),
        make("catalog.locations", "GET", &format!("{c}/locations"), read, &[], None),
        make(
            "catalog.locations-by",
            "POST",
            &format!("{c}/locations/by-query"),
            read,
            &[],
            fields(&predicate),
        ),
        make(
            "catalog.add",
            "POST",
            &format!("{c}/locations"),
            Some(Right::Govern),
            &["dryRun"],
            fields(&place),
        ),
        make("catalog.location", "GET", &format!("{c}/locations/{{id}}"), read, &[], None),
        make(
            "catalog.change",
            "PUT",
            &format!("{c}/locations/{{id}}"),
            Some(Right::Govern),
            &[],
            fields(&place),
        ),
        make(
            "catalog.remove",
            "DELETE",
            &format!("{c}/locations/{{id}}"),
            Some(Right::Govern),
            &[],
            None,
        ),
        make(
            "catalog.location-of",
            "GET",
            &format!("{c}/locations/by-entity/{named}"),
            read,
            &[],
            None,
        ),
        make(
            "portal.enter",
            "POST",
            "/sign-in",
            None,
            &[],
            fields(&[("token", text()), ("user", text()), ("password", text()), ("again", text())]),
        ),
        make("portal.door", "GET", "/sign-in", None, &["token"], None),
    ];
    for (id, path) in [
        ("portal.page", "/"),
        ("portal.live", "/live"),
        ("portal.style", "/assets/portal.css"),
        ("portal.script", "/assets/live.js"),
        ("portal.mark", "/assets/mark.svg"),
        ("portal.none", "/{name}/{kind}"),
        ("health.alive", "/healthz"),
        ("health.ready", "/readyz"),
        ("health.metrics", "/metrics"),
        ("health.openapi", "/api/v1/openapi.json"),
        ("none.api", "/api/{name}/{kind}"),
    ] {
        all.push(make(id, "GET", path, None, &["q", "after", "component"], None));
    }
    all
}
