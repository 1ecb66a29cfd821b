//! Who is heard on the board: a stream's address for viewers.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use transom_rtc_tokio::client::{EndpointConfig, PairingError, PairingLink, Trust, UrlError};

use super::value::{ValueError, Written, from_written};

/// A WHEP address, or a link that carries token and fingerprint behind its
/// `#`. Printed without those.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct TalkUrl(PairingLink);

impl TalkUrl {
    /// How it is reached. What the link does not tell is taken from the server that
    /// we publish to, if it is the same.
    pub(super) fn endpoint(&self, published: &EndpointConfig) -> EndpointConfig {
        let url = self.0.url.to_string();
        let same = origin(&url) == origin(&published.url);
        let token = self.0.token.as_deref();
        let token = token.or(published.token.as_deref().filter(|_| same));
        let mut endpoint = EndpointConfig::new(&url, token);
        match self.0.fingerprint {
            Some(fingerprint) => endpoint.trust = Trust::Fingerprint(fingerprint),
            None if same => endpoint.trust = published.trust,
            None => {}
        }
        endpoint
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split('/').next().unwrap_or_default().len();
    url.get(..scheme.len() + 3 + host)
}

impl FromStr for TalkUrl {
    type Err = ValueError;

    fn from_str(written: &str) -> Result<Self, ValueError> {
        // Behind it may stand a token, which no message quotes.
        let text = written.split('#').next().unwrap_or_default();
        let link: PairingLink = written.parse().map_err(|error| match error {
            PairingError::Url(UrlError::UserInfo) => ValueError(error.to_string()),
            PairingError::Url(error) => ValueError(format!(
                "`{text}` is no WHEP address ({error}): write it as http://HOST:7080/whep/NAME-talk"
            )),
            _ => ValueError(format!("the link {text}#..: {error}")),
        })?;
        let path = link.url.target().split('?').next().unwrap_or_default();
        if path.split('/').any(|name| name == "whip") {
            return Err(ValueError(format!(
                "`{text}` is where one publishes (WHIP): to hear it, write {}",
                text.replacen("/whip", "/whep", 1)
            )));
        }
        Ok(Self(link))
    }
}

impl fmt::Display for TalkUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.url.fmt(f)
    }
}

from_written!(TalkUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_the_server_it_is_for_and_to_no_other() {
        let published = EndpointConfig::new("http://a:7080/whip/door", Some("mine"));
        let token = |text: &str| {
            let url: TalkUrl = text.parse().expect(text);
            assert!(!format!("{url} {url:?}").contains("hush"));
            url.endpoint(&published).token
        };
        assert_eq!(
            token("http://a:7080/whep/door-talk").as_deref(),
            Some("mine")
        );
        assert_eq!(token("http://b:7080/whep/door-talk"), None);
        assert_eq!(token("http://a:7081/whep/door-talk"), None);
        assert_eq!(
            token("http://a:7080/whep/door-talk#token=hush").as_deref(),
            Some("hush")
        );
    }

    #[test]
    fn what_is_no_viewers_address_is_refused_with_the_mend() {
        let refused = |text: &str| text.parse::<TalkUrl>().expect_err(text).to_string();
        assert!(refused("http://a/whip/door").ends_with("write http://a/whep/door"));
        assert!(refused("a/whep/door").contains("http://HOST:7080/whep/NAME-talk"));
        assert!(!refused("http://a/whep/b#token=hush&token=hush").contains("hush"));
    }
}
