//! Transport-wide numbers of sent packets, and what became of them
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use alloc::boxed::Box;
use alloc::vec;
use core::time::Duration;

use crate::id::{ExtSeq, SeqNo};
use crate::rtcp::TwccFeedback;
use crate::time::Instant;

/// Packets remembered: two seconds at 500 packets a second.
const HISTORY: usize = 1024;

/// Numbers the packets of a transport and digests the feedback on them.
#[derive(Clone, Debug)]
pub struct TwccSender {
    /// The next number. The first is 2^16, so that there are numbers before it.
    next: ExtSeq,
    sent: Box<[Sent]>,
    outstanding_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    at: Instant,
    len: u32,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    /// Nothing was sent with the number.
    #[default]
    Free,
    Unknown,
    Lost,
    Received,
}

/// What feedback says of one packet, told once or, where a late arrival
/// corrects it, twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketFate {
    /// Its number.
    pub seq: ExtSeq,
    /// When it was sent.
    pub sent: Instant,
    /// Its length on the wire, as given to [`TwccSender::on_send`].
    pub len: u32,
    /// When it arrived, in ticks of 250 us on the receiver's clock; `None` if lost.
    pub arrived: Option<i64>,
}

/// A feedback packet in figures. Only news counts: what earlier feedback told
/// the same way is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TwccSummary {
    /// Packets that arrived.
    pub received: u32,
    /// Packets that did not.
    pub lost: u32,
    /// Of the received, those that earlier feedback counted as lost.
    pub recovered: u32,
    /// Bytes that arrived.
    pub received_bytes: u64,
    /// Time from sending the last packet that arrived to this feedback: the
    /// round trip and up to one feedback interval.
    pub delay: Option<Duration>,
}

impl TwccSummary {
    /// Loss in the packets of this feedback, 0 to 1; `None` where it had no news.
    pub fn loss_fraction(&self) -> Option<f32> {
        let lost = self.lost.saturating_sub(self.recovered);
        let all = self.received + self.lost;
        (all > 0).then(|| lost as f32 / all as f32)
    }
}

impl Default for TwccSender {
    fn default() -> Self {
        Self::new()
    }
}

impl TwccSender {
    /// A sender of nothing. Allocates here, and never again.
    pub fn new() -> Self {
        Self {
            next: ExtSeq(1 << 16),
            sent: vec![Sent::default(); HISTORY].into_boxed_slice(),
            outstanding_bytes: 0,
        }
    }

    /// Bytes sent of which no feedback has told yet.
    pub const fn outstanding_bytes(&self) -> u64 {
        self.outstanding_bytes
    }

    /// The number for a packet of `len` bytes that is sent now.
    pub fn on_send(&mut self, now: Instant, len: usize) -> SeqNo {
        let seq = self.next;
        self.next = ExtSeq(seq.0 + 1);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let forgotten = self.replace(
            seq,
            Sent {
                at: now,
                len,
                fate: Fate::Unknown,
            },
        );
        if forgotten.fate == Fate::Unknown {
            self.outstanding_bytes -= u64::from(forgotten.len);
        }
        self.outstanding_bytes += u64::from(len);
        seq.seq()
    }

