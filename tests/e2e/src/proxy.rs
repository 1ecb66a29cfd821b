//! A UDP relay that loses datagrams.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Stands between one client and a server. Ends with the value.
pub struct LossyProxy {
    /// Where the client sends to.
    pub addr: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl LossyProxy {
    /// A relay to `server` that loses `per_mille` of a thousand datagrams each
    /// way, the same ones for the same `seed`.
    pub fn start(server: SocketAddr, per_mille: u64, seed: u64) -> Self {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let (front, back) = (bind(), bind());
        back.connect(server).expect("the server's address");
        let addr = front.local_addr().expect("our address");
        for socket in [&front, &back] {
            socket
                .set_read_timeout(Some(Duration::from_millis(50)))
                .expect("a timeout");
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (client_tx, client_rx) = std::sync::mpsc::channel::<SocketAddr>();
        let up = {
            let (front, back, stop) = (
                front.try_clone().expect("a socket"),
                back.try_clone().expect("a socket"),
                Arc::clone(&stop),
            );
            thread::spawn(move || {
                let (mut buf, mut dice, mut client) = ([0; 2048], Dice(seed), None);
                while !stop.load(Ordering::Relaxed) {
                    let Ok((len, from)) = front.recv_from(&mut buf) else {
                        continue;
                    };
                    if client.replace(from) != Some(from) {
                        let _ = client_tx.send(from);
                    }
                    if !dice.hit(per_mille) {
                        let _ = back.send(&buf[..len]);
                    }
                }
            })
        };
        let down = {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let (mut buf, mut dice, mut client) = ([0; 2048], Dice(!seed), None);
                while !stop.load(Ordering::Relaxed) {
                    let Ok(len) = back.recv(&mut buf) else {
                        continue;
                    };
                    client = client_rx.try_iter().last().or(client);
                    if let Some(to) = client
                        && !dice.hit(per_mille)
                    {
                        let _ = front.send_to(&buf[..len], to);
                    }
                }
            })
        };
        Self {
            addr,
            stop,
            threads: vec![up, down],
        }
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn hit(&mut self, per_mille: u64) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % 1000 < per_mille
    }
}
