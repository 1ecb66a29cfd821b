use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Deserialize;

/// The names under which the figures are served.
///
/// A page on the web can have its own name resolve to this machine and then read, in the browser
/// of somebody here, what only this machine may (DNS rebinding). The browser still names the
/// page's host in its request; so what is asked for under a name that is not ours is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames(Vec<HostName>);

/// A name of this machine, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(String);

/// Longest name (RFC 1035 section 2.3.4), bytes.
const MAX_NAME_LEN: usize = 253;

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.trim().trim_end_matches('.');
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        match (1..=MAX_NAME_LEN).contains(&name.len()) && name.bytes().all(legal) {
            true => Ok(Self(name.to_ascii_lowercase())),
            false => Err(format!(
                "`{text}` is no host name: write it as robot.example, without a port"
            )),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl HostNames {
    /// This machine's own: its host name, the same in `.local` (multicast DNS), and those that
    /// the configuration adds.
    pub fn of_this_machine(configured: &[HostName]) -> Self {
        let uname = rustix::system::uname();
        let own = uname.nodename().to_str().ok();
        Self::new(own.and_then(|name| name.parse().ok()), configured)
    }

    fn new(own: Option<HostName>, configured: &[HostName]) -> Self {
        let local = own
            .as_ref()
            .filter(|name| !name.0.contains('.'))
            .map(|name| HostName(format!("{}.local", name.0)));
        let own = own.into_iter().chain(local);
        Self(own.chain(configured.iter().cloned()).collect())
    }

    /// Whether a request may be for this host, as its target or `Host` says: a name of ours, or an
    /// address, which nobody can have resolve to another; with or without a port.
    pub fn serves(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            // [2001:db8::1]:9101
            Some(v6) => {
                let Some((address, rest)) = v6.split_once(']') else {
                    return false;
                };
                return is_port(rest) && address.parse::<Ipv6Addr>().is_ok();
            }
            None => {
                let (name, port) = match host.find(':') {
                    Some(at) => host.split_at(at),
                    None => (host, ""),
                };
                if !is_port(port) {
                    return false;
                }
                name
            }
        };
        if name.parse::<Ipv4Addr>().is_ok() {
            return true;
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let ours = self.0.iter().map(|ours| ours.0.as_str());
        let mut ours = ours.chain(["localhost"]);
        ours.any(|ours| ours.eq_ignore_ascii_case(name))
    }
}

/// Nothing, or `:` and a number.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => port.bytes().all(|b| b.is_ascii_digit()),
        None => text.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> HostNames {
        let own = "RaspberryPi".parse().ok();
        let configured = ["robot.example".parse().expect("a name")];
        HostNames::new(own, &configured)
    }

    #[test]
    fn addresses_and_names_of_ours_are_served() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9101",
            "192.168.1.5:9101",
            "[::1]:9101",
            "[fe80::1]",
            "localhost:9101",
            "LocalHost.",
            "raspberrypi:9101",
            "raspberrypi.local",
            "Robot.Example:80",
        ] {
            assert!(names().serves(host), "{host}");
        }
    }

    #[test]
    fn names_of_others_are_not() {
        for host in [
            "",
            ":9101",
            "evil.example",
            "raspberrypi.evil.example:9101",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:x",
            "[::1",
            "[evil.example]",
            "[::1]evil.example",
            "::1",
            "robot.example.evil",
            "localhost..",
        ] {
            assert!(!names().serves(host), "{host}");
        }
        assert!(!HostNames::default().serves("raspberrypi"));
        assert!(HostNames::default().serves("localhost"));
    }

    #[test]
    fn a_name_has_no_port_and_no_path() {
        for bad in ["", ".", "a:1", "http://a", "a/b", "*"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
        let long = "a".repeat(300);
        assert!(long.parse::<HostName>().is_err());
    }
}
