use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{HostNames, Metrics};

/// Connections at a time; more wait. A scraper needs one.
const MAX_CONNECTIONS: usize = 8;
/// How long a request's head may take, and a connection lie idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, bytes.
const MAX_HEAD_LEN: usize = 8 * 1024;
/// Most header fields of a request.
const MAX_HEADERS: usize = 64;

/// Serves `/metrics` and nothing else, by plain HTTP, under this machine's names only.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    names: Arc<HostNames>,
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
    pub async fn open(address: SocketAddr, names: HostNames) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        tracing::info!("metrics at http://{bound}/metrics");
        Ok(Self {
            listener,
            names: Arc::new(names),
        })
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
                Ok((stream, _)) => {
                    let (metrics, names) = (Arc::clone(&metrics), Arc::clone(&self.names));
                    tokio::spawn(async move {
                        converse(stream, metrics, names).await;
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

async fn converse(stream: TcpStream, metrics: Arc<Metrics>, names: Arc<HostNames>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&request, &metrics, &names);
        async move { Ok::<_, Infallible>(answer) }
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

fn answer<B>(request: &Request<B>, metrics: &Metrics, names: &HostNames) -> Response<Full<Bytes>> {
    let read = matches!(*request.method(), Method::GET | Method::HEAD);
    let (status, text) = match (request.uri().path(), read) {
        // RFC 9110 section 15.5.20.
        _ if !is_for_us(request, names) => (
            StatusCode::MISDIRECTED_REQUEST,
            "this machine does not answer to that name: use its address or its host name, or write the name into `metrics_hosts` of transom-agent.toml\n"
                .into(),
        ),
        ("/metrics", true) => (StatusCode::OK, metrics.write()),
        ("/metrics", false) => (
            StatusCode::METHOD_NOT_ALLOWED,
            "this can only be read, with GET\n".into(),
        ),
        _ => (
            StatusCode::NOT_FOUND,
            "nothing is here; figures are at /metrics\n".into(),
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

/// Whether every host that the request names is ours. One that names none is of no browser.
fn is_for_us<B>(request: &Request<B>, names: &HostNames) -> bool {
    let target = request.uri().authority();
    // A target that is a whole URL wins over Host (RFC 9112 section 3.2.2): both must be ours.
    let target_is_ours = target.is_none_or(|authority| {
        // user@host names the host behind the last @.
        let host = authority.as_str().rsplit('@').next();
        host.is_some_and(|host| names.serves(host))
    });
    let hosts = request.headers().get_all(HOST);
    let named = |host: &HeaderValue| host.to_str().is_ok_and(|host| names.serves(host));
    target_is_ours && hosts.iter().all(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_served(uri: &str, hosts: &[&str]) -> bool {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        is_for_us(&request.body(()).expect("a request"), &HostNames::default())
    }

    #[test]
    fn every_host_that_is_named_must_be_ours() {
        assert!(is_served("/metrics", &[]));
        assert!(is_served("/metrics", &["127.0.0.1:9101"]));
        assert!(is_served("http://localhost/metrics", &["localhost"]));
        assert!(!is_served("/metrics", &["evil.example:9101"]));
        assert!(!is_served("/metrics", &["localhost", "evil.example"]));
        assert!(!is_served("http://evil.example/metrics", &["localhost"]));
        assert!(!is_served("http://localhost@evil.example/", &["localhost"]));
    }
}
