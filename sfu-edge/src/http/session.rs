use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::App;
use super::endpoint::authorized;
use super::problem::Problem;
use super::segments::Segments;
use crate::directory::{Role, SessionStatus};
use crate::media::api::SessionId;

const ALLOW: &str = "GET, HEAD, DELETE, OPTIONS";

/// `/whip/{stream}/{session}` (RFC 9725 section 4.2).
pub(super) async fn whip(
    State(app): State<Arc<App>>,
    Segments((stream, session)): Segments<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    session_resource(&app, Role::Publisher, &stream, &session, &request)
}

/// `/whep/{stream}/{session}`.
pub(super) async fn whep(
    State(app): State<Arc<App>>,
    Segments((stream, session)): Segments<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    session_resource(&app, Role::Subscriber, &stream, &session, &request)
}

fn session_resource(
    app: &App,
    role: Role,
    stream: &str,
    session: &str,
    request: &Request,
) -> Result<Response, Problem> {
    if *request.method() == Method::OPTIONS {
        return Ok(StatusCode::OK.into_response());
    }
    let name = authorized(app, role, stream, request.headers())?;
    let session = SessionId::from_path_segment(session).ok_or_else(Problem::session_not_found)?;
    match *request.method() {
        // Liveness: 200 while it lives, 409 when displaced, 404 when over.
        Method::GET | Method::HEAD => match app.control.status(&name, role, session) {
            SessionStatus::Live => Ok(StatusCode::OK.into_response()),
            SessionStatus::TakenOver => Err(Problem::taken_over()),
            SessionStatus::Unknown => Err(Problem::session_not_found()),
        },
        Method::DELETE => match app.control.delete(&name, role, session) {
            true => Ok(StatusCode::OK.into_response()),
            false => Err(Problem::session_not_found()),
        },
        // RFC 9725 section 4.3: 405 from a session without trickle ICE and restarts.
        Method::PATCH => Err(Problem::method_not_allowed(
            ALLOW,
            "all candidates are in the answer and those of the client are learned from its checks: nothing has to be sent; for new ones POST a new offer",
        )),
        _ => Err(Problem::method_not_allowed(
            ALLOW,
            "DELETE ends the session, HEAD asks whether it lives",
        )),
    }
}
