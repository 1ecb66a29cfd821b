/// How a socket is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketConfig {
    /// For an IPv6 address: take no IPv4 traffic. When `false`, a socket on
    /// `[::]` serves both families, and its IPv4 addresses appear as IPv4.
    pub only_v6: bool,
    /// Receive buffer wanted, bytes. The kernel grants what it may:
    /// see [`UdpSocket::recv_buffer`](crate::UdpSocket::recv_buffer).
    pub recv_buffer: usize,
    /// Send buffer wanted, bytes.
    pub send_buffer: usize,
    /// Let the kernel coalesce what it receives, where it can. The
    /// [`RecvBatch`](crate::RecvBatch) then needs buffers of
    /// [`GRO_BUFFER`](crate::RecvBatch::GRO_BUFFER) bytes.
    pub gro: bool,
    /// Let the kernel segment what is sent, where it can.
    pub gso: bool,
}

impl Default for SocketConfig {
    /// Both families, 2 MiB each way (a second of video at 16 Mbit/s), GRO and GSO.
    fn default() -> Self {
        Self {
            only_v6: false,
            recv_buffer: 2 << 20,
            send_buffer: 2 << 20,
            gro: true,
            gso: true,
        }
    }
}
