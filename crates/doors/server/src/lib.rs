//! The HTTP door: decodes a request, hands it to the app, encodes the answer. One generic handler for all plain
//! endpoints and one sibling each for streams and uploads. Decides nothing and reads no store.

mod answer;
mod backstage;
mod call;
mod decode;
mod exec;
mod health;
mod layers;
mod listen;
mod special;

pub use axum::Router;
pub use layers::{Limits, Rate};
pub use listen::serve;

use axum::extract::DefaultBodyLimit;
use axum::routing::{self, MethodFilter};
use tow_api::{Endpoint, Method};
use tow_app::App;

/// What the door is told.
#[derive(Debug, Clone, Default)]
pub struct ServerConfig {
    /// Host names that are ours beside `localhost`, `*.localhost`, `127.0.0.1` and `[::1]`; without a port.
    pub hosts: Vec<String>,
    /// Proxies whose `X-Forwarded-For` counts.
    pub proxies: Vec<tow_names::Network>,
    /// How often one may ask.
    pub limits: Limits,
}

/// Everything the platform answers over HTTP: the API, health, metrics, and below all of it the portal.
pub fn router(app: App, portal: Router, config: ServerConfig) -> Router {
    macro_rules! routes {
        (plain: [$($plain:ty),* $(,)?], special: [$($special:ty),* $(,)?]) => {
            Router::new()
                $(.route(
                    <$plain as Endpoint>::PATH,
                    routing::on(filter(<$plain as Endpoint>::METHOD), call::call::<$plain>),
                ))*
        };
    }
    let api: Router<App> = tow_api::endpoints!(routes);
    let all = backstage::routes(special::routes(api))
        .route("/api/v1/openapi.json", routing::get(health::openapi))
        .route("/healthz", routing::get(health::alive))
        .route("/readyz", routing::get(health::ready))
        .route("/metrics", routing::get(health::metrics))
        .route("/api", routing::any(answer::no_such_endpoint))
        .route("/api/{*rest}", routing::any(answer::no_such_endpoint))
        .method_not_allowed_fallback(answer::no_such_method)
        .with_state(app.clone())
        .fallback_service(portal)
        // Bodies are read with their own limits: 8 MiB of JSON, an archive as long as the app allows.
        .layer(DefaultBodyLimit::disable());
    layers::around(all, app, config)
}

fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Delete => MethodFilter::DELETE,
    }
}
