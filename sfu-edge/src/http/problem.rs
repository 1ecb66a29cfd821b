use std::time::Duration;

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

use crate::auth::AuthError;

/// A refusal that says what to do about it (RFC 9457).
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The type of most problems: the status says it all (RFC 9457 section 4.2.1).
const BLANK: &str = "about:blank";
/// The type of a session that another publisher displaced.
pub(super) const TAKEN_OVER: &str = "urn:transom:problem:taken-over";
/// The type of a stream that nobody publishes.
pub(super) const NOT_PUBLISHED: &str = "urn:transom:problem:not-published";

#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind: BLANK,
            title: status.canonical_reason().unwrap_or_default(),
            detail: detail.into(),
            headers: Vec::new(),
        }
    }

    fn of_kind(mut self, kind: &'static str, title: &'static str) -> Self {
        (self.kind, self.title) = (kind, title);
        self
    }

    /// The same refusal, with another detail.
    pub(super) fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn retry_after(self, wait: Duration) -> Self {
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.with(header::RETRY_AFTER, HeaderValue::from(whole.max(1)))
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn bad_stream_name() -> Self {
        Self::bad_request(
            "a stream's name is 1 to 64 of `A-Z a-z 0-9 . _ -` and does not begin with a dot, such as /whip/front-door",
        )
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn session_not_found() -> Self {
        Self::not_found("this session has ended, or never was; POST a new offer")
    }

    pub(super) fn taken_over() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "another publisher took this stream over; give one of the two another stream name, or stop it",
        )
        .of_kind(TAKEN_OVER, "Taken over")
    }

    pub(super) fn not_published(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
            .of_kind(NOT_PUBLISHED, "Not published")
            .retry_after(Duration::from_secs(1))
    }

    pub(super) fn method_not_allowed(allow: &'static str, detail: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
            .with(header::ALLOW, HeaderValue::from_static(allow))
    }

    pub(super) fn body_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time; send the offer at once",
        )
        .with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    pub(super) fn broken_body() -> Self {
        Self::bad_request(
            "the body ends before its end, or is not framed as HTTP; send the offer again",
        )
        .with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the body is longer than {limit} bytes; an offer for one audio and one video track is far shorter"
            ),
        )
    }

    pub(super) fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the offer with `Content-Type: application/sdp`",
        )
        .with(
            HeaderName::from_static("accept-post"),
            HeaderValue::from_static("application/sdp"),
        )
    }

    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub(super) fn too_many_requests(wait: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests from this address; wait as `Retry-After` says, or raise `requests_per_second` in the [limits] of transom-sfu.toml",
        )
        .retry_after(wait)
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(Duration::from_secs(5))
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let challenge = |value: String| {
            HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
        };
        let refuse = |detail: &str, error: &str| {
            Self::new(StatusCode::UNAUTHORIZED, detail).with(
                header::WWW_AUTHENTICATE,
                challenge(format!("Bearer realm=\"transom\"{error}")),
            )
        };
        match error {
            // RFC 6750 section 3.1: no error code where no token was sent.
            AuthError::Missing => refuse(
                "a token is needed: send `Authorization: Bearer TOKEN`; `transom-sfu link` prints the tokens",
                "",
            ),
            AuthError::Malformed => refuse(
                "the Authorization header is not of the form `Bearer TOKEN`",
                ", error=\"invalid_token\"",
            ),
            AuthError::Unknown => refuse(
                "this token is not known; `transom-sfu link` prints the ones that are",
                ", error=\"invalid_token\"",
            ),
            AuthError::Scope(scope) => Self::new(
                StatusCode::FORBIDDEN,
                format!(
                    "this token is not good for `{scope}` on this stream; use one with that scope"
                ),
            )
            .with(
                header::WWW_AUTHENTICATE,
                challenge(format!(
                    "Bearer realm=\"transom\", error=\"insufficient_scope\", scope=\"{scope}\""
                )),
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        let body = ProblemBody {
            r#type: self.kind,
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let mut response = Response::new(Body::from(serde_json::to_vec(&body).unwrap_or_default()));
        *response.status_mut() = self.status;
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
