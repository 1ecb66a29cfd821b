//! One UDP port, a socket for each family.
//!
//! A dual-stack socket would serve both. But Linux takes an IPv4 datagram on
//! one through its IPv6 code first, which every one of them would pay for.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use transom_rtc_udp::{SocketConfig, Transmit, UdpSocket};

/// Free ports tried where any will do, until one is free in both families.
const ATTEMPTS: usize = 16;

/// The sockets of the port, of which there is one at least.
#[derive(Debug)]
pub(super) struct UdpPort {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    local_addr: SocketAddr,
}

impl UdpPort {
    /// Most sockets that a port has.
    pub(super) const FAMILIES: usize = 2;

    /// Opens `port` on all addresses; 0 takes a free one. A family that the
    /// system does not have is left out.
    ///
    /// # Errors
    /// Those of [`UdpSocket::bind`], where the port is taken or no family is left.
    pub(super) fn open(port: u16) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::try_open(port) {
                Err(e)
                    if port == 0 && e.kind() == io::ErrorKind::AddrInUse && attempt < ATTEMPTS =>
                {
                    attempt += 1; // it was free in one family only
                }
                result => return result,
            }
        }
    }

    fn try_open(port: u16) -> io::Result<Self> {
        let config = SocketConfig {
            only_v6: true,
            ..SocketConfig::default()
        };
        let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port).into(), &config);
        let port = match &v4 {
            Ok(socket) => socket.local_addr().port(),
            Err(e) if is_final(e) => return v4.map(Self::only_v4),
            Err(_) => port,
        };
        match (
            v4,
            UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port).into(), &config),
        ) {
            (_, Err(e)) if is_final(&e) => Err(e),
            (Ok(v4), Err(_)) => Ok(Self::only_v4(v4)),
            (v4, Ok(v6)) => Ok(Self {
                local_addr: v6.local_addr(),
                v4: v4.ok(),
                v6: Some(v6),
            }),
            (Err(e), Err(_)) => Err(e),
        }
    }

    fn only_v4(socket: UdpSocket) -> Self {
        Self {
            local_addr: socket.local_addr(),
            v4: Some(socket),
            v6: None,
        }
    }

    /// The port, at the unspecified address of a family that it serves.
    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Whether IPv6 is served.
    pub(super) const fn has_v6(&self) -> bool {
        self.v6.is_some()
    }

    /// Each is to be watched and read.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.v4.iter().chain(&self.v6)
    }

    /// Sends `transmits` over `contents`, as [`UdpSocket::send_batch`] does, and
    /// tells `left` what a full socket did not take. Those for the other family
    /// leave all the same.
    ///
    /// # Errors
    /// Where a socket is unusable.
    pub(super) fn send(
        &self,
        transmits: &mut [Transmit],
        contents: &[u8],
        mut left: impl FnMut(&[Transmit]),
    ) -> io::Result<()> {
        let same_family = |a: &Transmit, b: &Transmit| a.remote.is_ipv4() == b.remote.is_ipv4();
        for run in transmits.chunk_by_mut(same_family) {
            let is_v4 = run.first().is_some_and(|t| t.remote.is_ipv4());
            let socket = if is_v4 { &self.v4 } else { &self.v6 };
            match socket {
                Some(socket) => send_all(socket, run, contents, &mut left)?,
                None => left(run),
            }
        }
        Ok(())
    }
}

/// Sends in two attempts at most: the second learns whether the socket is full.
fn send_all(
    socket: &UdpSocket,
    transmits: &mut [Transmit],
    contents: &[u8],
    left: &mut impl FnMut(&[Transmit]),
) -> io::Result<()> {
    let mut at = 0;
    for _ in 0..2 {
        match socket.send_batch(&mut transmits[at..], contents) {
            Ok(taken) => at += taken,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => {
                left(&transmits[at..]);
                return Err(e);
            }
        }
        if at >= transmits.len() {
            return Ok(());
        }
    }
    left(&transmits[at..]);
    Ok(())
}

/// Whether the port as such is refused, and not a family that is missing.
fn is_final(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_udp::RecvBatch;

    /// Loopback addresses of the families that this machine has.
    fn loopbacks(port: &UdpPort) -> Vec<std::net::IpAddr> {
        let v6 = port.has_v6().then_some(Ipv6Addr::LOCALHOST.into());
        [Ipv4Addr::LOCALHOST.into()].into_iter().chain(v6).collect()
    }

    #[test]
    fn one_call_sends_to_both_families() {
        let port = UdpPort::open(0).unwrap();
        let local = port.local_addr().port();
        assert_ne!(local, 0);
        let mut transmits = Vec::new();
        let mut receivers = Vec::new();
        for ip in loopbacks(&port) {
            let receiver = std::net::UdpSocket::bind((ip, 0)).unwrap();
            for _ in 0..2 {
                transmits.push(Transmit {
                    local: (ip, local).into(),
                    remote: receiver.local_addr().unwrap(),
                    range: 0..5,
                    segment_size: None,
                });
            }
            receivers.push(receiver);
        }
        transmits.rotate_left(1); // one family, the other, and the first again
        port.send(&mut transmits, b"hello", |_| panic!("full"))
            .unwrap();
        for receiver in receivers {
            for _ in 0..2 {
                let mut buf = [0; 10];
                let (len, from) = receiver.recv_from(&mut buf).unwrap();
                assert_eq!((&buf[..len], from.port()), (&b"hello"[..], local));
            }
        }
    }

    #[test]
    fn both_families_are_read() {
        let port = UdpPort::open(0).unwrap();
        let to = port.local_addr().port();
        for ip in loopbacks(&port) {
            let sender = std::net::UdpSocket::bind((ip, 0)).unwrap();
            sender.send_to(b"hello", (ip, to)).unwrap();
        }
        let mut batch = RecvBatch::new(4, 2048);
        let received = port.sockets().map(|s| s.recv(&mut batch).unwrap());
        assert_eq!(received.sum::<usize>(), loopbacks(&port).len());
    }

    #[test]
    fn a_taken_port_is_refused() {
        let first = UdpPort::open(0).unwrap();
        let error = UdpPort::open(first.local_addr().port()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
