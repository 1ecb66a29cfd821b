//! How a stream is received, for report blocks (RFC 3550 section 6.4.1,
//! appendices A.3 and A.8).

use core::time::Duration;

use crate::id::{ExtSeq, MediaTime, Ssrc};
use crate::rtcp::ReportBlock;
use crate::time::Instant;

/// Reception of one source.
///
/// Feed it each packet of the original stream once. Repairs that come by RTX
/// belong to another source and are left out: the loss it reports is the
/// path's, which is what a rate controller needs.
#[derive(Clone, Debug)]
pub struct ReceiveStats {
    ssrc: Ssrc,
    clock_rate: u32,
    base: Option<ExtSeq>,
    highest: ExtSeq,
    received: u64,
    octets: u64,
    /// Jitter in sixteenths of a clock unit, and the transit of the last packet.
    jitter_q4: u32,
    transit: Option<u32>,
    expected_before: u64,
    received_before: u64,
    last_sr: Option<(u32, Instant)>,
}

impl ReceiveStats {
    /// Nothing received yet. `clock_rate` is the codec's, in Hz.
    pub const fn new(ssrc: Ssrc, clock_rate: u32) -> Self {
        Self {
            ssrc,
            clock_rate,
            base: None,
            highest: ExtSeq(0),
            received: 0,
            octets: 0,
            jitter_q4: 0,
            transit: None,
            expected_before: 0,
            received_before: 0,
            last_sr: None,
        }
    }

    /// Packets received, repairs left out.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Payload bytes received.
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Packets missing since the first one; duplicates may make it negative.
    pub const fn lost(&self) -> i64 {
        self.expected().cast_signed() - self.received.cast_signed()
    }

    /// Interarrival jitter.
    pub fn jitter(&self) -> Duration {
        let us = u64::from(self.jitter_q4 >> 4) * 1_000_000;
        Duration::from_micros(us.checked_div(u64::from(self.clock_rate)).unwrap_or(0))
    }

    /// Notes a packet of the original stream.
    pub fn on_packet(
        &mut self,
        now: Instant,
        seq: ExtSeq,
        timestamp: MediaTime,
        payload_len: usize,
    ) {
        let base = *self.base.get_or_insert(seq);
        if seq < base {
            // Reordered at the very beginning: it was expected after all.
            self.base = Some(seq);
        }
        self.received += 1;
        self.octets += payload_len as u64;
        if seq >= self.highest {
            self.highest = seq;
            self.note_transit(now, timestamp);
        }
    }

    /// Notes a sender report of the source, for the round trip the sender computes.
    pub const fn on_sender_report(&mut self, now: Instant, ntp: u64) {
        self.last_sr = Some((ntp_middle(ntp), now));
    }

    /// The report of the time since the last report; `None` before the first packet.
    pub fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        let base = self.base?;
        let expected = self.expected();
        let expected_now = expected - self.expected_before;
        let received_now = self.received - self.received_before;
        self.expected_before = expected;
        self.received_before = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = (lost_now << 8).checked_div(expected_now).unwrap_or(0);

        let (last_sr, delay_since_last_sr) = match self.last_sr {
            Some((sr, at)) => (sr, ntp_short(now.since(at))),
            None => (0, 0),
        };
        // The unwrapper counts one rollover before the first number.
        let rollovers = (self.highest.0 >> 16) - (base.0 >> 16);
        let highest_seq = (rollovers << 16) | u64::from(self.highest.seq().0);
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_seq: (highest_seq & 0xffff_ffff) as u32,
            jitter: self.jitter_q4 >> 4,
            last_sr,
            delay_since_last_sr,
        })
    }

    const fn expected(&self) -> u64 {
        match self.base {
            Some(base) => self.highest.0 - base.0 + 1,
            None => 0,
        }
    }

    /// Appendix A.8, in the integer form given there.
    fn note_transit(&mut self, now: Instant, timestamp: MediaTime) {
        let arrival = u128::from(now.as_micros()) * u128::from(self.clock_rate) / 1_000_000;
        let arrival = (arrival & 0xffff_ffff) as u32;
        let transit = arrival.wrapping_sub(timestamp.0);
        if let Some(before) = self.transit.replace(transit) {
            let d = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A leap of the sender's timestamps is no jitter; let it not last for minutes.
            let d = d.min(self.clock_rate);
            let decay = self.jitter_q4.saturating_add(8) >> 4;
            self.jitter_q4 = self.jitter_q4.saturating_add(d) - decay;
        }
    }
}

