use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};
use tokio_rustls::rustls;

use super::exchange::{Client, Exchanged};
use super::problem::is_type;
use super::{AnswerError, ClientError, Session, Trust, Url, UrlError};

/// Where to publish or watch, and how.
#[derive(Clone)]
pub struct EndpointConfig {
    /// The endpoint's URL, http or https.
    pub url: String,
    /// The bearer token. Without one, no `Authorization` is sent.
    pub token: Option<String>,
    /// Who is the right server, over https.
    pub trust: Trust,
    /// Longest time for one exchange, redirects included.
    pub timeout: Duration,
}

impl EndpointConfig {
    /// An endpoint with public authorities and a time limit of 10 s.
    pub fn new(url: &str, token: Option<&str>) -> Self {
        Self {
            url: url.to_owned(),
            token: token.map(str::to_owned),
            trust: Trust::default(),
            timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointConfig")
            .field("url", &self.url)
            .field("token", &self.token.as_ref().map(|_| "..")) // never in a log
            .field("trust", &self.trust)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// Why an endpoint cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Its URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Its token contains what no token may (RFC 6750 section 2.1), or nothing.
    #[error("the token is empty or contains a character that no bearer token may have")]
    Token,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// A WHIP or WHEP endpoint: where sessions are opened.
#[derive(Clone)]
pub struct Endpoint {
    pub(super) client: Arc<Client>,
}

/// An accepted offer.
#[derive(Debug)]
pub struct Opened {
    /// The server's answer, SDP.
    pub answer: String,
    /// The session it belongs to. To be closed when done.
    pub session: Session,
}

impl Endpoint {
    /// Checks `config`. Nothing is sent.
    ///
    /// # Errors
    /// Where the URL or the token cannot be used; each message names the mend.
    pub fn new(config: EndpointConfig) -> Result<Self, EndpointError> {
        let authorization = config.token.as_deref().map(bearer).transpose()?;
        Ok(Self {
            client: Arc::new(Client {
                home: config.url.parse()?,
                authorization,
                tls: config.trust.tls_config()?,
                timeout: config.timeout,
            }),
        })
    }

    /// The endpoint's URL.
    pub fn url(&self) -> &Url {
        &self.client.home
    }

    /// Posts `offer` (SDP). On success the server holds a session until it is
    /// closed or its time is up.
    ///
    /// # Errors
    /// By class: see [`ClientError`].
    pub async fn open(&self, offer: &str) -> Result<Opened, ClientError> {
        let exchange = self.client.exchange(Method::POST, self.url(), Some(offer));
        let Exchanged {
            response,
            url,
            token_withheld,
        } = exchange.await?;
        if response.status != StatusCode::CREATED {
            return Err(ClientError::of(&response, token_withheld));
        }
        let location = response.header(LOCATION).ok_or(AnswerError::NoLocation)?;
        let location = url.resolve(location).map_err(AnswerError::Location)?;
        let etag = response.headers.get(ETAG).cloned();
        let session = Session::new(Arc::clone(&self.client), location, etag);
        let is_sdp = response
            .header(CONTENT_TYPE)
            .is_some_and(|t| is_type(t, "application/sdp"));
        let answer = if is_sdp {
            String::from_utf8(response.body).map_err(|_| AnswerError::Encoding)
        } else {
            Err(AnswerError::ContentType)
        };
        match answer {
            Ok(answer) => Ok(Opened { answer, session }),
            Err(e) => {
                // There is a session, of no use to us: not left to time out.
                let _ = session.close().await;
                Err(e.into())
            }
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.client.home).finish()
    }
}

/// `Bearer` and the token, if it is of the alphabet of RFC 6750 section 2.1.
fn bearer(token: &str) -> Result<HeaderValue, EndpointError> {
    let is_b64token = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    if token.is_empty() || !token.bytes().all(is_b64token) {
        return Err(EndpointError::Token);
    }
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| EndpointError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, token: Option<&str>) -> Result<Endpoint, EndpointError> {
        Endpoint::new(EndpointConfig::new(url, token))
    }

    #[test]
    fn what_cannot_be_used_is_refused_at_once() {
        assert!(endpoint("http://a/whip/b", Some("abc-._~+/09=")).is_ok());
        assert_eq!(
            endpoint("localhost:7080", None).unwrap_err(),
            EndpointError::Url(UrlError::Scheme)
        );
        for token in ["", "two words", "line\r\nX-Evil: 1", "\u{e9}"] {
            assert_eq!(
                endpoint("http://a/", Some(token)).unwrap_err(),
                EndpointError::Token
            );
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        let config = EndpointConfig::new("http://a/", Some("hush"));
        assert!(!format!("{config:?}").contains("hush"));
        let endpoint = Endpoint::new(config).unwrap();
        assert!(!format!("{endpoint:?}").contains("hush"));
    }
}
