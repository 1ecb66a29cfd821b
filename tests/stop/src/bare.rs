//! What the machine itself takes for a way like a command's.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use transom_tests_e2e::monotonic_us;

/// Who passes a command and its answer on, between the operator and itself: the server, the agent, its
/// actuator, the agent and the server again.
const STATIONS: usize = 5;

/// Longest that a round may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Threads that wait on sockets, and pass what comes to the next one: the wake-ups of a command and of its
/// answer, and nothing done between them.
pub struct Bare {
    socket: UdpSocket,
    first: SocketAddr,
    stations: Vec<JoinHandle<()>>,
}

impl Bare {
    /// Starts the threads.
    ///
    /// # Errors
    /// Where there is no socket to be had.
    pub fn start() -> io::Result<Self> {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let socket = bind()?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut next = socket.local_addr()?;
        let mut stations = Vec::new();
        for _ in 0..STATIONS {
            let (station, to) = (bind()?, next);
            next = station.local_addr()?;
            stations.push(thread::spawn(move || pass_on(&station, to)));
        }
        Ok(Self {
            socket,
            first: next,
            stations,
        })
    }

    /// How long one round takes, milliseconds.
    ///
    /// # Errors
    /// Where nothing came back in time.
    pub fn round(&self) -> io::Result<f64> {
        let asked = monotonic_us();
        self.socket.send_to(&[1; 64], self.first)?;
        self.socket.recv(&mut [0; 64])?;
        Ok((monotonic_us() - asked) as f64 / 1e3)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.socket.send_to(&[], self.first); // each passes that on, and ends
        for station in self.stations.drain(..) {
            let _ = station.join();
        }
    }
}

fn pass_on(station: &UdpSocket, to: SocketAddr) {
    let mut buf = [0; 64];
    while let Ok(len) = station.recv(&mut buf) {
        let sent = station.send_to(buf.get(..len).unwrap_or_default(), to);
        if len == 0 || sent.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_comes_back_and_all_end() {
        let bare = Bare::start().expect("sockets");
        for _ in 0..10 {
            assert!(bare.round().expect("it comes back") > 0.0);
        }
        drop(bare);
    }
}
