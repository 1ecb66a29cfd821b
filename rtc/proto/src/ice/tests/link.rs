use core::time::Duration;
use std::vec::Vec;

use core::net::SocketAddr;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::ice::{
    Candidate, IceAgent, IceConfig, IceCredentials, IceEvent, IceRole, IceTimers, Path,
};
use crate::time::Instant;

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn credentials(name: &str) -> IceCredentials {
    IceCredentials::new(name, &std::format!("{name:->24}").replace('-', "x")).unwrap()
}

/// An agent as configured by `role` and `lite`; A is "alice", B is "bobb".
pub(super) fn config(end: usize, role: IceRole, lite: bool, remote_lite: bool) -> IceConfig {
    let (local, remote) = match end {
        A => ("alice", "bobb"),
        _ => ("bobb", "alice"),
    };
    IceConfig {
        role,
        lite,
        local: credentials(local),
        remote: credentials(remote),
        remote_lite,
        timers: IceTimers::default(),
    }
}

pub(super) struct End {
    pub(super) agent: IceAgent,
    pub(super) events: Vec<(Instant, IceEvent)>,
    pub(super) wakeups: usize,
    pub(super) sent: Vec<(Instant, Path, Vec<u8>)>,
}

impl End {
    pub(super) fn nominated(&self) -> Vec<Path> {
        let nominated = |event: &(Instant, IceEvent)| match event.1 {
            IceEvent::Nominated(path) => Some(path),
            _ => None,
        };
        self.events.iter().filter_map(nominated).collect()
    }

    pub(super) fn at(&self, wanted: fn(&IceEvent) -> bool) -> Option<Instant> {
        self.events
            .iter()
            .find(|(_, e)| wanted(e))
            .map(|(at, _)| *at)
    }

    pub(super) fn nominated_at(&self) -> Option<Instant> {
        self.at(|e| matches!(e, IceEvent::Nominated(_)))
    }
}

struct InFlight {
    at: Instant,
    to: usize,
    path: Path,
    data: Vec<u8>,
}

/// Two agents and what is between them.
pub(super) struct Link {
    pub(super) now: Instant,
    pub(super) ends: [End; 2],
    /// In tenths of a percent.
    pub(super) loss: u32,
    pub(super) duplication: u32,
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    /// Datagrams from or to these addresses take that much longer.
    pub(super) slow: Vec<(SocketAddr, Duration)>,
    /// Datagrams from or to these addresses vanish.
    pub(super) dead: Vec<SocketAddr>,
    /// A's address (first) appears to B as the second.
    pub(super) nat: Vec<(SocketAddr, SocketAddr)>,
    in_flight: Vec<InFlight>,
    rng: ChaCha20Rng,
}

impl Link {
    pub(super) fn new(a: IceConfig, b: IceConfig, seed: u8) -> Self {
        let now = Instant::from_millis(1000);
        let end = |config, seed| End {
            agent: IceAgent::new(now, config, [seed; 32]),
            events: Vec::new(),
            wakeups: 0,
            sent: Vec::new(),
        };
        Self {
            now,
            ends: [end(a, seed), end(b, seed ^ 0xff)],
            loss: 0,
            duplication: 0,
            delay: ms(1),
            jitter: ms(0),
            slow: Vec::new(),
            dead: Vec::new(),
            nat: Vec::new(),
            in_flight: Vec::new(),
            rng: ChaCha20Rng::from_seed([seed ^ 0x55; 32]),
        }
    }

    /// Full and controlling against lite, one IPv4 address each.
    pub(super) fn full_lite(seed: u8) -> Self {
        let mut link = Self::new(
            config(A, IceRole::Controlling, false, true),
            config(B, IceRole::Controlled, true, false),
            seed,
        );
        link.introduce(&["10.0.0.1:1000"], &["192.0.2.1:7082"]);
        link
    }

    /// Two full ends, A controlling, one IPv4 address each.
    pub(super) fn full_full(seed: u8) -> Self {
        let mut link = Self::new(
            config(A, IceRole::Controlling, false, false),
            config(B, IceRole::Controlled, false, false),
            seed,
        );
        link.introduce(&["10.0.0.1:1000"], &["192.0.2.1:7082"]);
        link
    }

