use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::App;
use super::problem::Problem;
use crate::auth::{AuthError, Grant, StreamPattern};
use crate::control::StreamReport;

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    instance: &'a str,
    uptime_s: u64,
}

/// `/healthz`: the process answers. No token is needed.
pub(super) async fn healthz(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    read_only(&request, || {
        Ok(json(&Health {
            status: "ok",
            instance: &app.instance,
            uptime_s: app.started.elapsed().as_secs(),
        }))
    })
}

#[derive(Serialize)]
struct Time {
    unix_us: u64,
}

/// `/api/time`: this machine's clock, for the page to compare its own with.
pub(super) async fn time(request: Request) -> Result<Response, Problem> {
    read_only(&request, || {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_us = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
        Ok(json(&Time { unix_us }))
    })
}

#[derive(Serialize)]
struct Streams {
    streams: Vec<StreamReport>,
}

/// `/api/streams`: the streams that the token is good for in any way.
pub(super) async fn streams(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    read_only(&request, || {
        let grant = grant(&app, &request)?;
        Ok(json(&Streams {
            streams: app.control.streams(grant),
        }))
    })
}

#[derive(Serialize)]
struct TokenReport<'a> {
    name: &'a str,
    scopes: Vec<&'static str>,
    streams: Vec<&'a str>,
}

/// `/api/token`: what the token is good for, so that who holds it can find out
/// without trying.
pub(super) async fn token(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    read_only(&request, || {
        let grant = grant(&app, &request)?;
        Ok(json(&TokenReport {
            name: &grant.holder,
            scopes: grant.scopes.iter().map(|s| s.as_str()).collect(),
            streams: grant.streams.iter().map(StreamPattern::as_str).collect(),
        }))
    })
}

/// What the request's token is good for.
pub(super) fn grant<'a>(app: &'a App, request: &Request) -> Result<&'a Grant, AuthError> {
    let authorization = request.headers().get(header::AUTHORIZATION);
    app.tokens
        .authenticate(authorization.map(HeaderValue::as_bytes))
}

pub(super) fn read_only(
    request: &Request,
    answer: impl FnOnce() -> Result<Response, Problem>,
) -> Result<Response, Problem> {
    match *request.method() {
        Method::GET | Method::HEAD => answer(),
        Method::OPTIONS => Ok(StatusCode::OK.into_response()),
        _ => Err(Problem::method_not_allowed(
            "GET, HEAD, OPTIONS",
            "this can only be read, with GET",
        )),
    }
}

fn json(value: &impl Serialize) -> Response {
    let text = serde_json::to_vec(value).unwrap_or_default();
    let json = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )];
    (json, text).into_response()
}
