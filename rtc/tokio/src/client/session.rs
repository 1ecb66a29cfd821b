use std::fmt;
use std::sync::Arc;

use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};

use super::exchange::Client;
use super::{ClientError, Url};

/// A session on the server. Dropping it does not end it there: [`Self::close`] does.
pub struct Session {
    client: Arc<Client>,
    url: Url,
    etag: Option<HeaderValue>,
}

impl Session {
    pub(super) const fn new(client: Arc<Client>, url: Url, etag: Option<HeaderValue>) -> Self {
        Self { client, url, etag }
    }

    /// The session's URL.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The entity tag of its ICE session (RFC 9725 section 4.3.1), where the server gave one.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_ref()?.to_str().ok()
    }

    /// Asks the server whether the session still stands.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] where it does not, [`ClientError::TakenOver`]
    /// where another publisher has its place, others by class.
    pub async fn check(&self) -> Result<(), ClientError> {
        let exchanged = self.client.exchange(Method::HEAD, &self.url, None).await?;
        match exchanged.response.status {
            status if status.is_success() => Ok(()),
            // The response to HEAD has no body to tell why, but for a session
            // that stood there is one reason only.
            StatusCode::CONFLICT => Err(ClientError::TakenOver),
            _ => Err(ClientError::of(
                &exchanged.response,
                exchanged.token_withheld,
            )),
        }
    }

    /// Ends the session. That it is already gone is a success.
    ///
    /// # Errors
    /// By class; the server then ends it when its time is up.
    pub async fn close(&self) -> Result<(), ClientError> {
        let exchanged = self
            .client
            .exchange(Method::DELETE, &self.url, None)
            .await?;
        match exchanged.response.status {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::CONFLICT => Ok(()),
            _ => Err(ClientError::of(
                &exchanged.response,
                exchanged.token_withheld,
            )),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("url", &self.url)
            .field("etag", &self.etag)
            .finish_non_exhaustive()
    }
}
