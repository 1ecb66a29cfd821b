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

/// Composes into `out`, which stays empty where nothing is due.
pub(super) fn compose(
    now: Instant,
    rtt: Option<Duration>,
    send: &mut SendSide,
    receive: &mut ReceiveSide,
    out: &mut Vec<u8>,
) {
    let mut blocks = Vec::new(); // allocates only once a report is due
    receive.take_report_blocks(now, &mut blocks);
    let reports = send.take_reports(now);
    let goodbye = send.take_goodbye();
    let mut any = false;
    for info in &reports {
        SenderReport::emit(out, info, if any { &[] } else { &blocks });
        any = true;
    }
    if !any && !blocks.is_empty() {
        ReceiverReport::emit(out, send.rtcp_ssrc(), &blocks);
        any = true;
    }
    receive.compose_feedback(now, rtt, out);
    if out.is_empty() && goodbye.is_none() {
        return;
    }
    if any {
        // One clock, so one name, for all our sources.
        for info in &reports {
            Sdes::emit(out, info.ssrc, send.cname());
        }
        if reports.is_empty() {
            Sdes::emit(out, send.rtcp_ssrc(), send.cname());
        }
    }
    if let Some(sources) = goodbye {
        if out.is_empty() {
            ReceiverReport::emit(out, send.rtcp_ssrc(), &[]);
        }
        Bye::emit(out, &sources);
    }
}
