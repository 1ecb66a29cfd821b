use std::sync::atomic::{AtomicU64, Ordering};

use transom_rtc_telemetry::Exposition;

/// What the bell counts.
#[derive(Debug, Default)]
pub struct BellFigures {
    pub(super) rings: AtomicU64,
    pub(super) too_soon: AtomicU64,
    pub(super) hooks_skipped: AtomicU64,
    pub(super) hooks_failed: AtomicU64,
    pub(super) button_absent: AtomicU64,
}

impl BellFigures {
    /// Rings so far.
    pub fn rings(&self) -> u64 {
        self.rings.load(Ordering::Relaxed)
    }

    /// Writes them.
    pub fn write_metrics(&self, to: &mut Exposition) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        to.counter("transom_agent_rings_total", "Times that the bell rang.")
            .value(self.rings());
        to.counter(
            "transom_agent_rings_ignored_total",
            "Presses of the button that came too soon after a ring to be another.",
        )
        .value(of(&self.too_soon));
        to.counter(
            "transom_agent_bell_hooks_failed_total",
            "Rings of which the program of [bell] was not told: it still ran for one before, did not start, ended badly, or took too long.",
        )
        .sample(&[("reason", "busy")], of(&self.hooks_skipped))
        .sample(&[("reason", "failed")], of(&self.hooks_failed));
        to.gauge(
            "transom_agent_button_absent",
            "1 while the button's line cannot be had.",
        )
        .value(of(&self.button_absent));
    }
}

pub(super) fn bump(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
