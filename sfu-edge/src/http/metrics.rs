use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use transom_rtc_telemetry::CONTENT_TYPE;

use super::App;
use super::api::{grant, read_only};
use super::problem::Problem;
use crate::auth::{AuthError, Scope};

/// `/metrics`, for Prometheus.
///
/// A token with the scope `metrics` is asked for, of everybody: there is none
/// until somebody writes one into the configuration. That a client is on this
/// machine proves nothing, since behind a TLS proxy all of them are.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    read_only(&request, || {
        let grant = grant(&app, &request).map_err(refuse)?;
        if !grant.scopes.contains(&Scope::Metrics) {
            return Err(refuse(AuthError::Scope(Scope::Metrics)));
        }
        let text = app.metrics.write(&app.control, grant);
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))];
        Ok((kind, text).into_response())
    })
}

fn refuse(error: AuthError) -> Problem {
    Problem::from(error).because(
        "metrics are for tokens with the scope `metrics`: write a [[token]] with scopes = [\"metrics\"] into transom-sfu.toml, and send it as `Authorization: Bearer TOKEN`",
    )
}
