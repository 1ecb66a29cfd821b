use std::net::SocketAddr;
use std::ops::Range;

/// One or more datagrams for one peer, lying one after the other in the
/// buffer that goes to [`UdpSocket::send_batch`](crate::UdpSocket::send_batch)
/// with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The source address. The port is always the socket's; with the
    /// unspecified address, the kernel chooses.
    pub local: SocketAddr,
    /// Where to.
    pub remote: SocketAddr,
    /// The bytes, as a range of the buffer.
    pub range: Range<usize>,
    /// Size of each datagram but the last, which may be shorter. `None`: the
    /// range is one datagram. Any number of segments may follow; more than one
    /// GSO send can hold leave as several.
    pub segment_size: Option<usize>,
}

impl Transmit {
    /// Whether the range lies within `len` bytes and the segments have a size.
    pub(crate) fn is_well_formed(&self, len: usize) -> bool {
        self.range.start <= self.range.end && self.range.end <= len && self.segment_size != Some(0)
    }
}
