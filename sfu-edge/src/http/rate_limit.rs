use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How often one client address may ask.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// Requests a second in the long run.
    pub per_second: f64,
    /// Requests at once.
    pub burst: f64,
}

/// A token bucket for each client address, in a table of bounded size.
#[derive(Debug)]
pub struct RateLimiter {
    limit: RateLimit,
    buckets: HashMap<IpAddr, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    at: Instant,
}

/// Most addresses remembered. When more come, those whose bucket is full again
/// are forgotten, for they are as good as new; if there are none, the fullest.
const MAX_BUCKETS: usize = 4096;

impl RateLimiter {
    /// A limiter that remembers nobody.
    pub fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            buckets: HashMap::new(),
        }
    }

    /// Takes one request of `client`, or says how long it has to wait.
    pub fn take(&mut self, now: Instant, client: IpAddr) -> Result<(), Duration> {
        let client = subject_of(client);
        if !self.buckets.contains_key(&client) && self.buckets.len() >= MAX_BUCKETS {
            self.make_room(now);
        }
        let RateLimit { per_second, burst } = self.limit;
        let bucket = self.buckets.entry(client).or_insert(Bucket {
            level: burst,
            at: now,
        });
        bucket.level = bucket.level_at(now, self.limit);
        bucket.at = now;
        if bucket.level >= 1.0 {
            bucket.level -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - bucket.level) / per_second;
        Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::from_secs(3600)))
    }

    fn make_room(&mut self, now: Instant) {
        let limit = self.limit;
        self.buckets
            .retain(|_, bucket| bucket.level_at(now, limit) < limit.burst);
        if self.buckets.len() >= MAX_BUCKETS {
            let levels = self
                .buckets
                .iter()
                .map(|(ip, b)| (*ip, b.level_at(now, limit)));
            let fullest = levels.max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((ip, _)) = fullest {
                self.buckets.remove(&ip);
            }
        }
    }
}

impl Bucket {
    fn level_at(&self, now: Instant, limit: RateLimit) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * limit.per_second;
        (self.level + gained).min(limit.burst)
    }
}

/// Whoever has an IPv6 address has its /64.
fn subject_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit {
        per_second: 2.0,
        burst: 3.0,
    };

    fn ip(s: &str) -> IpAddr {
        s.parse().unwrap()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut limiter = RateLimiter::new(LIMIT);
        let start = Instant::now();
        for _ in 0..3 {
            assert!(limiter.take(start, ip("192.0.2.1")).is_ok());
        }
        assert_eq!(
            limiter.take(start, ip("192.0.2.1")),
            Err(Duration::from_millis(500))
        );
        assert!(
            limiter.take(start, ip("192.0.2.2")).is_ok(),
            "others are not concerned"
        );
        let later = start + Duration::from_millis(500);
        assert!(limiter.take(later, ip("192.0.2.1")).is_ok());
        assert!(limiter.take(later, ip("192.0.2.1")).is_err());
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let mut limiter = RateLimiter::new(LIMIT);
        let now = Instant::now();
        for host in 0..3 {
            assert!(limiter.take(now, ip(&format!("2001:db8::{host}"))).is_ok());
        }
        assert!(limiter.take(now, ip("2001:db8::ffff")).is_err());
        assert!(limiter.take(now, ip("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_busiest() {
        let mut limiter = RateLimiter::new(LIMIT);
        let now = Instant::now();
        for _ in 0..4 {
            let _ = limiter.take(now, ip("192.0.2.1"));
        }
        for n in 0..20_000_u32 {
            let _ = limiter.take(now, IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
        }
        assert_eq!(limiter.buckets.len(), MAX_BUCKETS);
        assert!(
            limiter.take(now, ip("192.0.2.1")).is_err(),
            "not forgotten by a flood of others"
        );
    }
}
