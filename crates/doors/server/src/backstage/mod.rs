//! The catalog's read API as clients of Backstage speak it, under `/api/catalog`: its shapes in, its shapes and its
//! errors out. What is asked goes to the same app as everything else, with the same tokens. It is no part of our own
//! contract: its form is Backstage's, read from what its client sends.

mod answer;
mod entities;
mod locations;
mod params;

use axum::Router;
use axum::routing::{get, post};
use tow_app::App;

/// POSTs that change nothing.
const READS: [&str; 7] = [
    "/api/catalog/entities/by-query",
    "/api/catalog/entities/by-refs",
    "/api/catalog/entity-facets",
    "/api/catalog/locations/by-query",
    "/api/catalog/analyze-location",
    "/api/catalog/validate-entity",
    "/api/catalog/refresh",
];

/// Does a POST to this path change nothing that anybody declared?
pub(crate) fn only_reads(path: &str) -> bool {
    READS.contains(&path)
}

/// Adds them to the others.
pub(crate) fn routes(router: Router<App>) -> Router<App> {
    router
        .route("/api/catalog/entities", get(entities::list))
        .route(
            "/api/catalog/entities/by-query",
            get(entities::by_query).post(entities::by_predicate),
        )
        .route("/api/catalog/entities/by-refs", post(entities::by_refs))
        .route("/api/catalog/entities/by-uid/{uid}", get(entities::by_uid).delete(entities::delete))
        .route("/api/catalog/entities/by-name/{kind}/{namespace}/{name}", get(entities::by_name))
        .route(
            "/api/catalog/entities/by-name/{kind}/{namespace}/{name}/ancestry",
            get(entities::ancestry),
        )
        .route(
            "/api/catalog/entity-facets",
            get(entities::facets).post(entities::facets_by_predicate),
        )
        .route("/api/catalog/refresh", post(entities::refresh))
        .route("/api/catalog/validate-entity", post(entities::validate))
        .route("/api/catalog/analyze-location", post(locations::analyze))
        .route("/api/catalog/locations", get(locations::list).post(locations::create))
        .route("/api/catalog/locations/by-query", post(locations::by_query))
        .route(
            "/api/catalog/locations/{id}",
            get(locations::by_id).put(locations::update).delete(locations::delete),
        )
        .route(
            "/api/catalog/locations/by-entity/{kind}/{namespace}/{name}",
            get(locations::by_entity),
        )
}
