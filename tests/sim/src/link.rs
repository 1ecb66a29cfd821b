//! A network path as a seeded value: same seed, same losses, same delays.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use transom_rtc_proto::time::Instant;

/// How one direction of a path treats its datagrams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConfig {
    /// Fraction of datagrams that never arrive, 0 to 1.
    pub loss: f64,
    /// Fraction of datagrams that arrive twice, 0 to 1.
    pub duplication: f64,
    /// Fraction of datagrams held back by one more `jitter`, so that later ones overtake them, 0 to 1.
    pub reordering: f64,
    /// Least one-way delay.
    pub delay: Duration,
    /// Most that is added to the delay, uniformly; it may reorder too.
    pub jitter: Duration,
}

impl LinkConfig {
    /// A link that loses nothing and takes `delay` one way.
    pub const fn clean(delay: Duration) -> Self {
        Self {
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            delay,
            jitter: Duration::ZERO,
        }
    }

    /// The same link with the fraction `loss` of its datagrams lost.
    pub const fn with_loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }
}

/// Datagrams on their way in one direction.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    rng: ChaCha8Rng,
    in_flight: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    sent: u64,
    lost: u64,
}

impl Link {
    /// An empty link whose dice are thrown from `seed`.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            rng: ChaCha8Rng::seed_from_u64(seed),
            in_flight: BinaryHeap::new(),
            sent: 0,
            lost: 0,
        }
    }

    /// Changes how the link treats what is sent from now on.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// Puts one datagram on the link.
    pub fn send(&mut self, now: Instant, datagram: &[u8]) {
        self.sent += 1;
        if self.chance(self.config.loss) {
            self.lost += 1;
            return;
        }
        let copies = if self.chance(self.config.duplication) {
            2
        } else {
            1
        };
        for copy in 0..copies {
            let mut delay = self.config.delay + self.config.jitter.mul_f64(self.uniform());
            if self.chance(self.config.reordering) {
                delay += self.config.jitter.max(Duration::from_millis(5));
            }
            let key = self.sent * 2 + copy;
            self.in_flight
                .push(Reverse((now + delay, key, datagram.to_vec())));
        }
    }

    /// When the next datagram arrives.
    pub fn next_arrival(&self) -> Option<Instant> {
        self.in_flight.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes a datagram that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.next_arrival()? > now {
            return None;
        }
        self.in_flight.pop().map(|Reverse((.., datagram))| datagram)
    }

    /// Datagrams put on the link, and how many of them were lost.
    pub fn counts(&self) -> (u64, u64) {
        (self.sent, self.lost)
    }

    fn uniform(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }

    fn chance(&mut self, fraction: f64) -> bool {
        self.uniform() < fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_arrivals() {
        let config = LinkConfig {
            loss: 0.1,
            duplication: 0.05,
            reordering: 0.1,
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(10),
        };
        let run = |seed| {
            let mut link = Link::new(config, seed);
            for i in 0..1000_u64 {
                link.send(Instant::from_millis(i), &i.to_be_bytes());
            }
            let mut arrivals = Vec::new();
            while let Some(at) = link.next_arrival() {
                arrivals.push((at, link.receive(at).unwrap()));
            }
            (link.counts(), arrivals)
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let ((sent, lost), arrivals) = run(3);
        assert_eq!(sent, 1000);
        assert!((50..200).contains(&lost), "{lost} of 1000 lost");
        assert!(arrivals.len() as u64 > sent - lost, "some came twice");
        assert!(
            arrivals.windows(2).any(|w| w[0].1 > w[1].1),
            "some overtook others"
        );
    }
}