/// The middle 32 bits of an NTP timestamp.
pub(super) const fn ntp_middle(ntp: u64) -> u32 {
    ((ntp >> 16) & 0xffff_ffff) as u32
}

/// A duration in 65536ths of a second; past 18 hours, the most that fits.
pub(super) fn ntp_short(d: Duration) -> u32 {
    let units = (d.as_micros() << 16) / 1_000_000;
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn stats() -> ReceiveStats {
        ReceiveStats::new(Ssrc(7), 90_000)
    }

    #[test]
    fn loss_since_the_last_report() {
        let mut s = stats();
        assert_eq!(s.report(ms(0)), None);
        for n in (100..200).filter(|n| n % 4 != 1) {
            s.on_packet(ms(n), ExtSeq(65_536 + n), MediaTime(0), 10);
        }
        let first = s.report(ms(200)).unwrap();
        assert_eq!(first.fraction_lost, 64);
        assert_eq!((first.cumulative_lost, first.highest_seq), (25, 199));
        for n in 200..300 {
            s.on_packet(ms(n), ExtSeq(65_536 + n), MediaTime(0), 10);
        }
        let second = s.report(ms(300)).unwrap();
        assert_eq!((second.fraction_lost, second.cumulative_lost), (0, 25));
        assert_eq!(s.octets(), 1750);
    }

    #[test]
    fn rollovers_are_counted_from_the_first_packet() {
        let mut s = stats();
        s.on_packet(ms(0), ExtSeq(65_536 + 65_535), MediaTime(0), 1);
        s.on_packet(ms(0), ExtSeq(2 * 65_536 + 1), MediaTime(0), 1);
        assert_eq!(s.report(ms(0)).unwrap().highest_seq, 65_536 + 1);
    }

    #[test]
    fn duplicates_and_an_early_straggler() {
        let mut s = stats();
        for n in [5, 4, 5, 5] {
            s.on_packet(ms(0), ExtSeq(65_536 + n), MediaTime(0), 1);
        }
        let report = s.report(ms(0)).unwrap();
        assert_eq!((report.fraction_lost, report.cumulative_lost), (0, -2));
    }

    #[test]
    fn jitter_of_the_rfc() {
        let mut s = stats();
        // Frames at 10 ms, each second one 1 ms late: |D| is 90 units for ever.
        for n in 0..200u64 {
            let at = Instant::from_micros(n * 10_000 + (n % 2) * 1000);
            s.on_packet(at, ExtSeq(n + 65_536), MediaTime(n as u32 * 900), 1);
        }
        assert!((85..=90).contains(&s.report(ms(2000)).unwrap().jitter));
        assert!(s.jitter().abs_diff(Duration::from_millis(1)) < Duration::from_micros(60));
    }

    #[test]
    fn delay_since_the_last_sender_report() {
        let mut s = stats();
        s.on_packet(ms(0), ExtSeq(65_536), MediaTime(0), 1);
        assert_eq!(s.report(ms(1)).unwrap().last_sr, 0);
        s.on_sender_report(ms(10), 0x1111_2222_3333_4444);
        let report = s.report(ms(510)).unwrap();
        assert_eq!(report.last_sr, 0x2222_3333);
        assert_eq!(report.delay_since_last_sr, 32_768);
    }
}