    /// Digests feedback. `each` gets the news of each packet, in order of the
    /// numbers. Numbers never sent, or forgotten, are passed over.
    pub fn on_feedback(
        &mut self,
        now: Instant,
        feedback: &TwccFeedback<'_>,
        mut each: impl FnMut(PacketFate),
    ) -> TwccSummary {
        let mut summary = TwccSummary::default();
        let Some(base) = self.extend(feedback.base_seq) else {
            return summary;
        };
        // The rest is not sent yet, and more than there is memory of is news of
        // nothing: a hostile count costs little.
        let told = usize::try_from(self.next.0 - base.0).unwrap_or(usize::MAX);
        let told = told.min(HISTORY);
        for (seq, arrival) in (base.0..).map(ExtSeq).zip(feedback.arrivals().take(told)) {
            let Some(packet) = self.get(seq) else {
                continue;
            };
            match (packet.fate, arrival.at) {
                (Fate::Unknown, None) => summary.lost += 1,
                (Fate::Unknown | Fate::Lost, Some(_)) => {
                    summary.received += 1;
                    summary.recovered += u32::from(packet.fate == Fate::Lost);
                    summary.received_bytes += u64::from(packet.len);
                    summary.delay = Some(now.since(packet.at));
                }
                _ => continue,
            }
            if packet.fate == Fate::Unknown {
                self.outstanding_bytes -= u64::from(packet.len);
            }
            let fate = match arrival.at {
                Some(_) => Fate::Received,
                None => Fate::Lost,
            };
            self.replace(seq, Sent { fate, ..packet });
            each(PacketFate {
                seq,
                sent: packet.at,
                len: packet.len,
                arrived: arrival.at,
            });
        }
        summary
    }

    /// The number sent last that looks like `seq` on the wire, if it was sent
    /// at most half the number space ago.
    fn extend(&self, seq: SeqNo) -> Option<ExtSeq> {
        let last = ExtSeq(self.next.0 - 1);
        let back = last.seq().distance(seq);
        let back = u64::try_from(back).ok()?;
        Some(ExtSeq(last.0 - back))
    }

    fn get(&self, seq: ExtSeq) -> Option<Sent> {
        if self.next.0 - seq.0 > HISTORY as u64 {
            return None;
        }
        let sent = self.sent.get(index(seq)).copied()?;
        (sent.fate != Fate::Free).then_some(sent)
    }

    fn replace(&mut self, seq: ExtSeq, sent: Sent) -> Sent {
        match self.sent.get_mut(index(seq)) {
            Some(slot) => core::mem::replace(slot, sent),
            None => Sent::default(),
        }
    }
}

