//! Socket addresses between Rust's form and C's.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use libc::{in_addr, in6_addr, sa_family_t, sockaddr_in, sockaddr_in6, socklen_t};

use super::Family;
use super::option::checked;

/// A socket address as the kernel writes and reads it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union Name {
    family: sa_family_t,
    v4: sockaddr_in,
    v6: sockaddr_in6,
}

/// Room for either family.
#[allow(clippy::cast_possible_truncation)] // 28
pub(super) const NAME_LEN: socklen_t = size_of::<Name>() as socklen_t;

#[allow(clippy::cast_possible_truncation)] // 16 and 28
const V4_LEN: socklen_t = size_of::<sockaddr_in>() as socklen_t;
#[allow(clippy::cast_possible_truncation)]
const V6_LEN: socklen_t = size_of::<sockaddr_in6>() as socklen_t;
#[allow(clippy::cast_possible_truncation)] // 2 and 10
const AF_INET: sa_family_t = libc::AF_INET as sa_family_t;
#[allow(clippy::cast_possible_truncation)]
const AF_INET6: sa_family_t = libc::AF_INET6 as sa_family_t;

impl Name {
    /// All bytes zero.
    pub(super) const EMPTY: Self = Self {
        v6: v6_name(Ipv6Addr::UNSPECIFIED, 0, 0, 0),
    };

    /// `addr` for a socket of `family`, and how long that is. `None` where
    /// such a socket cannot reach it.
    pub(super) fn encode(addr: SocketAddr, family: Family) -> Option<(Self, socklen_t)> {
        match (family, addr) {
            (Family::V4, SocketAddr::V4(addr)) => {
                let v4 = sockaddr_in {
                    sin_family: AF_INET,
                    sin_port: addr.port().to_be(),
                    sin_addr: v4_to_c(*addr.ip()),
                    sin_zero: [0; 8],
                };
                Some((Self { v4 }, V4_LEN))
            }
            (Family::V6 { dual: true }, SocketAddr::V4(addr)) => {
                let v6 = v6_name(addr.ip().to_ipv6_mapped(), addr.port(), 0, AF_INET6);
                Some((Self { v6 }, V6_LEN))
            }
            (Family::V6 { .. }, SocketAddr::V6(addr)) => {
                let v6 = v6_name(*addr.ip(), addr.port(), addr.scope_id(), AF_INET6);
                Some((Self { v6 }, V6_LEN))
            }
            _ => None,
        }
    }

    /// The address in the first `len` bytes; mapped ones come out as IPv4.
    pub(super) fn decode(&self, len: socklen_t) -> Option<SocketAddr> {
        // SAFETY: every field of the union is plain data at least as long as
        // `family`, and `Name` is made only with all bytes set.
        match unsafe { self.family } {
            AF_INET if len >= V4_LEN => {
                // SAFETY: as above; any bytes are a valid sockaddr_in.
                let v4 = unsafe { self.v4 };
                let ip = v4_from_c(v4.sin_addr);
                Some((ip, u16::from_be(v4.sin_port)).into())
            }
            AF_INET6 if len >= V6_LEN => {
                // SAFETY: as above; any bytes are a valid sockaddr_in6.
                let v6 = unsafe { self.v6 };
                let ip = v6_from_c(v6.sin6_addr);
                Some(canonical(ip, u16::from_be(v6.sin6_port), v6.sin6_scope_id))
            }
            _ => None,
        }
    }
}

const fn v6_name(ip: Ipv6Addr, port: u16, scope_id: u32, family: sa_family_t) -> sockaddr_in6 {
    sockaddr_in6 {
        sin6_family: family,
        sin6_port: port.to_be(),
        sin6_flowinfo: 0,
        sin6_addr: v6_to_c(ip),
        sin6_scope_id: scope_id,
    }
}

/// The one form in which an address is handed up, so that equal addresses
/// compare equal: mapped IPv4 as IPv4, a scope only where it means something.
pub(super) fn canonical(ip: Ipv6Addr, port: u16, scope_id: u32) -> SocketAddr {
    match ip.to_ipv4_mapped() {
        Some(v4) => (v4, port).into(),
        None if ip.is_unicast_link_local() => SocketAddrV6::new(ip, port, 0, scope_id).into(),
        None => (ip, port).into(),
    }
}

pub(super) fn v4_to_c(ip: Ipv4Addr) -> in_addr {
    in_addr {
        s_addr: u32::from_ne_bytes(ip.octets()),
    }
}

pub(super) fn v4_from_c(addr: in_addr) -> Ipv4Addr {
    addr.s_addr.to_ne_bytes().into()
}

pub(super) const fn v6_to_c(ip: Ipv6Addr) -> in6_addr {
    in6_addr {
        s6_addr: ip.octets(),
    }
}

pub(super) fn v6_from_c(addr: in6_addr) -> Ipv6Addr {
    addr.s6_addr.into()
}

pub(super) fn bind(fd: &OwnedFd, addr: SocketAddr) -> io::Result<()> {
    let family = match addr.ip() {
        IpAddr::V4(_) => Family::V4,
        IpAddr::V6(_) => Family::V6 { dual: false },
    };
    let (name, len) = Name::encode(addr, family).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: the pointer is to `name`, of which `len` bytes are set, read within the call.
    checked(unsafe { libc::bind(fd.as_raw_fd(), (&raw const name).cast(), len) })
}

pub(super) fn local_addr(fd: &OwnedFd) -> io::Result<SocketAddr> {
    let mut name = MaybeUninit::new(Name::EMPTY);
    let mut len = NAME_LEN;
    // SAFETY: `name` has room for the `len` bytes that the call may write.
    checked(unsafe { libc::getsockname(fd.as_raw_fd(), name.as_mut_ptr().cast(), &raw mut len) })?;
    // SAFETY: it was initialised above.
    let name = unsafe { name.assume_init() };
    name.decode(len).ok_or(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(addr: &str, family: Family) -> Option<SocketAddr> {
        let (name, len) = Name::encode(addr.parse().unwrap(), family)?;
        name.decode(len)
    }

    #[test]
    fn addresses_survive_the_round_trip() {
        let dual = Family::V6 { dual: true };
        for (addr, family) in [
            ("192.0.2.7:5004", Family::V4),
            ("192.0.2.7:5004", dual),
            ("[2001:db8::1]:65535", dual),
            ("[fe80::1%3]:9", Family::V6 { dual: false }),
        ] {
            assert_eq!(round_trip(addr, family), addr.parse().ok(), "{addr}");
        }
    }

    #[test]
    fn the_other_family_is_out_of_reach() {
        assert_eq!(round_trip("[::1]:1", Family::V4), None);
        assert_eq!(round_trip("127.0.0.1:1", Family::V6 { dual: false }), None);
    }

    #[test]
    fn a_scope_is_kept_for_link_local_addresses_only() {
        let scope = |ip: &str| match canonical(ip.parse().unwrap(), 1, 7) {
            SocketAddr::V6(addr) => addr.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        assert_eq!(scope("fe80::1"), 7);
        assert_eq!(scope("2001:db8::1"), 0);
    }

    #[test]
    fn short_and_foreign_names_are_no_addresses() {
        let (name, len) = Name::encode("127.0.0.1:1".parse().unwrap(), Family::V4).unwrap();
        assert_eq!(name.decode(len - 1), None);
        assert_eq!(Name::EMPTY.decode(NAME_LEN), None);
    }
}
