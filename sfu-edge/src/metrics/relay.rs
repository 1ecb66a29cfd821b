use std::sync::atomic::{AtomicU64, Ordering};

use transom_rtc_telemetry::Exposition;

use crate::media::relay::{DropReason, RelayStats};

/// Name, help, and where it is counted.
type Plain = (&'static str, &'static str, fn(&RelayStats) -> &AtomicU64);

const PLAIN: [Plain; 4] = [
    (
        "transom_sfu_commands_relayed_total",
        "Commands of viewers that were passed on to a device.",
        |stats| &stats.commands,
    ),
    (
        "transom_sfu_reports_relayed_total",
        "Reports of devices that were passed on: one for each viewer.",
        |stats| &stats.reports,
    ),
    (
        "transom_sfu_drive_leases_total",
        "Times that a viewer took the lease to drive.",
        |stats| &stats.leases,
    ),
    (
        "transom_sfu_drivers_lost_total",
        "Drivers that were lost while they had the lease; each device was told to stop.",
        |stats| &stats.drivers_lost,
    ),
];

/// Writes what became of the messages on data channels.
pub(super) fn write(stats: &RelayStats, to: &mut Exposition) {
    for (name, help, count) in PLAIN {
        to.counter(name, help)
            .value(count(stats).load(Ordering::Relaxed));
    }
    let mut family = to.counter(
        "transom_sfu_relay_dropped_total",
        "Messages on data channels that went nowhere, by why.",
    );
    for reason in DropReason::ALL {
        family.sample(&[("reason", reason.name())], stats.dropped(reason));
    }
}
