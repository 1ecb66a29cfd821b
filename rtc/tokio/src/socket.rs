use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

use tokio::io::Interest;
use transom_rtc_udp::{Counters, RecvBatch, SocketConfig, Transmit, UdpSocket};

/// The UDP socket of a peer: one for all local addresses.
///
/// It is bound to the wildcard address, of both families where the system has
/// IPv6; packet info tells which address a datagram came to, and chooses the
/// one it leaves from. One port and one descriptor serve all candidates, and
/// an address that the machine gets later works without a socket of its own.
#[derive(Debug)]
pub struct Socket {
    udp: UdpSocket,
    /// The same socket by a second descriptor, for the runtime to watch.
    watched: tokio::net::UdpSocket,
}

impl Socket {
    /// Binds `port`, 0 for a free one. Within a runtime only.
    ///
    /// # Errors
    /// `AddrInUse` where the port is taken.
    pub fn bind(port: u16, config: &SocketConfig) -> io::Result<Self> {
        let both: SocketAddr = (Ipv6Addr::UNSPECIFIED, port).into();
        let v4: SocketAddr = (Ipv4Addr::UNSPECIFIED, port).into();
        let udp = match UdpSocket::bind(both, config) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => return Err(e),
            Err(_) => UdpSocket::bind(v4, config)?, // a system without IPv6
            Ok(udp) => udp,
        };
        let watched = udp.as_fd().try_clone_to_owned()?;
        Ok(Self {
            watched: tokio::net::UdpSocket::from_std(watched.into())?,
            udp,
        })
    }

    /// The bound port.
    pub fn port(&self) -> u16 {
        self.udp.local_addr().port()
    }

    /// Whether IPv6 works on it.
    pub fn carries_ipv6(&self) -> bool {
        self.udp.local_addr().is_ipv6()
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        self.udp.counters()
    }

    /// Whether the kernel segments what is sent.
    pub fn gso_in_use(&self) -> bool {
        self.udp.gso_in_use()
    }

    /// As [`UdpSocket::recv`].
    pub(crate) fn try_recv(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        let recv = || self.udp.recv(batch);
        self.watched.try_io(Interest::READABLE, recv)
    }

    /// As [`UdpSocket::send_batch`].
    pub(crate) fn try_send(&self, transmits: &mut [Transmit], buf: &[u8]) -> io::Result<usize> {
        let send = || self.udp.send_batch(transmits, buf);
        self.watched.try_io(Interest::WRITABLE, send)
    }

    /// Waits until there is something to receive.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.watched.readable().await
    }

    /// Waits until there is room to send.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.watched.writable().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_receives_once_readable() {
        let socket = Socket::bind(0, &SocketConfig::default()).unwrap();
        let mut batch = RecvBatch::new(4, 2000);
        let idle = socket.try_recv(&mut batch).unwrap_err();
        assert_eq!(idle.kind(), io::ErrorKind::WouldBlock);

        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, socket.port()));
        let mut transmits = [Transmit {
            local,
            remote: local,
            range: 0..3,
            segment_size: None,
        }];
        socket.writable().await.unwrap();
        assert_eq!(socket.try_send(&mut transmits, b"abc").unwrap(), 1);
        socket.readable().await.unwrap();
        assert_eq!(socket.try_recv(&mut batch).unwrap(), 1);
        let datagram = batch.datagrams().next().unwrap();
        assert_eq!((datagram.local, datagram.remote), (local, local));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = Socket::bind(0, &SocketConfig::default()).unwrap();
        let second = Socket::bind(first.port(), &SocketConfig::default());
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
