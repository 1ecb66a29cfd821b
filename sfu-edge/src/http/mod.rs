//! The HTTP face: WHIP (RFC 9725), WHEP (draft-ietf-wish-whep), the API and the page.

mod api;
mod connections;
mod endpoint;
mod headers;
mod metrics;
mod page;
mod problem;
mod rate_limit;
mod secure;
mod segments;
mod serve;
mod session;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

pub use rate_limit::{RateLimit, RateLimiter};
pub use serve::{ConnectionLimits, Door, HEAD_TIMEOUT, serve};

use crate::auth::TokenTable;
use crate::control::Control;
use crate::metrics::Metrics;
use problem::Problem;

/// What every request handler sees.
pub struct App {
    /// The control plane.
    pub control: Arc<Control>,
    /// Who may do what.
    pub tokens: TokenTable,
    /// What is told besides what the control plane knows.
    pub metrics: Metrics,
    /// How often one address may ask for something costly.
    pub rate_limiter: Mutex<RateLimiter>,
    /// When the program started.
    pub started: Instant,
    /// Differs from start to start: the page sees a restart by it.
    pub instance: String,
}

/// The client's address, as the connection has it.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddr(pub IpAddr);

/// Every route.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", any(page::index))
        .route("/web/{file}", any(page::asset))
        .route("/web/control/{file}", any(page::control_asset))
        .route("/favicon.ico", any(page::favicon))
        .route("/healthz", any(api::healthz))
        .route("/api/time", any(api::time))
        .route("/api/streams", any(api::streams))
        .route("/api/token", any(api::token))
        .route("/metrics", any(metrics::metrics))
        .route("/whip/{stream}", any(endpoint::whip))
        .route("/whep/{stream}", any(endpoint::whep))
        .route("/whip/{stream}/{session}", any(session::whip))
        .route("/whep/{stream}/{session}", any(session::whep))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), limit_rate))
        .layer(middleware::map_response(headers::add))
        .with_state(app)
}

/// RFC 9725 section 5 asks for a limit on POST, PATCH and DELETE.
async fn limit_rate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let costly = matches!(
        *request.method(),
        Method::POST | Method::PATCH | Method::DELETE
    );
    if costly && let Some(ClientAddr(client)) = request.extensions().get().copied() {
        let mut limiter = app
            .rate_limiter
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Err(wait) = limiter.take(Instant::now(), client) {
            drop(limiter);
            return Problem::too_many_requests(wait).into_response();
        }
    }
    next.run(request).await
}

async fn not_found() -> Problem {
    Problem::not_found(
        "nothing is here; WHIP is at /whip/{stream}, WHEP at /whep/{stream}, the page at /",
    )
}
