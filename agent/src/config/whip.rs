//! The WHIP server: its address, and how it is known.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use transom_rtc_tokio::client::{CertificateFingerprint, PairingError, PairingLink, Url, UrlError};

use super::value::{Token, ValueError, Written, from_written};

/// Where to publish: an `http` or `https` address, or a pairing link, which
/// carries the token and the server's fingerprint behind its `#`. Printed
/// without those.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct WhipUrl {
    url: Url,
    token: Option<Token>,
    fingerprint: Option<Fingerprint>,
}

impl WhipUrl {
    /// The address.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The token of a pairing link.
    pub fn token(&self) -> Option<Token> {
        self.token.clone()
    }

    /// The fingerprint of a pairing link.
    pub const fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }
}

impl FromStr for WhipUrl {
    type Err = ValueError;

    fn from_str(written: &str) -> Result<Self, ValueError> {
        // Behind it may stand a token, which no message quotes.
        let text = written.split('#').next().unwrap_or_default();
        let link: PairingLink = written.parse().map_err(|error| match error {
            // Not shown: there is a password in it.
            PairingError::Url(UrlError::UserInfo) => ValueError(error.to_string()),
            PairingError::Url(error) => ValueError(format!(
                "`{text}` is no WHIP address ({error}): write it as http://HOST:7080/whip/NAME"
            )),
            _ => ValueError(format!("the link {text}#..: {error}")),
        })?;
        let path = link.url.target().split('?').next().unwrap_or_default();
        let mut names = path.split('/').filter(|name| !name.is_empty());
        if names.clone().any(|name| name == "whep") && !names.clone().any(|name| name == "whip") {
            return Err(ValueError(format!(
                "`{text}` is where viewers watch (WHEP): publish to {}",
                text.replacen("/whep", "/whip", 1)
            )));
        }
        // Other servers have other paths; some take the token for the name.
        if matches!((names.next(), names.next()), (None | Some("whip"), None)) {
            let hint = match link.token {
                Some(_) => "; a viewer's link is not for the agent, `transom-sfu link` prints both",
                None => "",
            };
            return Err(ValueError(format!(
                "`{text}` does not name a stream: write it as http://HOST:7080/whip/NAME{hint}"
            )));
        }
        Ok(Self {
            token: link.token.as_deref().map(str::parse).transpose()?,
            fingerprint: link.fingerprint.map(Fingerprint),
            url: link.url,
        })
    }
}

impl fmt::Display for WhipUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// The SHA-256 fingerprint of the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Fingerprint(pub CertificateFingerprint);

impl FromStr for Fingerprint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fingerprint = text.parse();
        fingerprint
            .map(Self)
            .map_err(|error| ValueError(format!("`{text}`: {error}")))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

from_written!(WhipUrl, Fingerprint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in [
            "http://127.0.0.1:7080/whip/front",
            "http://127.0.0.1:7080/whip/whep",
            "https://[::1]/whip/a?b=c",
            "https://live.example/door/whip",
            "https://live.example/api/whip",
        ] {
            assert!(text.parse::<WhipUrl>().is_ok(), "{text}");
        }
        for text in [
            "",
            "127.0.0.1:7080",
            "ftp://a/b",
            "http://",
            "http:///x",
            "http://a b/",
            "http://a:0/whip/front",
        ] {
            assert!(text.parse::<WhipUrl>().is_err(), "{text}");
        }
        let refused = |text: &str| text.parse::<WhipUrl>().expect_err(text).to_string();
        for text in ["http://a", "http://a/", "http://a/whip", "http://a/whip/?x"] {
            assert!(refused(text).contains("/whip/NAME"), "{text}");
        }
        assert!(refused("http://a/whep/door").ends_with("publish to http://a/whip/door"));
        assert!(!refused("http://me:hush@a/whip/door").contains("hush"));
    }

    #[test]
    fn a_pairing_link_carries_token_and_fingerprint_and_shows_neither() {
        let fingerprint = CertificateFingerprint::of(b"certificate");
        let text = format!("https://192.168.1.5:8443/whip/door#token=hush-hush&fp={fingerprint}");
        let whip: WhipUrl = text.parse().expect("a link");
        assert_eq!(whip.to_string(), "https://192.168.1.5:8443/whip/door");
        assert_eq!(whip.token().as_ref().map(Token::secret), Some("hush-hush"));
        assert_eq!(whip.fingerprint(), Some(Fingerprint(fingerprint)));
        assert!(!format!("{whip:?}").contains("hush"));
        for bad in [
            "https://a/whip/door#token=hush&fp=sha256:12",
            "https://a/whip/door#token=hush&token=hush",
            "https://a/#token=hush",
            "https://a/whep/door#token=hush",
            "a/whip/door#token=hush",
        ] {
            let error = bad.parse::<WhipUrl>().expect_err(bad).to_string();
            assert!(!error.contains("hush"), "{error}");
        }
        let viewers = "https://a/#token=hush".parse::<WhipUrl>();
        assert!(
            viewers
                .expect_err("no stream")
                .to_string()
                .contains("transom-sfu link")
        );
        let error = "ab:cd".parse::<Fingerprint>().expect_err("too short");
        assert!(error.to_string().contains("64 hexadecimal digits"));
    }
}
