use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{Metrics, snapshot};

/// Connections at a time; more wait. A scraper needs one.
const MAX_CONNECTIONS: usize = 8;
/// How long a request's head may take, and a connection lie idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, bytes.
const MAX_HEAD_LEN: usize = 8 * 1024;
/// Most header fields of a request.
const MAX_HEADERS: usize = 64;

/// Serves `/metrics` and `/snapshot.jpg` and nothing else, by plain HTTP.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
}

/// The address cannot be listened on. The message names the mend.
#[derive(Debug, thiserror::Error)]
#[error("metrics: cannot listen on {address}: {source}; choose another address with --metrics")]
pub struct MetricsError {
    address: SocketAddr,
    source: io::Error,
}

impl MetricsServer {
    /// Opens the address; port 0 takes a free one.
    ///
    /// # Errors
    /// Where it is in use or not ours.
    pub async fn open(address: SocketAddr) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        tracing::info!("metrics at http://{bound}/metrics");
        Ok(Self { listener })
    }

    /// Serves until it is dropped.
    pub async fn serve(self, metrics: Arc<Metrics>) {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            // Nobody closes it.
            let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, client)) => {
                    let metrics = Arc::clone(&metrics);
                    tokio::spawn(async move {
                        converse(stream, client.ip(), metrics).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: some will close.
                    tracing::debug!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn converse(stream: TcpStream, client: IpAddr, metrics: Arc<Metrics>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let metrics = Arc::clone(&metrics);
        let (method, path) = (request.method(), request.uri().path());
        let still = (path == snapshot::PATH && method == Method::GET)
            .then(|| snapshot::may_see(&request, client));
        let ready = still.is_none().then(|| answer(method, path, &metrics));
        async move {
            let answer = match ready {
                Some(answer) => answer,
                None => snapshot::answer(still == Some(true), &metrics.stills).await,
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_LEN)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = ended {
        tracing::trace!(%error, "connection ended");
    }
}

fn answer(method: &Method, path: &str, metrics: &Metrics) -> Response<Full<Bytes>> {
    let read = matches!(*method, Method::GET | Method::HEAD);
    let (status, text) = match (path, read) {
        ("/metrics", true) => (StatusCode::OK, metrics.write()),
        ("/metrics" | snapshot::PATH, _) => (
            StatusCode::METHOD_NOT_ALLOWED,
            "this can only be read, with GET\n".into(),
        ),
        _ => (
            StatusCode::NOT_FOUND,
            "nothing is here; figures are at /metrics, a still picture at /snapshot.jpg\n".into(),
        ),
    };
    let kind = match status {
        StatusCode::OK => transom_rtc_telemetry::CONTENT_TYPE,
        _ => "text/plain; charset=utf-8",
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
