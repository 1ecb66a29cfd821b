//! How many bits the network carries: a controller driven by loss.
//!
//! The loss-based half of Google congestion control (draft-ietf-rmcat-gcc-02
//! section 6): much loss lowers the rate in proportion, little loss raises it,
//! in between it stays. It knows nothing of delay and so fills the queue of a
//! narrow link before it gives way; a better controller can take its place
//! behind the same calls.

use std::time::Duration;

use transom_rtc_proto::time::Instant;

/// Loss above this lowers the rate.
const HIGH_LOSS: f64 = 0.10;
/// Loss below this raises the rate.
const LOW_LOSS: f64 = 0.02;
/// Growth in one second without loss.
const GROWTH_PER_SECOND: f64 = 1.08;
/// Decreases are at least this far apart, plus a round trip: the next report
/// still speaks of what was sent before the last one.
const DECREASE_HOLD: Duration = Duration::from_millis(300);
/// After a decrease the rate does not grow for this long: the queue that
/// caused it has to drain first.
const INCREASE_HOLD: Duration = Duration::from_secs(2);
/// Silence between reports counts as growth for at most this long.
const MAX_STEP: Duration = Duration::from_secs(1);

/// Bounds and start of a [`RateController`], in bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateConfig {
    /// Never less: below, the picture is no use.
    pub min_bps: u32,
    /// Never more: what the configuration allows.
    pub max_bps: u32,
    /// The rate before anything is known.
    pub start_bps: u32,
}

/// A bitrate that follows the loss reported by the receiver.
#[derive(Clone, Debug)]
pub struct RateController {
    config: RateConfig,
    bps: f64,
    last_report: Option<Instant>,
    last_decrease: Option<Instant>,
}

impl RateController {
    /// A controller at its starting rate. Bounds in the wrong order count as
    /// the lower for both.
    pub fn new(config: RateConfig) -> Self {
        let config = RateConfig {
            max_bps: config.max_bps.max(config.min_bps),
            ..config
        };
        Self {
            config,
            bps: f64::from(config.start_bps.clamp(config.min_bps, config.max_bps)),
            last_report: None,
            last_decrease: None,
        }
    }