    /// Exchanges candidates; the first of each end is the preferred one.
    pub(super) fn introduce(&mut self, a: &[&str], b: &[&str]) {
        for (end, addrs) in [(A, a), (B, b)] {
            for (n, text) in addrs.iter().enumerate() {
                let preference = 60_000 - u16::try_from(n).unwrap();
                let candidate = Candidate::host(addr(text), preference);
                let now = self.now;
                self.ends[end]
                    .agent
                    .add_local_candidate(now, candidate)
                    .unwrap();
                let seen = Candidate {
                    addr: without_scope(candidate.addr),
                    ..candidate
                };
                self.ends[1 - end]
                    .agent
                    .add_remote_candidate(now, seen)
                    .unwrap();
            }
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.pump();
        while let Some(next) = self.next().filter(|next| *next <= end) {
            assert!(next > self.now || self.in_flight.iter().any(|d| d.at <= next));
            self.now = next;
            self.deliver();
            for end in &mut self.ends {
                if end.agent.poll_timeout().is_some_and(|at| at <= self.now) {
                    end.wakeups += 1;
                    end.agent.handle_timeout(self.now);
                }
            }
            self.pump();
        }
        self.now = end;
    }

    fn next(&self) -> Option<Instant> {
        let timeouts = self.ends.iter().filter_map(|e| e.agent.poll_timeout());
        timeouts.chain(self.in_flight.iter().map(|d| d.at)).min()
    }

    fn deliver(&mut self) {
        // In order of sending where the times are equal.
        while let Some(at) = self.in_flight.iter().position(|d| d.at <= self.now) {
            let datagram = self.in_flight.remove(at);
            let end = &mut self.ends[datagram.to];
            let _ = end
                .agent
                .handle_stun(self.now, datagram.path, &datagram.data);
            self.pump();
        }
    }

    /// Drains both ends; afterwards neither may want to be woken at once.
    pub(super) fn pump(&mut self) {
        for from in [A, B] {
            let mut buf = Vec::new();
            while let Some(transmit) = self.ends[from].agent.poll_transmit(self.now, &mut buf) {
                assert_eq!(transmit.len, buf.len());
                let data = core::mem::take(&mut buf);
                self.ends[from]
                    .sent
                    .push((self.now, transmit.path, data.clone()));
                self.send(from, transmit.path, data);
            }
            let now = self.now;
            let end = &mut self.ends[from];
            while let Some(event) = end.agent.poll_event() {
                end.events.push((now, event));
            }
        }
    }

    fn send(&mut self, from: usize, path: Path, data: Vec<u8>) {
        if self.dead.contains(&path.local) || self.dead.contains(&path.remote) {
            return;
        }
        let (from_addr, to_addr) = if from == A {
            (self.outer(path.local), path.remote)
        } else {
            (path.local, self.inner(path.remote))
        };
        let slow = |(addr, _): &&(SocketAddr, _)| [path.local, path.remote].contains(addr);
        let more = self.slow.iter().find(slow).map_or(ms(0), |(_, more)| *more);
        let copies = 1 + usize::from(self.chance(self.duplication));
        for _ in 0..copies {
            if self.chance(self.loss) {
                continue;
            }
            let jitter = self.rng.next_u64() % (self.jitter.as_micros() as u64 + 1);
            self.in_flight.push(InFlight {
                at: self.now + self.delay + more + Duration::from_micros(jitter),
                to: 1 - from,
                path: Path {
                    local: to_addr,
                    remote: from_addr,
                },
                data: data.clone(),
            });
        }
    }

    fn outer(&self, addr: SocketAddr) -> SocketAddr {
        let mapped = self.nat.iter().find(|(inner, _)| *inner == addr);
        mapped.map_or(addr, |(_, outer)| *outer)
    }

    fn inner(&self, addr: SocketAddr) -> SocketAddr {
        let mapped = self.nat.iter().find(|(_, outer)| *outer == addr);
        mapped.map_or(addr, |(inner, _)| *inner)
    }

    fn chance(&mut self, tenths_of_percent: u32) -> bool {
        self.rng.next_u32() % 1000 < tenths_of_percent
    }
}

/// As signalling carries it.
fn without_scope(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip(), addr.port())
}
