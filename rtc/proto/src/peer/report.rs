//! One RTCP compound of everything there is to say.

use alloc::vec::Vec;
use core::time::Duration;

use super::receive::ReceiveSide;
use super::send::SendSide;
use crate::rtcp::{Bye, ReceiverReport, Sdes, SenderReport};
use crate::time::Instant;

/// Between reports, while there is something to report. RFC 3550 section 6.2
/// reckons with five seconds for large sessions; for two ends RFC 4585 section
/// 3.4 allows less, and loss-driven senders need it.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// Reports are due at multiples of this only, so that those of many peers leave
/// in one turn and cost one wake-up.
const GRID_US: u64 = 50_000;

/// When a report is due that is to come some time `after` now.
pub(super) fn due(now: Instant, after: Duration) -> Instant {
    let at = (now + after).as_micros();
    Instant::from_micros(at.checked_next_multiple_of(GRID_US).unwrap_or(at))
}

/// Composes into `out`, which stays empty where nothing is due.
///
/// A compound begins with a report and our name (RFC 3550 section 6.1). Where
/// both ends agreed on reduced size (RFC 5506), feedback may go without.
pub(super) fn compose(
    now: Instant,
    rtt: Option<Duration>,
    reduced_size: bool,
    send: &mut SendSide,
    receive: &mut ReceiveSide,
    out: &mut Vec<u8>,
) {
    let mut blocks = Vec::new(); // allocates only once a report is due
    receive.take_report_blocks(now, &mut blocks);
    let reports = send.take_reports(now);
    let goodbye = send.take_goodbye();
    let due = !reports.is_empty() || !blocks.is_empty() || goodbye.is_some();

    if due || !reduced_size {
        match reports.split_first() {
            Some((first, rest)) => {
                SenderReport::emit(out, first, &blocks);
                rest.iter()
                    .for_each(|info| SenderReport::emit(out, info, &[]));
            }
            None => ReceiverReport::emit(out, send.rtcp_ssrc(), &blocks),
        }
        Sdes::emit(out, send.rtcp_ssrc(), send.cname());
        // One clock, so one name, for all our sources.
        for info in reports.iter().filter(|i| i.ssrc != send.rtcp_ssrc()) {
            Sdes::emit(out, info.ssrc, send.cname());
        }
    }
    let head = out.len();
    receive.compose_feedback(now, rtt, out);
    if !due && out.len() == head {
        out.clear();
    }
    if let Some(sources) = goodbye {
        Bye::emit(out, &sources);
    }
}
