//! What holds for every request, one file a concern, from the outside in: how answers look, which names are ours, where
//! writes come from, who asks, and how often. Each reads what the ones before it found in the request's extensions;
//! what somebody may is not decided here.

mod answers;
mod host;
pub(crate) mod limit;
mod origin;
pub(crate) mod peer;
pub(crate) mod who;

pub use limit::{Limits, Rate};

use crate::ServerConfig;
use axum::{Router, middleware};
use http::Method;
use std::sync::Arc;
use tow_app::App;

/// Around everything.
pub(crate) fn around(router: Router, app: App, config: ServerConfig) -> Router {
    let limiter = Arc::new(limit::Limiter::new(&config.limits));
    let config = Arc::new(config);
    // The last one is the outermost.
    router
        .layer(middleware::from_fn_with_state(limiter, limit::limit))
        .layer(middleware::from_fn_with_state(app, who::who))
        .layer(middleware::from_fn(origin::origin))
        .layer(middleware::from_fn_with_state(config.clone(), host::host))
        .layer(middleware::from_fn_with_state(config, peer::peer))
        .layer(middleware::from_fn(answers::answers))
}

/// Changes nothing, by HTTP's own rules.
fn safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
