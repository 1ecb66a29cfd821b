use std::sync::atomic::{AtomicU64, Ordering};

use transom_control::wire::LeaseResult;
use transom_rtc_telemetry::Exposition;

use crate::media::relay::{DeviceStats, DropReason, LeaseChange, RelayStats};

/// Name, help, and where it is counted.
type Plain = (&'static str, &'static str, fn(&RelayStats) -> &AtomicU64);

const PLAIN: [Plain; 5] = [
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
    (
        "transom_sfu_lease_notices_total",
        "Notices of who holds the lease that were sent to operators.",
        |stats| &stats.notices,
    ),
];

/// Writes how the devices fared whose messages passed.
fn devices(stats: &DeviceStats, to: &mut Exposition) {
    let mut family = to.histogram(
        "transom_sfu_command_answer_seconds",
        "From sending an arm, disarm or stop on to the device until its answer came back; of copies by \
         both channels the first counts. Stops of the server's own are among them.",
    );
    for (command, histogram) in stats.answers() {
        family.sample(&[("command", command)], histogram);
    }
    to.histogram(
        "transom_sfu_operator_seconds",
        "From passing a device's report on until the first setpoint that was made by it: the way to the operator \
         and back, and what its page waited before the next setpoint.",
    )
    .sample(&[], stats.operators());
    to.counter(
        "transom_sfu_commands_unanswered_total",
        "Arms, disarms and stops that no answer came to before sixteen others had followed.",
    )
    .value(stats.unanswered());
    let mut family = to.counter(
        "transom_sfu_device_stops_total",
        "Times that a device stopped, by why, as its reports showed; `stale` is the dead-man.",
    );
    for (reason, count) in stats.stops() {
        family.sample(&[("reason", reason)], count);
    }
}

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
    let mut family = to.counter(
        "transom_sfu_lease_changes_total",
        "How leases to drive began, ended, and were asked for.",
    );
    for change in LeaseChange::ALL {
        family.sample(&[("how", change.name())], stats.lease_changes(change));
    }
    let mut family = to.counter(
        "transom_sfu_lease_refusals_total",
        "Requests about the lease that came to nothing, by why; those without the drive scope, beyond their \
         rate or malformed are in transom_sfu_relay_dropped_total.",
    );
    for result in LeaseResult::ALL.into_iter().filter(|r| r.is_refusal()) {
        family.sample(&[("reason", result.name())], stats.lease_answers(result));
    }
    devices(&stats.devices, to);
}
