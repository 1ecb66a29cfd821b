//! One request and its response, over a connection of their own.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, AUTHORIZATION, AsHeaderName, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue,
    LOCATION, USER_AGENT,
};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::pin;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::dial::dial;
use super::{ClientError, RedirectError, TransportError, Url};

/// Longest response body taken, bytes.
const MAX_BODY: usize = 64 * 1024;

/// Longest response head taken, bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Most redirects followed in a row.
const MAX_REDIRECTS: usize = 5;

const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
const SDP: HeaderValue = HeaderValue::from_static("application/sdp");

/// What all requests of an endpoint and its sessions share.
pub(super) struct Client {
    /// The only origin that gets the token.
    pub(super) home: Url,
    /// `Bearer ...`.
    pub(super) authorization: Option<HeaderValue>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) timeout: Duration,
}

#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// The header's text, where there is one and it is ASCII.
    pub(super) fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A response, and where it came from after all redirects.
pub(super) struct Exchanged {
    pub(super) response: Response,
    pub(super) url: Url,
    /// There is a token, but `url` is not of its origin.
    pub(super) token_withheld: bool,
}

impl Client {
    /// Sends a request, with `sdp` as its body where there is one, and follows redirects.
    pub(super) async fn exchange(
        &self,
        method: Method,
        url: &Url,
        sdp: Option<&str>,
    ) -> Result<Exchanged, ClientError> {
        let exchange = self.exchange_untimed(method, url, sdp);
        let timed = timeout(self.timeout, exchange).await;
        timed.unwrap_or(Err(TransportError::Timeout.into()))
    }

    async fn exchange_untimed(
        &self,
        method: Method,
        url: &Url,
        sdp: Option<&str>,
    ) -> Result<Exchanged, ClientError> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.exchange_once(&method, &url, sdp).await?;
            if !response.status.is_redirection() {
                return Ok(Exchanged {
                    response,
                    token_withheld: self.authorization.is_some() && !url.same_origin(&self.home),
                    url,
                });
            }
            url = redirected(&url, &response)?;
        }
        Err(RedirectError::TooMany.into())
    }

    async fn exchange_once(
        &self,
        method: &Method,
        url: &Url,
        sdp: Option<&str>,
    ) -> Result<Response, TransportError> {
        let request = self.request(method, url, sdp)?;
        let stream = dial(url).await?;
        if !url.is_https() {
            return converse(stream, request).await;
        }
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|e| TransportError::Tls(std::io::Error::other(e)))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, stream).await;
        converse(stream.map_err(TransportError::of_handshake)?, request).await
    }
}

impl Client {
    /// The same for another URL.
    pub(super) fn with_home(&self, home: Url) -> Self {
        Self {
            home,
            authorization: self.authorization.clone(),
            tls: Arc::clone(&self.tls),
            timeout: self.timeout,
        }
    }

    fn request(
        &self,
        method: &Method,
        url: &Url,
        sdp: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, TransportError> {
        let agent = concat!("transom/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::builder()
            .method(method)
            .uri(url.target())
            .header(HOST, url.authority())
            .header(USER_AGENT, agent)
            .header(
                ACCEPT,
                if *method == Method::GET {
                    ANYTHING
                } else {
                    SDP
                },
            )
            .header(CONNECTION, HeaderValue::from_static("close"));
        if let Some(authorization) = self
            .authorization
            .as_ref()
            .filter(|_| url.same_origin(&self.home))
        {
            request = request.header(AUTHORIZATION, authorization);
        }
        if sdp.is_some() {
            request = request.header(CONTENT_TYPE, SDP);
        }
        let body = sdp.map_or_else(Bytes::new, |sdp| Bytes::copy_from_slice(sdp.as_bytes()));
        Ok(request.body(Full::new(body))?)
    }
}

/// Where a redirect leads to, if it may be followed.
fn redirected(url: &Url, response: &Response) -> Result<Url, RedirectError> {
    match response.status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {}
        status => return Err(RedirectError::Status(status.as_u16())),
    }
    let location = response.header(LOCATION).ok_or(RedirectError::NoLocation)?;
    let next = url.resolve(location)?;
    if url.is_https() && !next.is_https() {
        // The fingerprints in offer and answer would lose their protection.
        return Err(RedirectError::Downgrade);
    }
    Ok(next)
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response, TransportError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await?;
    let response = async {
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        Ok(Response {
            status: head.status,
            headers: head.headers,
            body: take(body).await?,
        })
    };
    // The connection moves only while it is polled. It may end before the
    // response is read to its end.
    pin!(response, connection);
    tokio::select! {
        biased;
        response = &mut response => response,
        _ = &mut connection => response.await,
    }
}

/// The whole body, bounded.
async fn take(body: Incoming) -> Result<Vec<u8>, TransportError> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(e) if e.is::<LengthLimitError>() => Err(TransportError::TooLong),
        Err(e) => Err(match e.downcast::<hyper::Error>() {
            Ok(e) => TransportError::Http(*e),
            Err(_) => TransportError::TooLong, // there is no third kind
        }),
    }
}
