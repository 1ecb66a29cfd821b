//! A piece of network between a program and the server, that does what networks do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Datagrams that are on their way at most; more are lost.
const IN_FLIGHT: usize = 50_000;
/// How soon a thread sees that it is to end, or that the weather has changed.
const LOOK: Duration = Duration::from_millis(2);

/// How it treats datagrams from now on, both ways.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// One way.
    pub delay: Duration,
    /// Of a thousand, how many are lost.
    pub loss_per_mille: u32,
    /// How much later each comes again, and again.
    pub repeats: Vec<Duration>,
    /// Nothing comes out at the client's end, and all that waits in one burst afterwards.
    pub stalls_down: bool,
    /// The same at the server's end.
    pub stalls_up: bool,
}

/// A UDP relay between one client and a server. Ends with the value.
pub struct Cable {
    /// Where the client sends to.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    weather: Mutex<Weather>,
    /// Where the client is.
    client: Mutex<Option<SocketAddr>>,
    over: AtomicBool,
    front: UdpSocket,
    back: UdpSocket,
}

impl Cable {
    /// To a server's UDP port; the same datagrams are lost for the same seed.
    pub fn start(server: SocketAddr, weather: Weather, seed: u64) -> Self {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let (front, back) = (bind(), bind());
        back.connect(server).expect("the server's address");
        let addr = front.local_addr().expect("our address");
        for socket in [&front, &back] {
            socket.set_nonblocking(true).expect("a mode");
        }
        let shared = Arc::new(Shared {
            weather: Mutex::new(weather),
            client: Mutex::default(),
            over: AtomicBool::new(false),
            front,
            back,
        });
        let threads = [true, false].map(|up| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.carry(up, seed ^ u64::from(up)))
        });
        Self {
            addr,
            shared,
            threads: threads.into(),
        }
    }

    /// The weather changes.
    pub fn set(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.shared.weather());
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn weather(&self) -> MutexGuard<'_, Weather> {
        lock(&self.weather)
    }

    /// One direction, until it is over.
    fn carry(&self, up: bool, seed: u64) {
        let from = if up { &self.front } else { &self.back };
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut flying = BinaryHeap::new();
        let mut count = 0_u64;
        let mut buffer = [0; 2048];
        while !self.over.load(Ordering::Relaxed) {
            while let Ok((len, sender)) = from.recv_from(&mut buffer) {
                if up {
                    lock(&self.client).replace(sender);
                }
                let weather = self.weather();
                if dice.next_u32() % 1000 < weather.loss_per_mille {
                    continue;
                }
                let now = Instant::now() + weather.delay;
                let again = weather.repeats.iter().map(|after| now + *after);
                for at in [now].into_iter().chain(again) {
                    if flying.len() < IN_FLIGHT {
                        count += 1;
                        flying.push(Reverse((at, count, buffer[..len].to_vec())));
                    }
                }
            }
            let now = Instant::now();
            let stalled = {
                let weather = self.weather();
                if up {
                    weather.stalls_up
                } else {
                    weather.stalls_down
                }
            };
            while !stalled && flying.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
                if let Some(Reverse((.., datagram))) = flying.pop() {
                    self.deliver(up, &datagram);
                }
            }
            let next = flying.peek().filter(|_| !stalled);
            let next = next.map_or(LOOK, |Reverse((at, ..))| {
                at.saturating_duration_since(now).min(LOOK)
            });
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: next.subsec_nanos().into(),
            };
            let _ = poll(&mut [PollFd::new(from, PollFlags::IN)], Some(&timeout));
        }
    }

    fn deliver(&self, up: bool, datagram: &[u8]) {
        // An end that is gone is no reason to end.
        let _ = match (up, *lock(&self.client)) {
            (true, _) => self.back.send(datagram),
            (false, Some(client)) => self.front.send_to(datagram, client),
            (false, None) => Ok(0),
        };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
