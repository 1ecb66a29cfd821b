use ring::digest::{SHA256, digest};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::{MAX_TOKEN_LEN, Scope, StreamPattern, Token};
use crate::directory::StreamName;

/// What one token grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who holds it, for the log.
    pub holder: String,
    /// What for.
    pub scopes: Vec<Scope>,
    /// On which streams.
    pub streams: Vec<StreamPattern>,
}

impl Grant {
    /// Whether it is good for `scope` on `stream`.
    pub fn allows(&self, scope: Scope, stream: &StreamName) -> bool {
        self.scopes.contains(&scope) && self.covers(stream)
    }

    /// Whether it is good for anything on `stream`.
    pub fn covers(&self, stream: &StreamName) -> bool {
        self.streams.iter().any(|p| p.matches(stream))
    }
}

/// Every token that is good, as digests.
#[derive(Debug, Default)]
pub struct TokenTable {
    entries: Vec<([u8; 32], Grant)>,
}

/// Why a request is refused (RFC 6750 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// No `Authorization: Bearer`: 401 without an error code.
    Missing,
    /// The header is not of the form `Bearer b64token`: 401 `invalid_token`.
    Malformed,
    /// No such token: 401 `invalid_token`.
    Unknown,
    /// A good token, but not for this: 403 `insufficient_scope`.
    Scope(Scope),
}

impl TokenTable {
    /// Adds a token. False if it is there already.
    pub fn add(&mut self, token: &Token, grant: Grant) -> bool {
        let digest = digest_of(token.reveal());
        if self.entries.iter().any(|(known, _)| *known == digest) {
            return false;
        }
        self.entries.push((digest, grant));
        true
    }

    /// The grant of the token presented in an `Authorization` header's value.
    pub fn authenticate(&self, authorization: Option<&[u8]>) -> Result<&Grant, AuthError> {
        let token = bearer_of(authorization)?;
        let presented = digest_of(token);
        // Every entry is compared, and as a digest: neither the time nor the
        // place of a first difference tells anything about a token.
        let mut found = u32::MAX;
        for (index, (known, _)) in (0_u32..).zip(&self.entries) {
            let equal: Choice = known.as_slice().ct_eq(&presented);
            found.conditional_assign(&index, equal);
        }
        let entry = usize::try_from(found)
            .ok()
            .and_then(|i| self.entries.get(i));
        entry.map(|(_, grant)| grant).ok_or(AuthError::Unknown)
    }

    /// The same, for `scope` on `stream`.
    pub fn authorize(
        &self,
        authorization: Option<&[u8]>,
        scope: Scope,
        stream: &StreamName,
    ) -> Result<&Grant, AuthError> {
        let grant = self.authenticate(authorization)?;
        match grant.allows(scope, stream) {
            true => Ok(grant),
            false => Err(AuthError::Scope(scope)),
        }
    }
}

/// The token in `Bearer b64token` (RFC 6750 section 2.1). The scheme is
/// compared without regard to case (RFC 9110 section 11.1).
pub fn bearer_of(authorization: Option<&[u8]>) -> Result<&str, AuthError> {
    let value = authorization.ok_or(AuthError::Missing)?;
    let value = std::str::from_utf8(value).map_err(|_| AuthError::Malformed)?;
    let (scheme, token) = value.split_once(' ').ok_or(AuthError::Malformed)?;
    let token = token.trim_matches(' ');
    let legal = scheme.eq_ignore_ascii_case("bearer")
        && !token.is_empty()
        && token.len() <= MAX_TOKEN_LEN
        && token.bytes().all(|b| b.is_ascii_graphic());
    legal.then_some(token).ok_or(AuthError::Malformed)
}

fn digest_of(token: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = "agent-agent-agent-1";
    const VIEWER: &str = "viewer-viewer-viewer";

    fn table() -> TokenTable {
        let mut table = TokenTable::default();
        let grant = |holder: &str, scope, pattern: &str| Grant {
            holder: holder.into(),
            scopes: vec![scope],
            streams: vec![StreamPattern::new(pattern).unwrap()],
        };
        assert!(table.add(
            &Token::new(AGENT).unwrap(),
            grant("agent", Scope::Publish, "door*")
        ));
        assert!(table.add(
            &Token::new(VIEWER).unwrap(),
            grant("viewer", Scope::Watch, "*")
        ));
        table
    }

    fn ask(header: Option<&str>, scope: Scope, stream: &str) -> Result<String, AuthError> {
        let stream = StreamName::new(stream).unwrap();
        let table = table();
        let grant = table.authorize(header.map(str::as_bytes), scope, &stream)?;
        Ok(grant.holder.clone())
    }

    #[test]
    fn a_token_is_good_for_its_scope_and_streams() {
        let agent = format!("Bearer {AGENT}");
        assert_eq!(
            ask(Some(&agent), Scope::Publish, "door1"),
            Ok("agent".into())
        );
        assert_eq!(
            ask(Some(&agent), Scope::Publish, "garage"),
            Err(AuthError::Scope(Scope::Publish))
        );
        assert_eq!(
            ask(Some(&agent), Scope::Watch, "door1"),
            Err(AuthError::Scope(Scope::Watch))
        );
        let viewer = format!("bEARER  {VIEWER}");
        assert_eq!(
            ask(Some(&viewer), Scope::Watch, "garage"),
            Ok("viewer".into())
        );
    }

    #[test]
    fn everything_else_is_refused() {
        let unknown = format!("Bearer {AGENT}x");
        let table = [
            (None, AuthError::Missing),
            (Some("Bearer"), AuthError::Malformed),
            (Some("Bearer "), AuthError::Malformed),
            (Some("Basic YTpi"), AuthError::Malformed),
            (Some("Bearer a b"), AuthError::Malformed),
            (Some(unknown.as_str()), AuthError::Unknown),
        ];
        for (header, expected) in table {
            assert_eq!(
                ask(header, Scope::Watch, "door"),
                Err(expected),
                "{header:?}"
            );
        }
    }

    #[test]
    fn a_token_is_in_the_table_once() {
        let mut table = table();
        let grant = Grant {
            holder: "twice".into(),
            scopes: vec![],
            streams: vec![],
        };
        assert!(!table.add(&Token::new(AGENT).unwrap(), grant));
    }
}
