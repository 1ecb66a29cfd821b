//! Consent to send on the selected pair (RFC 7675 section 5.1).

use core::time::Duration;

use rand_chacha::rand_core::RngCore;

use crate::stun::TransactionId;
use crate::time::Instant;

/// Checks of one expiry time: 30 s over at least 4 s.
const MAX_OUTSTANDING: usize = 8;
/// An answer is missing after this, or four round trips.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Consent {
    /// A consent check is sent once and never repeated; the answer to any that
    /// is young enough counts.
    outstanding: [Option<(TransactionId, Instant)>; MAX_OUTSTANDING],
    oldest: usize,
    interval: Duration,
    expiry: Duration,
    next_at: Instant,
    expires_at: Instant,
    /// When the missing answer to a check becomes suspicious.
    overdue_at: Option<Instant>,
}

impl Consent {
    /// Consent begins with the answer to a connectivity check.
    pub(super) fn new(
        now: Instant,
        interval: Duration,
        expiry: Duration,
        rng: &mut impl RngCore,
    ) -> Self {
        Self {
            outstanding: [None; MAX_OUTSTANDING],
            oldest: 0,
            interval,
            expiry,
            next_at: now + jittered(interval, rng),
            expires_at: now + expiry,
            overdue_at: None,
        }
    }

    pub(super) const fn next_at(&self) -> Instant {
        self.next_at
    }

    pub(super) const fn expires_at(&self) -> Instant {
        self.expires_at
    }

    pub(super) const fn overdue_at(&self) -> Option<Instant> {
        self.overdue_at
    }

    pub(super) fn on_sent(
        &mut self,
        now: Instant,
        id: TransactionId,
        rtt: Option<Duration>,
        rng: &mut impl RngCore,
    ) {
        if let Some(slot) = self.outstanding.get_mut(self.oldest) {
            *slot = Some((id, now));
        }
        self.oldest = (self.oldest + 1) % MAX_OUTSTANDING;
        self.next_at = now + jittered(self.interval, rng);
        let patience = rtt.map_or(PATIENCE, |rtt| PATIENCE.max(rtt.saturating_mul(4)));
        self.overdue_at.get_or_insert(now + patience);
    }

    /// When the check `id` was sent, if it is one of ours.
    pub(super) fn sent_at(&self, id: TransactionId) -> Option<Instant> {
        let found = self.outstanding.iter().flatten().find(|(i, _)| *i == id);
        found.map(|(_, sent_at)| *sent_at)
    }

    /// An authenticated answer came to a check of any kind on the selected pair.
    pub(super) fn renew(&mut self, now: Instant) {
        self.outstanding = [None; MAX_OUTSTANDING];
        self.expires_at = now + self.expiry;
        self.overdue_at = None;
    }

    /// Something else that is authentic came by the selected pair. That is no
    /// consent, but no reason to look for another pair either.
    pub(super) fn quiet(&mut self) {
        self.overdue_at = None;
    }
}

/// Between 0.8 and 1.2 times `interval`, so that checks do not fall in step.
fn jittered(interval: Duration, rng: &mut impl RngCore) -> Duration {
    let jittered = interval.saturating_mul(800 + rng.next_u32() % 401) / 1000;
    jittered.max(Duration::from_millis(1)) // zero would never let a poll end
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn jitter_is_a_fifth_at_most() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let interval = Duration::from_secs(5);
        let drawn: std::vec::Vec<_> = (0..1000).map(|_| jittered(interval, &mut rng)).collect();
        assert!(*drawn.iter().min().unwrap() >= Duration::from_secs(4));
        assert!(*drawn.iter().max().unwrap() <= Duration::from_secs(6));
        assert!(drawn.iter().max() > drawn.iter().min());
    }
}
