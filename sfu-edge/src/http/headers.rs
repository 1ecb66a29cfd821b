use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::Response;

/// On every response. Any origin may ask: what protects is the token, which no
/// browser sends by itself.
const EVERYWHERE: [(HeaderName, &str); 5] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "Location, ETag, Link, Retry-After, Accept-Post, WWW-Authenticate",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::VARY, "Origin"),
];

/// On preflight responses; the rest of OPTIONS is the handler's.
const PREFLIGHT: [(HeaderName, &str); 3] = [
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
    ),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "Authorization, Content-Type, If-Match",
    ),
    (header::ACCESS_CONTROL_MAX_AGE, "86400"),
];

/// Adds what every response carries.
pub(super) async fn add(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in EVERYWHERE.into_iter().chain(PREFLIGHT) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Answers and figures are of the moment; the page says otherwise for itself.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
