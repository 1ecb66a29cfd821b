use std::io;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;

use super::exchange::Response;
use super::{PinMismatch, Problem, UrlError};

/// Longest wait that a server is believed to need.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// What came of a request instead of what was asked for, by class: what the
/// caller does next differs among them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// 401: no token, or one that the server does not know.
    #[error("the server does not accept the token (401): {problem}{}", withheld(*token_withheld))]
    Unauthorized {
        /// A redirect led to another origin, to which the token is not sent.
        token_withheld: bool,
        /// In the server's words.
        problem: Problem,
    },
    /// 403: the token is known, but not for this.
    #[error("the token does not allow this (403): {0}")]
    Forbidden(Problem),
    /// 409: another publisher has taken the stream over.
    #[error("another publisher has taken the stream over (409)")]
    TakenOver,
    /// 409: nobody publishes the stream now.
    #[error("the stream is not live (409): {problem}")]
    NotLive {
        /// How long the server would have one wait.
        retry_after: Option<Duration>,
        /// In the server's words.
        problem: Problem,
    },
    /// 404 or 410: no such endpoint, or the session is gone.
    #[error("not found ({status}): {problem}")]
    NotFound {
        /// 404 or 410.
        status: u16,
        /// In the server's words.
        problem: Problem,
    },
    /// 400, 406, 413, 415 or 422: the server cannot do with this offer.
    #[error("the server refuses the offer ({status}): {problem}")]
    Negotiation {
        /// The status.
        status: u16,
        /// In the server's words.
        problem: Problem,
    },
    /// 429 or 503: asked too often, or overloaded.
    #[error("the server is overloaded ({status})")]
    TooMany {
        /// 429 or 503.
        status: u16,
        /// How long the server would have one wait.
        retry_after: Option<Duration>,
    },
    /// A redirect that is not followed.
    #[error("redirect not followed: {0}")]
    Redirect(#[from] RedirectError),
    /// 201, but not with what belongs to it.
    #[error("the server's answer cannot be used: {0}")]
    Answer(#[from] AnswerError),
    /// Any other status.
    #[error("unexpected status {status}: {problem}")]
    Unexpected {
        /// The status.
        status: u16,
        /// In the server's words.
        problem: Problem,
    },
    /// There was no response.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// Why a redirect was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// More than five in a row.
    #[error("too many in a row")]
    TooMany,
    /// Without a `Location`.
    #[error("it does not say where to")]
    NoLocation,
    /// To something that is no usable URL.
    #[error("{0}")]
    Location(#[from] UrlError),
    /// From https to http.
    #[error("it leads from https to http")]
    Downgrade,
    /// 301, 302 or 303, which may change the method (RFC 9725 section 4.5 asks for 307).
    #[error("status {0} is not 307 or 308")]
    Status(u16),
}

/// What a 201 lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// No `Location` of the session.
    #[error("no Location header")]
    NoLocation,
    /// The `Location` is no usable URL.
    #[error("bad Location header: {0}")]
    Location(#[from] UrlError),
    /// The body is not application/sdp.
    #[error("the content type is not application/sdp")]
    ContentType,
    /// The body is not UTF-8.
    #[error("the SDP is not UTF-8")]
    Encoding,
}

/// Why there was no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The request cannot be put in HTTP's form.
    #[error("the request cannot be written: {0}")]
    Request(#[from] hyper::http::Error),
    /// The host's name has no address.
    #[error("cannot resolve the server's name: {0}")]
    Resolve(#[source] io::Error),
    /// No address could be connected to; this is the last one's error.
    #[error("cannot connect to the server: {0}")]
    Connect(#[source] io::Error),
    /// The TLS handshake failed.
    #[error("TLS handshake with the server failed: {0}")]
    Tls(#[source] io::Error),
    /// The server's certificate is not the pinned one.
    #[error(transparent)]
    Pin(#[from] PinMismatch),
    /// The connection broke, or what came over it was not HTTP.
    #[error("HTTP exchange failed: {0}")]
    Http(#[from] hyper::Error),
    /// The response's body is longer than 64 KiB.
    #[error("the response is longer than 64 KiB")]
    TooLong,
    /// No response within the time limit.
    #[error("no response in time")]
    Timeout,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// With the usual back-off: it may have been the network.
    Soon,
    /// Not before so long.
    After(Duration),
    /// In minutes: a human has to mend something, or another publisher has the stream.
    Slowly,
}

impl ClientError {
    /// When trying again makes sense.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::NotLive { retry_after, .. } | Self::TooMany { retry_after, .. } => {
                match retry_after {
                    Some(told) => Retry::After(*told),
                    None => Retry::Soon,
                }
            }
            Self::Unexpected { status, .. } if *status >= 500 => Retry::Soon,
            Self::Transport(TransportError::TooLong | TransportError::Pin(_)) => Retry::Slowly,
            // A session that is gone is opened anew; an endpoint that is not
            // there yet may come with the server's configuration.
            Self::Transport(_) | Self::NotFound { .. } => Retry::Soon,
            _ => Retry::Slowly,
        }
    }

    /// The class of a response that is not a success.
    pub(super) fn of(response: &Response, token_withheld: bool) -> Self {
        let status = response.status.as_u16();
        let problem = Problem::of(response);
        let retry_after = retry_after(response);
        match response.status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized {
                token_withheld,
                problem,
            },
            StatusCode::FORBIDDEN => Self::Forbidden(problem),
            StatusCode::CONFLICT if problem.is("taken-over") => Self::TakenOver,
            StatusCode::CONFLICT => Self::NotLive {
                retry_after,
                problem,
            },
            StatusCode::NOT_FOUND | StatusCode::GONE => Self::NotFound { status, problem },
            StatusCode::BAD_REQUEST
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY => Self::Negotiation { status, problem },
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Self::TooMany {
                status,
                retry_after,
            },
            _ => Self::Unexpected { status, problem },
        }
    }
}

impl TransportError {
    /// Of a TLS handshake.
    pub(super) fn of_handshake(error: io::Error) -> Self {
        match PinMismatch::of(&error) {
            Some(mismatch) => mismatch.into(),
            None => Self::Tls(error),
        }
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.header(RETRY_AFTER)?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

const fn withheld(token_withheld: bool) -> &'static str {
    if token_withheld {
        "; the token was not sent, as a redirect led to another origin"
    } else {
        ""
    }
}
