use hyper::Method;
use hyper::header::DATE;

use super::{ClientError, Endpoint, Url, UrlError};

/// What a server said to a GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The status.
    pub status: u16,
    /// Its `Date`, as it stands there.
    pub date: Option<String>,
    /// The body, at most 64 KiB.
    pub body: Vec<u8>,
    /// There is a token, but a redirect led to another origin.
    pub token_withheld: bool,
}

impl Endpoint {
    /// Gets what `reference` means beside the endpoint's URL (RFC 3986 section
    /// 5), such as `/api/token`, with the token. Any status is an answer.
    ///
    /// # Errors
    /// Where there was no response, or a redirect that is not followed.
    pub async fn probe(&self, reference: &str) -> Result<Probed, ClientError> {
        let url = self.url().resolve(reference);
        let url = url.map_err(super::RedirectError::Location)?;
        let exchanged = self.client.exchange(Method::GET, &url, None).await?;
        Ok(Probed {
            status: exchanged.response.status.as_u16(),
            date: exchanged.response.header(DATE).map(str::to_owned),
            body: exchanged.response.body,
            token_withheld: exchanged.token_withheld,
        })
    }

    /// The endpoint of another stream on the same server, with the same token:
    /// `name` in place of the last part of the path.
    ///
    /// # Errors
    /// Where `name` cannot stand in a URL.
    pub fn beside(&self, name: &str) -> Result<Self, UrlError> {
        let home: Url = self.url().resolve(name)?;
        Ok(Self {
            client: std::sync::Arc::new(self.client.with_home(home)),
        })
    }
}