    /// The current rate in bits a second.
    pub fn bitrate_bps(&self) -> u32 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it lies between two bounds of 32 bits"
        )]
        let bps = self.bps.round() as u32;
        bps.clamp(self.config.min_bps, self.config.max_bps)
    }

    /// Takes a report: the part of the packets that were lost since the last
    /// one (0 to 1) and the round-trip time. Returns the rate from now on.
    pub fn on_report(&mut self, now: Instant, fraction_lost: f64, rtt: Duration) -> u32 {
        let since_report = self
            .last_report
            .map_or(Duration::ZERO, |last| now.since(last).min(MAX_STEP));
        self.last_report = Some(now);
        let since_decrease = self.last_decrease.map(|last| now.since(last));
        if !fraction_lost.is_finite() {
            return self.bitrate_bps();
        }
        if fraction_lost > HIGH_LOSS {
            if since_decrease.is_none_or(|since| since >= DECREASE_HOLD + rtt) {
                self.bps *= 1.0 - 0.5 * fraction_lost.min(1.0);
                self.last_decrease = Some(now);
            }
        } else if fraction_lost < LOW_LOSS
            && since_decrease.is_none_or(|since| since >= INCREASE_HOLD)
        {
            self.bps *= GROWTH_PER_SECOND.powf(since_report.as_secs_f64());
        }
        let (min, max) = (self.config.min_bps, self.config.max_bps);
        self.bps = self.bps.clamp(f64::from(min), f64::from(max));
        self.bitrate_bps()
    }

    /// A new session: what was learnt of the old path is kept as the start, at
    /// least the configured one's half, and nothing holds it.
    pub fn restart(&mut self) {
        let floor = f64::from(self.config.start_bps / 2);
        let (min, max) = (
            f64::from(self.config.min_bps),
            f64::from(self.config.max_bps),
        );
        self.bps = self.bps.max(floor).clamp(min, max);
        self.last_report = None;
        self.last_decrease = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: RateConfig = RateConfig {
        min_bps: 150_000,
        max_bps: 2_000_000,
        start_bps: 1_500_000,
    };
    const RTT: Duration = Duration::from_millis(50);

    fn at_ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn it_grows_by_eight_per_cent_a_second_up_to_its_bound() {
        let mut controller = RateController::new(CONFIG);
        let mut rate = 0;
        for report in 0..=10 {
            rate = controller.on_report(at_ms(report * 100), 0.0, RTT);
        }
        assert!((1_615_000..1_625_000).contains(&rate), "{rate}");
        for report in 11..=200 {
            rate = controller.on_report(at_ms(report * 100), 0.0, RTT);
        }
        assert_eq!(rate, 2_000_000);
    }

    #[test]
    fn the_rate_of_reports_does_not_matter() {
        let grow = |step| {
            let mut controller = RateController::new(CONFIG);
            (0..=2000)
                .step_by(step)
                .map(|ms| controller.on_report(at_ms(ms), 0.0, RTT))
                .last()
        };
        assert_eq!(grow(50), grow(500));
    }

    #[test]
    fn much_loss_lowers_it_in_proportion_once_a_round_trip() {
        let mut controller = RateController::new(CONFIG);
        assert_eq!(controller.on_report(at_ms(0), 0.2, RTT), 1_350_000);
        assert_eq!(controller.on_report(at_ms(100), 0.2, RTT), 1_350_000);
        assert_eq!(controller.on_report(at_ms(350), 0.2, RTT), 1_215_000);
    }

    #[test]
    fn some_loss_changes_nothing() {
        let mut controller = RateController::new(CONFIG);
        for report in 0..50 {
            let rate = controller.on_report(at_ms(report * 100), 0.05, RTT);
            assert_eq!(rate, 1_500_000);
        }
    }

    #[test]
    fn it_waits_after_a_decrease_before_it_grows() {
        let mut controller = RateController::new(CONFIG);
        controller.on_report(at_ms(0), 0.5, RTT);
        assert_eq!(controller.on_report(at_ms(1900), 0.0, RTT), 1_125_000);
        assert!(controller.on_report(at_ms(2100), 0.0, RTT) > 1_125_000);
    }

    #[test]
    fn bounds_hold_whatever_is_reported() {
        let mut controller = RateController::new(CONFIG);
        let odd = [f64::NAN, f64::INFINITY, -1.0, 1e9, 1.0, 0.0];
        for (report, loss) in (0..2000).zip(odd.into_iter().cycle()) {
            let rate = controller.on_report(at_ms(report * 400), loss, RTT);
            assert!((150_000..=2_000_000).contains(&rate));
        }
        // Time that stands still or runs back.
        controller.on_report(at_ms(5), 0.0, RTT);
        controller.on_report(at_ms(5), 0.0, RTT);
        let wrong = RateController::new(RateConfig {
            min_bps: 900,
            max_bps: 100,
            start_bps: 0,
        });
        assert_eq!(wrong.bitrate_bps(), 900);
    }

    #[test]
    fn a_long_silence_is_no_reason_to_jump() {
        let mut controller = RateController::new(RateConfig {
            start_bps: 500_000,
            ..CONFIG
        });
        controller.on_report(at_ms(0), 0.0, RTT);
        let rate = controller.on_report(at_ms(3_600_000), 0.0, RTT);
        assert_eq!(rate, 540_000);
    }

    #[test]
    fn a_new_session_starts_from_what_was_learnt() {
        let mut controller = RateController::new(CONFIG);
        for report in 0..100 {
            controller.on_report(at_ms(report * 1000), 0.9, RTT);
        }
        assert_eq!(controller.bitrate_bps(), 150_000);
        controller.restart();
        assert_eq!(controller.bitrate_bps(), 750_000);
    }

    /// A link that carries `capacity` bits a second and queues for 200 ms.
    struct Bottleneck {
        capacity_bps: f64,
        queued: f64,
    }

    impl Bottleneck {
        /// Sends at `bps` for 100 ms; the part that was lost.
        fn send(&mut self, bps: u32) -> f64 {
            let offered = f64::from(bps) * 0.1;
            self.queued += offered - self.capacity_bps * 0.1;
            let room = self.capacity_bps * 0.2;
            let lost = (self.queued - room).max(0.0);
            self.queued = self.queued.clamp(0.0, room);
            lost / offered
        }
    }

    #[test]
    fn it_finds_a_bottleneck_and_follows_when_it_moves() {
        let mut controller = RateController::new(CONFIG);
        let mut link = Bottleneck {
            capacity_bps: 600_000.0,
            queued: 0.0,
        };
        let mut rate = controller.bitrate_bps();
        let mut run = |link: &mut Bottleneck, from_s: u64, to_s: u64| {
            let mut sum = 0.0;
            for tick in from_s * 10..to_s * 10 {
                let loss = link.send(rate);
                rate = controller.on_report(at_ms(tick * 100), loss, RTT);
                sum += f64::from(rate);
            }
            sum / ((to_s - from_s) * 10) as f64
        };
        run(&mut link, 0, 20);
        let settled = run(&mut link, 20, 80);
        assert!((480_000.0..690_000.0).contains(&settled), "{settled}");
        link.capacity_bps = 1_200_000.0;
        run(&mut link, 80, 100);
        let risen = run(&mut link, 100, 160);
        assert!((960_000.0..1_380_000.0).contains(&risen), "{risen}");
        link.capacity_bps = 300_000.0;
        run(&mut link, 160, 180);
        let fallen = run(&mut link, 180, 240);
        assert!((240_000.0..345_000.0).contains(&fallen), "{fallen}");
    }

    #[test]
    fn random_loss_of_one_per_cent_does_not_hold_it_down() {
        let mut controller = RateController::new(CONFIG);
        let mut rate = 0;
        for tick in 0..300 {
            rate = controller.on_report(at_ms(tick * 100), 0.01, RTT);
        }
        assert_eq!(rate, 2_000_000);
    }
}
