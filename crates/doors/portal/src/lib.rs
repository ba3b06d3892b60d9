//! The portal: pages rendered on the server, useful without JavaScript, live with it. Goes through the same
//! `app.handle` as the API; queries no store and decides nothing. Carries no third-party script.

mod assets;
mod layout;
mod live;
mod pages;
mod session;
mod state;

use axum::{Router, middleware, routing};
use tow_app::App;

/// All pages. What is not a page is answered with one that shows the way back.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", routing::get(pages::running::page))
        .route("/catalog", routing::get(pages::catalog::page))
        .route("/live", routing::get(live::stream))
        .route("/sign-in", routing::get(pages::sign_in::page).post(pages::sign_in::redeem))
        .route("/sign-out", routing::post(pages::sign_in::leave))
        .route("/assets/portal.css", routing::get(assets::css))
        .route("/assets/live.js", routing::get(assets::live))
        .route("/assets/mark.svg", routing::get(assets::mark))
        .fallback(pages::error::no_such_page)
        .with_state(app)
        .layer(middleware::map_response(layout::careful))
}
