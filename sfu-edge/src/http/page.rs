use axum::extract::Request;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

use super::problem::Problem;
use super::segments::Segments;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $kind:literal) => {
        Asset {
            name: $name,
            kind: $kind,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/", $name)),
        }
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The page, in the binary.
static ASSETS: &[Asset] = &[
    asset!("index.html", "text/html; charset=utf-8"),
    asset!("style.css", "text/css; charset=utf-8"),
    asset!("icon.svg", "image/svg+xml"),
    Asset {
        kind: SCRIPT,
        ..asset!("app.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("api.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("clock.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/arm-press.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/closed-loop.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/device-clock.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/drive.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/gamepad.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/hold.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/joystick.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/keys.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/latencies.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/lease-panel.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/lease-wire.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/lease.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/operator.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/outputs.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/panel.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/pictures.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/press.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/recorder.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/robot.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/session-log.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/spread.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/stop-press.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/stick.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/time.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/times.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/wire.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("control/words.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("figures.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("frames.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("player.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("publisher.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("timecode.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("token.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("whep.js", "")
    },
    Asset {
        kind: SCRIPT,
        ..asset!("whip.js", "")
    },
];

/// Nothing but what came with the page runs, and it talks to nobody else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/`.
pub(super) async fn index(request: Request) -> Result<Response, Problem> {
    serve("index.html", &request)
}

/// `/web/{file}`.
pub(super) async fn asset(
    Segments(file): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    serve(&file, &request)
}

/// `/web/control/{file}`.
pub(super) async fn control_asset(
    Segments(file): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    serve(&format!("control/{file}"), &request)
}

/// `/favicon.ico`: what browsers ask for unasked.
pub(super) async fn favicon(request: Request) -> Result<Response, Problem> {
    serve("icon.svg", &request)
}

fn serve(name: &str, request: &Request) -> Result<Response, Problem> {
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(StatusCode::OK.into_response()),
        _ => {
            return Err(Problem::method_not_allowed(
                "GET, HEAD, OPTIONS",
                "this can only be read, with GET",
            ));
        }
    }
    let asset = ASSETS
        .iter()
        .find(|a| a.name == name)
        .ok_or_else(|| Problem::not_found("the page has no such file; it begins at /"))?;
    let tag = etag(asset.bytes)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        // Kept, but asked after every time: a new server brings a new page.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(self), microphone=(self), geolocation=()"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::ETAG, tag.clone()),
    ];
    if is_known(request.headers(), &tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, asset.bytes).into_response())
}

fn etag(bytes: &[u8]) -> Result<HeaderValue, Problem> {
    let digest = digest(&SHA256, bytes);
    let hex: String = digest
        .as_ref()
        .iter()
        .take(8)
        .map(|b| format!("{b:02x}"))
        .collect();
    HeaderValue::try_from(format!("\"{hex}\""))
        .map_err(|_| Problem::unavailable("the page cannot be served now"))
}

/// RFC 9110 section 13.1.2; `W/` is what a proxy that compresses may add.
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let given = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok());
    given.is_some_and(|list| {
        list.split(',')
            .any(|t| t.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes())
    })
}
