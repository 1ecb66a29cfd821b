//! Who may do what: bearer tokens (RFC 6750) with scopes and stream patterns.

mod pattern;
mod table;

use std::fmt;

use serde::Deserialize;

pub use pattern::StreamPattern;
pub use table::{AuthError, Grant, TokenTable, bearer_of};

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Send a stream: WHIP.
    Publish,
    /// Receive a stream: WHEP.
    Watch,
    /// Ask for the drive lease of a stream's robot.
    Drive,
    /// With drive: take the drive lease from whoever has it.
    Admin,
    /// Read the figures of the server, and of the streams: `/metrics`.
    Metrics,
}

impl Scope {
    /// The word in the configuration and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Watch => "watch",
            Self::Drive => "drive",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A bearer token. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Token(String);

/// Shortest token taken from a configuration, bytes: 96 bits in base64url.
pub const MIN_TOKEN_LEN: usize = 16;
/// Longest token, bytes.
pub const MAX_TOKEN_LEN: usize = 256;

/// A token that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is 16 to 256 of `A-Z a-z 0-9 - . _ ~ + /`; make one with `openssl rand -hex 32`")]
pub struct TokenError;

impl Token {
    /// The token `s`, if a header can carry it (`b64token`, RFC 6750 section
    /// 2.1) and it is long enough not to be guessed.
    pub fn new(s: &str) -> Result<Self, TokenError> {
        let legal = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
        };
        let fits = (MIN_TOKEN_LEN..=MAX_TOKEN_LEN).contains(&s.len());
        (fits && s.bytes().all(legal))
            .then(|| Self(s.into()))
            .ok_or(TokenError)
    }

    /// The secret itself: for the header, the link and the secrets' file only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Token {
    type Error = TokenError;
    fn try_from(s: String) -> Result<Self, TokenError> {
        Self::new(&s)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_or_odd_tokens_are_refused_and_none_is_shown() {
        assert!(Token::new("secret").is_err());
        assert!(Token::new("has a blank in it").is_err());
        assert!(Token::new(&"x".repeat(MAX_TOKEN_LEN + 1)).is_err());
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(!format!("{token:?}").contains("0123"));
    }
}
