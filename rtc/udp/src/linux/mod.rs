//! The socket by Linux's own calls.
#![allow(unsafe_code)] // the socket interface is C

mod control;
mod name;
mod option;
mod recv;
mod send;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::counters::Tally;
use crate::send::Gso;
use crate::{Counters, SocketConfig};

/// A UDP socket that works in batches. It never blocks and can be shared among threads.
#[derive(Debug)]
pub struct UdpSocket {
    fd: OwnedFd,
    local_addr: SocketAddr,
    family: Family,
    recv_buffer: usize,
    send_buffer: usize,
    gro: bool,
    gso: Gso,
    tally: Tally,
}

/// The family of the socket, which is not always that of its traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    /// With `dual`, IPv4 addresses pass mapped (`::ffff:a.b.c.d`).
    V6 {
        dual: bool,
    },
}

impl UdpSocket {
    /// Opens a socket bound to `addr`. Port 0 takes a free one.
    ///
    /// # Errors
    /// `AddrInUse` and `AddrNotAvailable` by the kernel's verdict on `addr`;
    /// others where the kernel lacks what cannot be done without (packet info).
    pub fn bind(addr: SocketAddr, config: &SocketConfig) -> io::Result<Self> {
        let family = match addr.ip() {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(ip) => Family::V6 {
                dual: ip.is_unspecified() && !config.only_v6,
            },
        };
        let fd = open(family)?;
        match family {
            Family::V4 => option::set(&fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
            Family::V6 { dual } => {
                let only_v6 = i32::from(!dual);
                option::set(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, only_v6)?;
                option::set(&fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            }
        }
        never_fragment(&fd, family);
        let recv_buffer = option::grow_recv_buffer(&fd, config.recv_buffer)?;
        let send_buffer = option::grow_send_buffer(&fd, config.send_buffer)?;
        let gro = config.gro && option::set(&fd, libc::SOL_UDP, libc::UDP_GRO, 1).is_ok();
        // A kernel without the option would take the request for one large datagram.
        let gso = config.gso && option::get(&fd, libc::SOL_UDP, libc::UDP_SEGMENT).is_ok();
        name::bind(&fd, addr)?;
        Ok(Self {
            local_addr: name::local_addr(&fd)?,
            fd,
            family,
            recv_buffer,
            send_buffer,
            gro,
            gso: Gso::new(gso),
            tally: Tally::default(),
        })
    }

    /// The bound address, with the real port.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Receive buffer granted, bytes, in the measure of
    /// [`SocketConfig::recv_buffer`]; `net.core.rmem_max` limits it.
    pub const fn recv_buffer(&self) -> usize {
        self.recv_buffer
    }

    /// Send buffer granted, bytes; `net.core.wmem_max` limits it.
    pub const fn send_buffer(&self) -> usize {
        self.send_buffer
    }

    /// Whether the kernel coalesces what arrives.
    pub const fn gro_in_use(&self) -> bool {
        self.gro
    }

    /// Whether the kernel segments what is sent. Turns to `false` for good
    /// when kernel or driver refuse.
    pub fn gso_in_use(&self) -> bool {
        self.gso.in_use()
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.tally.snapshot()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Sets the Don't Fragment bit, whatever the path's MTU is taken for: a lost
/// fragment loses the whole datagram, ours fit any link (1,200 bytes), and
/// Linux need not look for a number for each (RFC 6864 section 4.1). A kernel
/// that refuses goes on fragmenting.
fn never_fragment(fd: &OwnedFd, family: Family) {
    let (v4, v6) = (libc::IP_MTU_DISCOVER, libc::IPV6_MTU_DISCOVER);
    if !matches!(family, Family::V6 { dual: false }) {
        let _ = option::set(fd, libc::IPPROTO_IP, v4, libc::IP_PMTUDISC_PROBE);
    }
    if matches!(family, Family::V6 { .. }) {
        let _ = option::set(fd, libc::IPPROTO_IPV6, v6, libc::IPV6_PMTUDISC_PROBE);
    }
}

fn open(family: Family) -> io::Result<OwnedFd> {
    let domain = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 { .. } => libc::AF_INET6,
    };
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::socket(domain, kind, libc::IPPROTO_UDP) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
