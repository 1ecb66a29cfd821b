//! `/snapshot.jpg`: a still picture of the camera, for programs on this machine.
//!
//! Whoever may read figures may not therefore look through the camera: only
//! clients on this machine that name it as such are served, so that neither
//! `metrics_open` nor a page in a browser that points a name of its own at
//! 127.0.0.1 opens it.

use std::net::IpAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::still::{StillError, Stills};

/// Where it is.
pub(super) const PATH: &str = "/snapshot.jpg";
/// A picture is waited for so long: a camera that starts takes its time.
const WAIT: Duration = Duration::from_secs(3);
/// One JPEG is made at a time; who asks meanwhile waits.
static MAKING: Semaphore = Semaphore::const_new(1);

const AGE: HeaderName = HeaderName::from_static("x-age-ms");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Whether a request of the client at `client` may be answered.
pub(super) fn may_see<B>(request: &Request<B>, client: IpAddr) -> bool {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    client.to_canonical().is_loopback() && host.is_some_and(names_this_machine)
}

/// Answers a request.
pub(super) async fn answer(may_see: bool, stills: &Stills) -> Response<Full<Bytes>> {
    if !may_see {
        let text = "pictures are for programs on this machine: ask at 127.0.0.1\n";
        return plain(StatusCode::FORBIDDEN, text.to_owned());
    }
    match take(stills).await {
        Ok((jpeg, age)) => {
            let mut response = Response::new(Full::new(Bytes::from(jpeg)));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            headers.insert(AGE, HeaderValue::from(age));
            response
        }
        Err(error) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

async fn take(stills: &Stills) -> Result<(Vec<u8>, Duration), StillError> {
    let still = stills.take(WAIT).await?;
    // Nobody closes it.
    let _turn = MAKING.acquire().await.map_err(|_| StillError::None)?;
    let age = still.age();
    let made = tokio::task::spawn_blocking(move || still.to_jpeg()).await;
    Ok((made.map_err(|_| StillError::Damaged)??, age))
}

/// Whether a `Host` header is a name of loopback's (RFC 6761 section 6.3) or an
/// address of it, with or without a port.
fn names_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_stranger_or_another_machine_sees_nothing() {
        let request = |host: &str| {
            let request = Request::builder().uri(PATH).header(HOST, host).body(());
            request.expect("a request")
        };
        let here: IpAddr = [127, 0, 0, 1].into();
        assert!(may_see(&request("localhost:9101"), here));
        assert!(!may_see(&request("rebound.example:9101"), here));
        assert!(!may_see(&request("127.0.0.1"), [192, 168, 1, 9].into()));
        let bare = Request::builder().uri(PATH).body(()).expect("a request");
        assert!(!may_see(&bare, here));
    }

    #[test]
    fn only_this_machine_is_named() {
        for host in [
            "localhost:9101",
            "LOCALHOST",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:9101",
        ] {
            assert!(names_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "192.168.1.5:9101",
            "[::2]",
            "127.0.0.1.evil",
        ] {
            assert!(!names_this_machine(host), "{host}");
        }
    }
}
