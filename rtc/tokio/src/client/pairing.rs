use std::fmt;
use std::str::FromStr;

use super::{CertificateFingerprint, FingerprintError, Url, UrlError};

/// All that a client has to be told of a server, in one line to copy:
/// `https://192.168.1.5:8443/whip/door#token=...&fp=sha256:...`.
///
/// The secret stands in the fragment, which no request carries. A URL without
/// one is a link too, that tells less. Parts of the fragment that are not
/// known are passed over.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingLink {
    /// The endpoint.
    pub url: Url,
    /// The bearer token.
    pub token: Option<String>,
    /// The server's certificate, if it is one that no public authority signed.
    pub fingerprint: Option<CertificateFingerprint>,
}

/// Text that is no pairing link. No message quotes it: a token may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairingError {
    /// The part before the fragment.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// `fp=` in the fragment.
    #[error(transparent)]
    Fingerprint(#[from] FingerprintError),
    /// `token=` or `fp=` stands there twice, or with nothing after it.
    #[error("`{0}=` is empty or stands twice after the `#`; copy the whole link anew")]
    Malformed(&'static str),
    /// There is no certificate over http.
    #[error("a fingerprint (`fp=`) is for https, and the URL begins with http://")]
    PlainHttp,
}

impl FromStr for PairingLink {
    type Err = PairingError;

    fn from_str(text: &str) -> Result<Self, PairingError> {
        let text = text.trim_ascii();
        let url: Url = text.parse()?;
        let fragment = text.split_once('#').map_or("", |(_, fragment)| fragment);
        let token = only(fragment, "token")?.map(percent_decoded);
        let token = token
            .map(|t| t.ok_or(PairingError::Malformed("token")))
            .transpose()?;
        let fingerprint: Option<CertificateFingerprint> =
            only(fragment, "fp")?.map(str::parse).transpose()?;
        if fingerprint.is_some() && !url.is_https() {
            return Err(PairingError::PlainHttp);
        }
        Ok(Self {
            url,
            token,
            fingerprint,
        })
    }
}

impl fmt::Debug for PairingLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairingLink")
            .field("url", &self.url)
            .field("token", &self.token.as_ref().map(|_| "..")) // never in a log
            .field("fingerprint", &self.fingerprint)
            .finish()
    }
}

/// The value of `name`, which stands there once and is not empty, or not at all.
fn only<'a>(fragment: &'a str, name: &'static str) -> Result<Option<&'a str>, PairingError> {
    let mut values = fragment.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then_some(value)
    });
    match (values.next(), values.next()) {
        (Some(""), _) | (Some(_), Some(_)) => Err(PairingError::Malformed(name)),
        (value, _) => Ok(value),
    }
}

/// RFC 3986 section 2.1. A plus sign is one: this is no form.
fn percent_decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (hex, rest) = piece.split_at_checked(2)?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        decoded.push(u8::from_str_radix(hex, 16).ok()?);
        decoded.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://192.168.1.5:8443/whip/door";

    fn link(text: &str) -> Result<PairingLink, PairingError> {
        text.parse()
    }

    #[test]
    fn a_whole_link_tells_all() {
        let fingerprint = CertificateFingerprint::of(b"certificate");
        let paired = link(&format!("{URL}#token=hush-hush_&fp={fingerprint}&x=y")).unwrap();
        assert_eq!(paired.url.to_string(), URL);
        assert_eq!(paired.token.as_deref(), Some("hush-hush_"));
        assert_eq!(paired.fingerprint, Some(fingerprint));
        assert!(!format!("{paired:?}").contains("hush"));
    }

    #[test]
    fn an_address_alone_is_a_link() {
        for text in [
            URL,
            &format!("{URL}#"),
            &format!("{URL}#door"),
            "http://a/b",
        ] {
            let paired = link(text).unwrap();
            assert_eq!((paired.token, paired.fingerprint), (None, None), "{text}");
        }
    }

    #[test]
    fn tokens_are_decoded() {
        let token = |text: &str| link(&format!("{URL}#token={text}")).map(|l| l.token);
        assert_eq!(token("a%2Bb+c/d=="), Ok(Some("a+b+c/d==".into())));
        for bad in ["a%", "a%2", "a%zz", "%+1", "%ff"] {
            assert_eq!(token(bad), Err(PairingError::Malformed("token")), "{bad}");
        }
    }

    #[test]
    fn what_is_cut_off_or_doubled_is_refused_and_not_quoted() {
        let fp = CertificateFingerprint::of(b"");
        for (fragment, expected) in [
            ("token=".to_owned(), PairingError::Malformed("token")),
            (
                "token=hush&token=hash".into(),
                PairingError::Malformed("token"),
            ),
            (format!("fp={fp}&fp={fp}"), PairingError::Malformed("fp")),
            ("fp=sha256:ab".into(), FingerprintError.into()),
        ] {
            let refused = link(&format!("{URL}#{fragment}"));
            assert_eq!(refused, Err(expected), "{fragment}");
            assert!(!expected.to_string().contains("hush"));
        }
        assert_eq!(
            link(&format!("http://a/whip/b#fp={fp}")),
            Err(PairingError::PlainHttp)
        );
        assert_eq!(link("#token=hush"), Err(UrlError::Scheme.into()));
    }
}
