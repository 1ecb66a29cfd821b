use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;
use transom_control::wire::LeaseName;
use transom_rtc_proto::sdp::SessionDescription;

use super::problem::Problem;
use super::segments::Segments;
use super::{App, ClientAddr};
use crate::auth::Scope;
use crate::control::{OpenError, Opened};
use crate::directory::{Role, StreamName, SubscribeError};
use crate::media::api::DriveRights;

/// Longest body of a POST, bytes.
const MAX_BODY_LEN: usize = 64 * 1024;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const ALLOW: &str = "GET, HEAD, POST, OPTIONS";

/// `/whip/{stream}` (RFC 9725 section 4.2).
pub(super) async fn whip(
    State(app): State<Arc<App>>,
    Segments(stream): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    endpoint(&app, Role::Publisher, &stream, request).await
}

/// `/whep/{stream}` (draft-ietf-wish-whep-03 section 4.2).
pub(super) async fn whep(
    State(app): State<Arc<App>>,
    Segments(stream): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    endpoint(&app, Role::Subscriber, &stream, request).await
}

async fn endpoint(
    app: &App,
    role: Role,
    stream: &str,
    request: Request,
) -> Result<Response, Problem> {
    match *request.method() {
        Method::POST => open(app, role, stream, request).await,
        Method::OPTIONS => Ok((StatusCode::OK, accept_post()).into_response()),
        Method::GET => Ok((StatusCode::NO_CONTENT, accept_post()).into_response()),
        // A WHEP endpoint is discovered by its type.
        Method::HEAD if role == Role::Subscriber => {
            let sdp = [(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/sdp"),
            )];
            Ok((StatusCode::OK, sdp, accept_post()).into_response())
        }
        Method::HEAD => Ok((StatusCode::NO_CONTENT, accept_post()).into_response()),
        _ => Err(Problem::method_not_allowed(
            ALLOW,
            "POST an SDP offer here; DELETE goes to the session's address from `Location`",
        )),
    }
}

fn accept_post() -> [(HeaderName, HeaderValue); 1] {
    let name = HeaderName::from_static("accept-post");
    [(name, HeaderValue::from_static("application/sdp"))]
}

async fn open(app: &App, role: Role, stream: &str, request: Request) -> Result<Response, Problem> {
    let name = authorized(app, role, stream, request.headers())?;
    check_content_type(request.headers())?;
    let authorization = request
        .headers()
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes);
    let driver = app.tokens.authorize(authorization, Scope::Drive, &name);
    let rights = driver.map_or_else(
        |_| DriveRights::default(),
        |grant| DriveRights {
            drive: true,
            admin: grant.allows(Scope::Admin, &name),
            name: LeaseName::new(&grant.holder),
        },
    );
    let client = request.extensions().get::<ClientAddr>().copied();
    // A request that came over no connection is from here.
    let ClientAddr(client) = client.unwrap_or(ClientAddr(Ipv4Addr::LOCALHOST.into()));
    let offer = read_offer(request.into_body()).await?;
    let opened = match role {
        Role::Publisher => app.control.publish(&name, &offer, client),
        Role::Subscriber => app.control.subscribe(&name, &offer, client, rights),
    };
    let Opened { session, answer } = opened?;
    tracing::info!(%session, stream = %name, ?role, %client, "session opened");

    let location = format!("/{}/{name}/{}", path_of(role), session.to_path_segment());
    let location = HeaderValue::try_from(location).map_err(|_| Problem::bad_stream_name())?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/sdp"),
        ),
        (header::LOCATION, location),
    ];
    Ok((StatusCode::CREATED, headers, answer).into_response())
}

const fn path_of(role: Role) -> &'static str {
    match role {
        Role::Publisher => "whip",
        Role::Subscriber => "whep",
    }
}

/// The stream's name, if the request's token is good for `role` on it. Who has
/// no token at all learns nothing about names.
pub(super) fn authorized(
    app: &App,
    role: Role,
    stream: &str,
    headers: &HeaderMap,
) -> Result<StreamName, Problem> {
    let scope = match role {
        Role::Publisher => Scope::Publish,
        Role::Subscriber => Scope::Watch,
    };
    let authorization = headers
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes);
    app.tokens.authenticate(authorization)?;
    let name = StreamName::new(stream).ok_or_else(Problem::bad_stream_name)?;
    app.tokens.authorize(authorization, scope, &name)?;
    Ok(name)
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let essence = value.and_then(|v| v.split(';').next()).unwrap_or_default();
    match essence.trim().eq_ignore_ascii_case("application/sdp") {
        true => Ok(()),
        false => Err(Problem::unsupported_media_type()),
    }
}

async fn read_offer(body: Body) -> Result<SessionDescription, Problem> {
    let bytes = timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY_LEN))
        .await
        .map_err(|_| Problem::body_timeout())?
        .map_err(|error| match is_broken(&error) {
            true => Problem::broken_body(),
            false => Problem::too_large(MAX_BODY_LEN),
        })?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Problem::bad_request("the body is not UTF-8 text; send an SDP offer"))?;
    SessionDescription::parse(text).map_err(|error| {
        Problem::bad_request(format!(
            "{error}; send the SDP of an offer, as `setLocalDescription` made it"
        ))
    })
}

/// Whether the body ended wrongly, in its framing or its connection: what is
/// left is that it is too long.
fn is_broken(error: &axum::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<hyper::Error>() {
            return true;
        }
        next = error.source();
    }
    false
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        let detail = error.to_string();
        match error {
            OpenError::Negotiation(_) => Self::unprocessable(detail),
            OpenError::Subscribe(SubscribeError::NotPublished) => Self::not_published(detail),
            OpenError::Publish(_)
            | OpenError::Subscribe(_)
            | OpenError::Busy
            | OpenError::Random => Self::unavailable(detail),
        }
    }
}