const fn index(seq: ExtSeq) -> usize {
    (seq.0 % HISTORY as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::id::Ssrc;
    use crate::rtcp::{Packet, Packets};
    use crate::stream::TwccReceiver;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn feed(s: &mut TwccSender, at: u64, base: u16, arrivals: &[Option<i64>]) -> TwccSummary {
        let mut out = Vec::new();
        TwccFeedback::emit(&mut out, Ssrc(1), Ssrc(2), SeqNo(base), 0, arrivals);
        match Packets::parse(&out).unwrap().next() {
            Some(Packet::Twcc(f)) => s.on_feedback(ms(at), &f, |_| {}),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn figures_of_a_feedback() {
        let mut s = TwccSender::new();
        for n in 0..10 {
            assert_eq!(s.on_send(ms(n), 100), SeqNo(n as u16));
        }
        assert_eq!(s.outstanding_bytes(), 1000);
        let summary = feed(&mut s, 50, 0, &[Some(1), None, Some(2), None]);
        assert_eq!(
            summary,
            TwccSummary {
                received: 2,
                lost: 2,
                recovered: 0,
                received_bytes: 200,
                delay: Some(Duration::from_millis(48)),
            }
        );
        assert_eq!(summary.loss_fraction(), Some(0.5));
        assert_eq!(s.outstanding_bytes(), 600);

        // The same again is no news, but for what turned up late.
        let again = feed(&mut s, 60, 0, &[Some(1), Some(9), Some(2), None]);
        assert_eq!((again.received, again.lost, again.recovered), (1, 0, 1));
        assert_eq!(s.outstanding_bytes(), 600);
        assert_eq!(feed(&mut s, 60, 0, &[Some(1)]).loss_fraction(), None);
    }

    #[test]
    fn feedback_on_what_was_not_sent_is_passed_over() {
        let mut s = TwccSender::new();
        assert_eq!(feed(&mut s, 1, 0, &[Some(1)]), TwccSummary::default());
        assert_eq!(feed(&mut s, 1, 65_535, &[Some(1)]), TwccSummary::default());
        s.on_send(ms(0), 100);
        let summary = feed(&mut s, 1, 65_534, &[Some(1), Some(1), Some(1), Some(1)]);
        assert_eq!((summary.received, summary.received_bytes), (1, 100));
    }

    /// A few bytes of run lengths can tell of 65535 packets, and a datagram holds many such.
    #[test]
    fn feedback_on_more_than_is_remembered_is_cut_short() {
        let mut s = TwccSender::new();
        for _ in 0..40_000 {
            s.on_send(ms(0), 10);
        }
        let mut out = Vec::new();
        let old = SeqNo((40_000u32 - 32_000) as u16);
        TwccFeedback::emit(&mut out, Ssrc(1), Ssrc(2), old, 0, &[None; 20]);
        // A count of 65535, in eight runs of nothing and one of the rest.
        out.truncate(20);
        out[14..16].copy_from_slice(&[0xff, 0xff]);
        (0..8).for_each(|_| out.extend([0x1f, 0xff]));
        out.extend([0, 7, 0, 0]);
        out[3] = 9;
        out[2] = 0;
        let packet = Packets::parse(&out).unwrap().next();
        let Some(Packet::Twcc(feedback)) = packet else {
            panic!("{packet:?}")
        };
        assert_eq!(feedback.status_count, 65_535);
        assert_eq!(
            s.on_feedback(ms(1), &feedback, |_| {}),
            TwccSummary::default()
        );
    }

    #[test]
    fn history_is_bounded_and_wraps() {
        let mut s = TwccSender::new();
        for _ in 0..70_000 {
            s.on_send(ms(0), 10);
        }
        assert_eq!(s.outstanding_bytes(), 10 * HISTORY as u64);
        let last = (69_999u32 & 0xffff) as u16;
        assert_eq!(feed(&mut s, 1, last, &[Some(1)]).received, 1);
        let forgotten = last.wrapping_sub(HISTORY as u16);
        assert_eq!(feed(&mut s, 1, forgotten, &[Some(1)]).received, 0);
    }

    proptest! {
        #[test]
        fn both_ends_agree(fates in proptest::collection::vec((any::<bool>(), 0u64..30, 0u64..9), 1..900)) {
            let mut sender = TwccSender::new();
            let mut receiver = TwccReceiver::new();
            let (mut at, mut sent, mut arrived, mut last_arrived) = (0, 0u32, 0u32, None);
            let mut total = TwccSummary::default();
            let mut out = Vec::new();
            for (arrives, flight, wait) in fates {
                at += wait;
                let seq = sender.on_send(ms(at), 100);
                sent += 1;
                if arrives {
                    receiver.on_packet(ms(at + flight), seq);
                    arrived += 1;
                    last_arrived = Some(sent);
                }
                out.clear();
                while receiver.poll(ms(at + 30), Ssrc(1), Ssrc(2), &mut out) {}
                digest(&mut sender, at + 60, &out, &mut total);
            }
            out.clear();
            while receiver.poll(ms(at + 1000), Ssrc(1), Ssrc(2), &mut out) {}
            digest(&mut sender, at + 1000, &out, &mut total);
            prop_assert_eq!(total.received, arrived);
            // Reports begin with the first arrival and end with the last.
            prop_assert!(total.lost <= last_arrived.unwrap_or(0) - arrived + total.recovered);
            prop_assert_eq!(total.recovered, 0);
        }
    }

    fn digest(sender: &mut TwccSender, at: u64, rtcp: &[u8], total: &mut TwccSummary) {
        if rtcp.is_empty() {
            return;
        }
        for packet in Packets::parse(rtcp).unwrap() {
            let Packet::Twcc(feedback) = packet else {
                panic!("{packet:?}")
            };
            let s = sender.on_feedback(ms(at), &feedback, |_| {});
            total.received += s.received;
            total.lost += s.lost;
            total.recovered += s.recovered;
        }
    }
}
