use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Longest URL taken, bytes.
const MAX_LEN: usize = 2048;

/// An `http` or `https` URL without user or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    https: bool,
    /// In lower case; an IPv6 address in brackets.
    host: String,
    port: u16,
    /// Path and query, beginning with `/`.
    target: String,
}

/// Why a URL cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Neither `http:` nor `https:`.
    #[error("the URL must begin with http:// or https://")]
    Scheme,
    /// No host, or none that can be one.
    #[error("the URL has no valid host")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("the port in the URL is not a number from 1 to 65535")]
    Port,
    /// A user or password before the host.
    #[error("the URL must not contain a user name or password; use a token")]
    UserInfo,
    /// A blank, a control character or one that is not ASCII.
    #[error("the URL contains a character that has to be percent-encoded")]
    Character,
    /// Longer than 2048 bytes.
    #[error("the URL is longer than 2048 bytes")]
    TooLong,
}

impl Url {
    /// Whether it is `https`.
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// The host as TLS and the resolver want it: an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, told or by default.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, as they stand in a request.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Host and port, as the `Host` header has them (RFC 9110 section 7.2).
    pub fn authority(&self) -> String {
        if self.port == default_port(self.https) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether scheme, host and port are the same (RFC 6454 section 5).
    pub fn same_origin(&self, other: &Self) -> bool {
        self.https == other.https && self.host == other.host && self.port == other.port
    }

    /// The URL that `reference` names when it is found at this one (RFC 3986 section 5.2).
    ///
    /// # Errors
    /// As for parsing a URL.
    pub fn resolve(&self, reference: &str) -> Result<Self, UrlError> {
        let reference = strip_fragment(reference.trim_ascii());
        if has_scheme(reference) {
            return reference.parse();
        }
        if reference.starts_with("//") {
            return format!("{}{reference}", scheme(self.https)).parse();
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let target = if reference.is_empty() {
            self.target.clone()
        } else if reference.starts_with('/') {
            reference.to_owned()
        } else if reference.starts_with('?') {
            format!("{path}{reference}")
        } else {
            let folder = path.rfind('/').map_or("", |i| &path[..i]);
            format!("{folder}/{reference}")
        };
        check(&target)?;
        Ok(Self {
            target: remove_dot_segments(&target),
            ..self.clone()
        })
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(s: &str) -> Result<Self, UrlError> {
        let s = strip_fragment(s.trim_ascii());
        check(s)?;
        let (name, rest) = s.split_once("://").ok_or(UrlError::Scheme)?;
        let https = match name.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(UrlError::Scheme),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        Ok(Self {
            https,
            host: host.to_ascii_lowercase(),
            port: port.unwrap_or(default_port(https)),
            target: if target.starts_with('/') {
                remove_dot_segments(target)
            } else {
                format!("/{target}")
            },
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = scheme(self.https);
        write!(f, "{scheme}//{}{}", self.authority(), self.target)
    }
}

const fn scheme(https: bool) -> &'static str {
    if https { "https:" } else { "http:" }
}

const fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

fn strip_fragment(s: &str) -> &str {
    s.split('#').next().unwrap_or_default()
}

fn has_scheme(s: &str) -> bool {
    let name = s.split([':', '/', '?']).next().unwrap_or_default();
    s.as_bytes().get(name.len()) == Some(&b':')
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn check(s: &str) -> Result<(), UrlError> {
    if s.len() > MAX_LEN {
        return Err(UrlError::TooLong);
    }
    // RFC 3986 section 2: reserved, unreserved and the percent sign.
    let is_uri = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    if !s.bytes().all(is_uri) {
        return Err(UrlError::Character);
    }
    Ok(())
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match authority.strip_prefix('[').map(|v6| v6.split_once(']')) {
        Some(None) => return Err(UrlError::Host),
        Some(Some((v6, rest))) => {
            if !matches!(v6.parse(), Ok(IpAddr::V6(_))) {
                return Err(UrlError::Host);
            }
            let host = &authority[..v6.len() + 2];
            match rest.strip_prefix(':') {
                Some(port) => (host, port),
                None if rest.is_empty() => (host, ""),
                None => return Err(UrlError::Host),
            }
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if host.is_empty() || !(host.starts_with('[') || host.bytes().all(is_name)) {
        return Err(UrlError::Host);
    }
    let port = match port {
        "" => None,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            let number = digits.parse().ok().filter(|port| *port > 0);
            Some(number.ok_or(UrlError::Port)?)
        }
        _ => return Err(UrlError::Port),
    };
    Ok((host, port))
}

/// RFC 3986 section 5.2.4, for a target that begins with `/`.
fn remove_dot_segments(target: &str) -> String {
    let (path, query) = match target.find('?') {
        Some(i) => target.split_at(i),
        None => (target, ""),
    };
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(s: &str) -> Url {
        s.parse().unwrap()
    }

    #[test]
    fn parts_are_found() {
        let u = url("HTTPS://Door.Example:8443/whip/a?b=c#token");
        assert!(u.is_https());
        assert_eq!((u.host(), u.port()), ("door.example", 8443));
        assert_eq!(u.target(), "/whip/a?b=c");
        assert_eq!(u.to_string(), "https://door.example:8443/whip/a?b=c");

        let u = url("http://[::1]:7080");
        assert_eq!((u.host(), u.port(), u.target()), ("::1", 7080, "/"));
        assert_eq!(u.authority(), "[::1]:7080");
        assert_eq!(url("http://a:80/").authority(), "a");
        assert_eq!(url("https://a?q").target(), "/?q");
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_reason() {
        for (s, error) in [
            ("", UrlError::Scheme),
            ("door.example/whip", UrlError::Scheme),
            ("ftp://a/", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http:///whip", UrlError::Host),
            ("http://:80/", UrlError::Host),
            ("http://[::1", UrlError::Host),
            ("http://[1.2.3.4]/", UrlError::Host),
            ("http://[::1]x/", UrlError::Host),
            ("http://a%41/", UrlError::Host),
            ("http://a:0/", UrlError::Port),
            ("http://a:65536/", UrlError::Port),
            ("http://a:+1/", UrlError::Port),
            ("http://a:b:c/", UrlError::Port),
            ("http://me:pw@a/", UrlError::UserInfo),
            ("http://a/ b", UrlError::Character),
            ("http://a/\r\nX: y", UrlError::Character),
            ("http://\u{e4}/", UrlError::Character),
        ] {
            assert_eq!(s.parse::<Url>(), Err(error), "{s:?}");
        }
        let long = format!("http://a/{}", "x".repeat(MAX_LEN));
        assert_eq!(long.parse::<Url>(), Err(UrlError::TooLong));
    }

    /// The examples of RFC 3986 sections 5.4.1 and 5.4.2 that are about http
    /// URLs, without their `;` parameters' base and fragments.
    #[test]
    fn references_resolve_as_in_the_rfc() {
        let base = url("http://a/b/c/d;p?q");
        for (reference, expected) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("http://other:81/s", "http://other:81/s"),
        ] {
            let resolved = base.resolve(reference).map(|u| u.to_string());
            assert_eq!(resolved.as_deref(), Ok(expected), "{reference:?}");
        }
        assert_eq!(base.resolve("mailto:x"), Err(UrlError::Scheme));
        assert_eq!(base.resolve("a b"), Err(UrlError::Character));
    }

    #[test]
    fn origins_differ_by_scheme_host_and_port() {
        let base = url("https://a/x");
        assert!(base.same_origin(&url("https://A:443/y")));
        for other in [
            "http://a/x",
            "https://b/x",
            "https://a:444/x",
            "http://a:443/",
        ] {
            assert!(!base.same_origin(&url(other)), "{other}");
        }
    }
}
