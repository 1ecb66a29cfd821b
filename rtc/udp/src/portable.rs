//! The socket by `std::net`, where nothing better is at hand: one datagram a
//! call, no segmentation, no packet info.

use std::io;
use std::iter;
use std::net::{self, SocketAddr};

use crate::batch::Message;
use crate::counters::Tally;
use crate::send::{self, Gso};
use crate::{Counters, RecvBatch, SocketConfig, Transmit};

/// A UDP socket that works in batches. It never blocks and can be shared among threads.
#[derive(Debug)]
pub struct UdpSocket {
    inner: net::UdpSocket,
    local_addr: SocketAddr,
    gso: Gso,
    tally: Tally,
}

impl UdpSocket {
    /// Opens a socket bound to `addr`. Port 0 takes a free one. Of `config`
    /// nothing can be heeded here: buffers are the system's, and whether
    /// `[::]` takes IPv4 too is its affair.
    ///
    /// # Errors
    /// `AddrInUse` and `AddrNotAvailable` by the system's verdict on `addr`.
    pub fn bind(addr: SocketAddr, _config: &SocketConfig) -> io::Result<Self> {
        let inner = net::UdpSocket::bind(addr)?;
        inner.set_nonblocking(true)?;
        Ok(Self {
            local_addr: inner.local_addr()?,
            inner,
            gso: Gso::new(false),
            tally: Tally::default(),
        })
    }

    /// The bound address, with the real port.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Receive buffer granted, bytes: not known here.
    pub const fn recv_buffer(&self) -> usize {
        0
    }

    /// Send buffer granted, bytes: not known here.
    pub const fn send_buffer(&self) -> usize {
        0
    }

    /// Whether the kernel coalesces what arrives: never here.
    pub const fn gro_in_use(&self) -> bool {
        false
    }

    /// Whether the kernel segments what is sent: never here.
    pub fn gso_in_use(&self) -> bool {
        self.gso.in_use()
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.tally.snapshot()
    }

    /// Fills `batch` with one datagram. Its local address is the bound one.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is waiting; others where the socket is unusable.
    pub fn recv(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        let received = match batch.buffers_mut().next() {
            Some(buffer) => self.inner.recv_from(buffer).map(|r| (r, buffer.len())),
            None => return Ok(0),
        };
        let (len, remote) = match received {
            // A datagram that fills the buffer may have been longer.
            Ok(((len, _), room)) if len == room => {
                self.tally.truncated.add(1);
                return Ok(0);
            }
            Ok(((len, remote), _)) => (len, remote),
            // An earlier datagram's ICMP error, reported here by some systems.
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(0),
            Err(e) => return Err(e),
        };
        let datagrams = batch.fill(iter::once(Message {
            local: self.local_addr,
            remote,
            len,
            segment_size: len,
        }));
        self.tally.recv_calls.add(1);
        self.tally.received.add(datagrams);
        Ok(datagrams)
    }

    /// Sends what `transmits` say of `contents`, datagram by datagram. Where
    /// fewer transmits than all are dealt with, the socket is full.
    ///
    /// # Errors
    /// `WouldBlock` where the socket was full from the start; others where it is unusable.
    pub fn send_batch(&self, transmits: &mut [Transmit], contents: &[u8]) -> io::Result<usize> {
        let send_first = |transmits: &[Transmit], messages: &[send::Message]| {
            let first = messages.first().and_then(|message| {
                let transmit = transmits.get(message.transmit)?;
                Some((contents.get(message.range.clone())?, transmit.remote))
            });
            match first {
                Some((payload, remote)) => self.inner.send_to(payload, remote).map(|_| 1),
                None => Ok(0),
            }
        };
        send::send_batch(transmits, contents, &self.gso, &self.tally, send_first)
    }
}

#[cfg(unix)]
mod descriptor {
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

    use super::UdpSocket;

    impl AsRawFd for UdpSocket {
        fn as_raw_fd(&self) -> RawFd {
            self.inner.as_raw_fd()
        }
    }

    impl AsFd for UdpSocket {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.inner.as_fd()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_pass_one_by_one() {
        let any = "127.0.0.1:0".parse().unwrap();
        let config = SocketConfig::default();
        let a = UdpSocket::bind(any, &config).unwrap();
        let b = UdpSocket::bind(any, &config).unwrap();
        assert!(!a.gso_in_use() && !a.gro_in_use() && a.recv_buffer() == a.send_buffer());
        let mut transmits = [Transmit {
            local: a.local_addr(),
            remote: b.local_addr(),
            range: 0..250,
            segment_size: Some(100),
        }];
        assert_eq!(a.send_batch(&mut transmits, &[9; 250]).unwrap(), 1);
        let mut batch = RecvBatch::new(4, 100);
        let mut lengths = Vec::new();
        while b.recv(&mut batch).is_ok() {
            lengths.extend(batch.datagrams().map(|d| (d.payload.len(), d.remote)));
        }
        assert_eq!(lengths, [(50, a.local_addr())]);
        // Two filled their buffer: whether more was cut off is not told here.
        assert_eq!(b.counters().truncated, 2);
        assert_eq!(a.counters().sent, 3);
    }
}
