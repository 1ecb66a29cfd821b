use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// Where HTTP listens: an address with a port; `localhost` is 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HttpAddr(pub SocketAddr);

/// Text that is not a listening address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address with a port; write it like 127.0.0.1:7080 or [::1]:7080")]
pub struct HttpAddrError;

impl FromStr for HttpAddr {
    type Err = HttpAddrError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if let Some(port) = s.strip_prefix("localhost:") {
            let port = port.parse().map_err(|_| HttpAddrError)?;
            return Ok(Self((Ipv4Addr::LOCALHOST, port).into()));
        }
        s.parse().map(Self).map_err(|_| HttpAddrError)
    }
}

impl TryFrom<String> for HttpAddr {
    type Error = HttpAddrError;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

/// Where else is listened: an address, with a port where that is not 8443.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ListenAddr(pub SocketAddr);

/// Text that is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address to listen on; write it like 192.168.1.5, 0.0.0.0:8443 or [::]:8443")]
pub struct ListenAddrError;

impl ListenAddr {
    /// The port where none is said.
    pub const DEFAULT_PORT: u16 = 8443;
}

impl FromStr for ListenAddr {
    type Err = ListenAddrError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bare = |s: &str| s.parse().map(|ip: IpAddr| (ip, Self::DEFAULT_PORT).into());
        let address: Result<SocketAddr, _> = s.parse().or_else(|_| bare(s));
        address.map(Self).map_err(|_| ListenAddrError)
    }
}

impl TryFrom<String> for ListenAddr {
    type Error = ListenAddrError;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

/// An address under which others reach us: behind a port mapping, the port
/// may differ from the one we listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Advertise {
    /// The address.
    pub ip: IpAddr,
    /// The port, where it is not `udp_port`.
    pub port: Option<u16>,
}

/// Text that is not an address to advertise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an address that others can reach; write an IP address, with a port only if it is mapped: 203.0.113.7, 203.0.113.7:40000 or [2001:db8::7]:40000"
)]
pub struct AdvertiseError;

impl FromStr for Advertise {
    type Err = AdvertiseError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bare = s.parse().map(|ip| Self { ip, port: None });
        let with_port = |addr: SocketAddr| Self {
            ip: addr.ip(),
            port: Some(addr.port()),
        };
        let parsed = bare
            .or_else(|_| s.parse().map(with_port))
            .map_err(|_| AdvertiseError)?;
        let usable =
            !parsed.ip.is_unspecified() && !parsed.ip.is_multicast() && parsed.port != Some(0);
        usable.then_some(parsed).ok_or(AdvertiseError)
    }
}

impl TryFrom<String> for Advertise {
    type Error = AdvertiseError;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl fmt::Display for Advertise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of an address.
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

/// How long packets may wait for the rest of their picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Hold(Duration);

/// A number that is no such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time to hold packets for; write milliseconds from 0 (off) to 5, such as 1.5")]
pub struct HoldError;

impl Hold {
    /// More would be seen, and what comes within less is company enough.
    const MAX_MS: f64 = 5.0;
}

impl TryFrom<f64> for Hold {
    type Error = HoldError;
    fn try_from(ms: f64) -> Result<Self, Self::Error> {
        if !(0.0..=Self::MAX_MS).contains(&ms) {
            return Err(HoldError);
        }
        Ok(Self(Duration::from_secs_f64(ms / 1000.0)))
    }
}

impl FromStr for Hold {
    type Err = HoldError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map_err(|_| HoldError).and_then(f64::try_into)
    }
}

impl From<Hold> for Duration {
    fn from(hold: Hold) -> Self {
        hold.0
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.is_zero() {
            true => f.write_str("off"),
            false => write!(f, "{} ms", self.0.as_secs_f64() * 1000.0),
        }
    }
}

/// How many threads send media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "usize")]
pub struct Workers(NonZeroUsize);

/// Text or a number that is no number of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number of workers; write 1 to {}", Workers::MAX)]
pub struct WorkersError;

impl Workers {
    /// More than the cores of any board: past it a number is a slip.
    const MAX: usize = 64;
}

impl Default for Workers {
    /// One: a stream for a household does not fill a core.
    fn default() -> Self {
        Self(NonZeroUsize::MIN)
    }
}

impl TryFrom<usize> for Workers {
    type Error = WorkersError;
    fn try_from(n: usize) -> Result<Self, Self::Error> {
        let n = NonZeroUsize::new(n).filter(|n| n.get() <= Self::MAX);
        n.map(Self).ok_or(WorkersError)
    }
}

impl FromStr for Workers {
    type Err = WorkersError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse()
            .map_err(|_| WorkersError)
            .and_then(usize::try_into)
    }
}

impl From<Workers> for NonZeroUsize {
    fn from(workers: Workers) -> Self {
        workers.0
    }
}

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_to_advertise() {
        for good in [
            "203.0.113.7",
            "203.0.113.7:40000",
            "2001:db8::7",
            "[2001:db8::7]:40000",
        ] {
            let parsed: Advertise = good.parse().unwrap();
            assert_eq!(parsed.to_string(), good);
        }
        for bad in [
            "0.0.0.0",
            "224.0.0.1",
            "example.org",
            "203.0.113.7:0",
            "::",
            "",
        ] {
            assert_eq!(bad.parse::<Advertise>(), Err(AdvertiseError), "{bad}");
        }
    }

    #[test]
    fn numbers_of_workers() {
        assert_eq!("3".parse::<Workers>().unwrap().to_string(), "3");
        for bad in ["0", "65", "-1", "two", ""] {
            assert_eq!(bad.parse::<Workers>(), Err(WorkersError), "{bad}");
        }
    }

    #[test]
    fn times_to_hold() {
        assert_eq!("0".parse::<Hold>().unwrap().to_string(), "off");
        assert_eq!("1.5".parse::<Hold>().unwrap().to_string(), "1.5 ms");
        for bad in ["-1", "5.1", "nan", "inf", "1ms", ""] {
            assert_eq!(bad.parse::<Hold>(), Err(HoldError), "{bad}");
        }
    }

    #[test]
    fn more_addresses_to_listen_on() {
        for (text, address) in [
            ("192.168.1.5", "192.168.1.5:8443"),
            ("0.0.0.0:443", "0.0.0.0:443"),
            ("::", "[::]:8443"),
            ("[::]:0", "[::]:0"),
        ] {
            assert_eq!(text.parse(), Ok(ListenAddr(address.parse().unwrap())));
        }
        for bad in ["", "8443", "raspberrypi.local:8443", "[::]", "1.2.3.4:x"] {
            assert_eq!(bad.parse::<ListenAddr>(), Err(ListenAddrError), "{bad}");
        }
    }

    #[test]
    fn addresses_to_listen_on() {
        assert_eq!(
            "localhost:1".parse(),
            Ok(HttpAddr(([127, 0, 0, 1], 1).into()))
        );
        assert!("7080".parse::<HttpAddr>().is_err());
        assert!("example.org:1".parse::<HttpAddr>().is_err());
    }
}
