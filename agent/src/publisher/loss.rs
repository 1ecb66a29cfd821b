//! From reports of loss to figures that a rate controller can use.

use std::time::Duration;

use transom_rtc_proto::time::Instant;

/// Loss is taken over at least this long...
const WINDOW: Duration = Duration::from_millis(500);

/// ...and so many packets: one of three lost is no loss of a third.
const ENOUGH: u32 = 20;

/// Transport feedback counts packets every 50 ms, receiver reports give one
/// fraction a second. Where both come, the former is newer and is used alone.
#[derive(Debug, Default)]
pub(super) struct LossWindow {
    begun: Option<Instant>,
    packets: u32,
    lost: f64,
    has_transport_feedback: bool,
}

impl LossWindow {
    /// Takes a report: the fraction lost, and of how many packets where it
    /// tells. Returns the loss of a window that is complete.
    pub(super) fn on_report(
        &mut self,
        now: Instant,
        fraction: f64,
        packets: Option<u32>,
    ) -> Option<f64> {
        let Some(packets) = packets else {
            return (!self.has_transport_feedback).then_some(fraction);
        };
        self.has_transport_feedback = true;
        let begun = *self.begun.get_or_insert(now);
        self.packets = self.packets.saturating_add(packets);
        self.lost += fraction * f64::from(packets);
        if now.since(begun) < WINDOW || self.packets < ENOUGH {
            return None;
        }
        let loss = self.lost / f64::from(self.packets);
        *self = Self {
            has_transport_feedback: true,
            ..Self::default()
        };
        Some(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_reports_are_put_together() {
        let mut window = LossWindow::default();
        for i in 0..10 {
            let loss = window.on_report(Instant::from_millis(i * 50), 0.5, Some(2));
            assert_eq!(loss, None);
        }
        let loss = window.on_report(Instant::from_millis(500), 0.0, Some(20));
        assert_eq!(loss, Some(0.25));
        assert_eq!(
            window.on_report(Instant::from_millis(510), 0.0, Some(100)),
            None,
            "a new window"
        );
    }

    #[test]
    fn receiver_reports_serve_where_nothing_better_comes() {
        let mut window = LossWindow::default();
        assert_eq!(
            window.on_report(Instant::from_millis(0), 0.1, None),
            Some(0.1)
        );
        window.on_report(Instant::from_millis(1), 0.0, Some(1));
        assert_eq!(window.on_report(Instant::from_millis(2), 0.1, None), None);
    }
}
