//! What was sent of a stream, for sender reports, and what the receiver says
//! of it (RFC 3550 section 6.4).

use core::time::Duration;

use transom_rtc_prefetch::prefetch_line;

use super::receive_stats::{ntp_middle, ntp_short};
use crate::id::{MediaTime, Ssrc};
use crate::rtcp::{ReportBlock, SenderInfo};
use crate::time::Instant;

/// Sender reports remembered, to know the round trip from what comes back.
const REPORTS: usize = 4;

/// Sending of one source.
#[derive(Clone, Debug)]
pub struct SendStats {
    ssrc: Ssrc,
    packets: u64,
    octets: u64,
    /// The reports sent last, newest first: middle of the NTP timestamp, when.
    reports: [Option<(u32, Instant)>; REPORTS],
    rtt: Option<Duration>,
    fraction_lost: Option<u8>,
}

impl SendStats {
    /// Asks for what [`SendStats::on_sent`] will read.
    pub(crate) fn prefetch(&self) {
        prefetch_line(&self.packets);
    }

    /// Nothing sent yet.
    pub const fn new(ssrc: Ssrc) -> Self {
        Self {
            ssrc,
            packets: 0,
            octets: 0,
            reports: [None; REPORTS],
            rtt: None,
            fraction_lost: None,
        }
    }

    /// Packets sent, repairs left out.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Payload bytes sent.
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// The round trip, smoothed, as soon as a report block told it.
    pub const fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Loss in 256ths, from the last report block.
    pub const fn fraction_lost(&self) -> Option<u8> {
        self.fraction_lost
    }

    /// Notes a packet sent.
    pub const fn on_sent(&mut self, payload_len: usize) {
        self.packets += 1;
        self.octets += payload_len as u64;
    }

    /// A sender report that says that `timestamp` stands for `ntp`.
    pub fn report(&mut self, now: Instant, ntp: u64, timestamp: MediaTime) -> SenderInfo {
        self.reports.rotate_right(1);
        if let Some(newest) = self.reports.first_mut() {
            *newest = Some((ntp_middle(ntp), now));
        }
        SenderInfo {
            ssrc: self.ssrc,
            ntp,
            timestamp,
            packets: (self.packets & 0xffff_ffff) as u32,
            octets: (self.octets & 0xffff_ffff) as u32,
        }
    }

    /// Notes what a receiver reports of this source; the round trip, if the
    /// block answers one of the last sender reports.
    pub fn on_report_block(&mut self, now: Instant, block: &ReportBlock) -> Option<Duration> {
        if block.ssrc != self.ssrc {
            return None;
        }
        self.fraction_lost = Some(block.fraction_lost);
        let answered = |(sr, _): &&(u32, Instant)| *sr == block.last_sr && block.last_sr != 0;
        let (_, sent) = self.reports.iter().flatten().find(answered)?;
        // Our own record of when, not the NTP arithmetic: the wall clock may have been set since.
        let since = ntp_short(now.since(*sent));
        let units = since.saturating_sub(block.delay_since_last_sr);
        let rtt = Duration::from_micros((u64::from(units) * 1_000_000) >> 16);
        self.rtt = Some(match self.rtt {
            Some(smoothed) => (smoothed * 7 + rtt) / 8,
            None => rtt,
        });
        Some(rtt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn block(last_sr: u32, delay: u32) -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc(1),
            fraction_lost: 12,
            last_sr,
            delay_since_last_sr: delay,
            ..ReportBlock::default()
        }
    }

    #[test]
    fn a_report_tells_what_was_sent() {
        let mut s = SendStats::new(Ssrc(1));
        s.on_sent(1000);
        s.on_sent(200);
        let info = s.report(ms(110), 7, MediaTime(899));
        assert_eq!((info.ntp, info.timestamp), (7, MediaTime(899)));
        assert_eq!((info.packets, info.octets), (2, 1200));
    }

    #[test]
    fn the_round_trip_does_not_need_the_wall_clock() {
        let mut s = SendStats::new(Ssrc(1));
        s.report(ms(0), 0x0000_0001_8000_0000, MediaTime(0));
        s.report(ms(1000), 0x00ff_0002_8000_0000, MediaTime(0));
        let rtt = s.on_report_block(ms(1540), &block(0x0002_8000, 32_768));
        assert_eq!(rtt.map(|d| d.as_millis()), Some(39)); // 40 less the rounding
        assert_eq!(s.fraction_lost(), Some(12));
        // An older report may be answered too; an unknown one tells nothing.
        assert!(
            s.on_report_block(ms(1600), &block(0x0001_8000, 65_536))
                .is_some()
        );
        assert!(
            s.on_report_block(ms(1600), &block(0x0009_8000, 0))
                .is_none()
        );
        assert!(s.on_report_block(ms(1600), &block(0, 0)).is_none());
    }

    #[test]
    fn impossible_delays_are_harmless() {
        let mut s = SendStats::new(Ssrc(1));
        s.report(ms(0), 0x0000_0001_8000_0000, MediaTime(0));
        let rtt = s.on_report_block(ms(10), &block(0x0001_8000, u32::MAX));
        assert_eq!(rtt, Some(Duration::ZERO));
        let other = ReportBlock {
            ssrc: Ssrc(2),
            ..block(0x0001_8000, 0)
        };
        assert_eq!(s.on_report_block(ms(10), &other), None);
    }
}
