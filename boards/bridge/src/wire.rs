//! Where bytes go to and come from, without waiting.

use std::io::{ErrorKind, Result};
use std::net::{SocketAddr, UdpSocket};

/// Something with two directions. Nothing here waits.
pub trait Wire {
    /// Sends all of it, or fails: what finds no room now would come too late.
    fn send(&mut self, bytes: &[u8]) -> Result<()>;

    /// What came: so many bytes of `buffer`, zero where nothing did. The end is an error
    /// ([`ErrorKind::UnexpectedEof`]).
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize>;
}

/// UDP with one peer: the kernel drops what others send.
#[derive(Debug)]
pub struct UdpWire(UdpSocket);

impl UdpWire {
    /// Takes the port `local`, and speaks with `peer` only.
    pub fn open(local: SocketAddr, peer: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(local)?;
        socket.set_nonblocking(true)?;
        socket.connect(peer)?;
        Ok(Self(socket))
    }
}

impl Wire for UdpWire {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.0.send(bytes) {
            Ok(_) => Ok(()),
            // Nobody has the port there yet (ICMP): as lost as what the network drops. Silence is told elsewhere.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self.0.recv(buffer) {
            Ok(len) => Ok(len),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionRefused => {
                    Ok(0)
                }
                _ => Err(error),
            },
        }
    }
}
