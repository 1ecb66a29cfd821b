use core::fmt;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};

/// A pair of addresses a datagram travels between, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// Our end: the address the datagram came to, and is answered from.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
}

impl Path {
    /// The same path in the one form in which the agent compares and returns
    /// paths: IPv4-mapped addresses as IPv4, no flow label, and a scope id only
    /// where the address is link-local.
    #[must_use]
    pub fn canonical(self) -> Self {
        Self {
            local: canonical(self.local),
            remote: canonical(self.remote),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}<->{}", self.local, self.remote)
    }
}

pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    match (addr.ip().to_canonical(), addr) {
        (IpAddr::V6(ip), SocketAddr::V6(v6)) => {
            let scope_id = if ip.is_unicast_link_local() {
                v6.scope_id()
            } else {
                0
            };
            SocketAddr::V6(SocketAddrV6::new(ip, v6.port(), 0, scope_id))
        }
        (ip, _) => SocketAddr::new(ip, addr.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(ip: &str, flowinfo: u32, scope_id: u32) -> SocketAddr {
        SocketAddr::V6(SocketAddrV6::new(
            ip.parse().unwrap(),
            9,
            flowinfo,
            scope_id,
        ))
    }

    #[test]
    fn one_form_for_one_address() {
        assert_eq!(
            canonical(v6("::ffff:192.0.2.1", 0, 0)),
            "192.0.2.1:9".parse().unwrap()
        );
        assert_eq!(canonical(v6("2001:db8::1", 7, 3)), v6("2001:db8::1", 0, 0));
        assert_eq!(canonical(v6("fe80::1", 7, 3)), v6("fe80::1", 0, 3));
    }
}
