//! `/snapshot.jpg`: a still picture of the camera, for programs on this machine.
//!
//! Whoever may read figures may not therefore look through the camera: only
//! clients on this machine are served, so that `metrics_open` opens no camera.

use std::net::IpAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
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

/// Answers the client at `client`; that it names this machine was checked.
pub(super) async fn answer(client: IpAddr, stills: &Stills) -> Response<Full<Bytes>> {
    if !client.to_canonical().is_loopback() {
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
    use std::time::Instant;
    use transom_boards_hal::FrameSize;
    use transom_picture::Picture;

    #[tokio::test]
    async fn another_machine_sees_nothing() {
        let stills = Stills::default();
        let source = stills.clone();
        let capturing = tokio::spawn(async move {
            while !source.is_wanted() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            source.put(&Picture::new(FrameSize::new(32, 32)), Instant::now());
        });
        let elsewhere = answer([192, 168, 1, 9].into(), &stills).await;
        assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().expect("an address");
        let here = answer(mapped, &stills).await;
        assert_eq!(here.status(), StatusCode::OK);
        assert_eq!(here.headers()[CONTENT_TYPE], "image/jpeg");
        capturing.await.expect("it puts a picture");
    }
}
