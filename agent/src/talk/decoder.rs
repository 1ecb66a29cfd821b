//! From packets as they come to sound without holes.

use std::time::Duration;

use opus::{Channels, Decoder};
use transom_rtc_proto::codec::opus::packet_duration;
use transom_rtc_proto::id::ExtSeq;
use transom_rtc_proto::stream::ReorderBuffer;
use transom_rtc_proto::time::Instant;

use crate::sound::{OpusError, SoundCount, SoundFigures};

/// A packet that is missing is waited for this long, and not more than so many
/// behind it: the speaker's queue holds hardly more.
const MAX_WAIT: Duration = Duration::from_millis(40);
const MAX_PACKETS: usize = 32;
/// More missing packets than this are not made up.
const MAX_MADE_UP: u64 = 5;
/// The longest packet (120 ms at 48 kHz), in frames.
const LONGEST: usize = 5_760;
const RATE: u32 = 48_000;

/// Puts packets in order and decodes them to 48 kHz in one channel.
pub(super) struct TalkDecoder {
    order: ReorderBuffer<Vec<u8>>,
    decoder: Decoder,
    /// The number after the last that was decoded.
    next: Option<u64>,
    frames: Vec<i16>,
}

impl TalkDecoder {
    pub(super) fn new() -> Result<Self, OpusError> {
        Ok(Self {
            order: ReorderBuffer::new(MAX_PACKETS, MAX_WAIT),
            decoder: Decoder::new(RATE, Channels::Mono).map_err(|_| OpusError::Failed)?,
            next: None,
            frames: vec![0; LONGEST],
        })
    }

    /// Takes a packet in.
    pub(super) fn push(&mut self, now: Instant, seq: ExtSeq, payload: Vec<u8>) {
        // Padding that probes the path carries none.
        if packet_duration(&payload).is_some() {
            self.order.push(now, seq, payload);
        }
    }

    /// Whether a packet is waited for.
    pub(super) fn waits(&self) -> bool {
        self.order.next_timeout().is_some()
    }

    /// Decodes what is in order by now.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        figures: &SoundFigures,
        mut heard: impl FnMut(&[i16]),
    ) {
        while let Some((seq, packet)) = self.order.pop(now) {
            let missing = self.next.map_or(0, |next| seq.0.saturating_sub(next));
            self.next = Some(seq.0 + 1);
            figures.add(SoundCount::TalkMissing, missing);
            let made_up = missing.min(MAX_MADE_UP);
            for left in (0..made_up).rev() {
                // The last one may be told again by the packet behind it.
                let (of, again) = match left {
                    0 => (packet.as_slice(), true),
                    _ => (&[][..], false),
                };
                self.decode(of, again, &packet, &mut heard);
            }
            figures.add(SoundCount::TalkPackets, 1);
            self.decode(&packet, false, &packet, &mut heard);
        }
    }

    /// Decodes `packet`, or makes up as much sound as `like` has.
    fn decode(&mut self, packet: &[u8], again: bool, like: &[u8], heard: &mut impl FnMut(&[i16])) {
        let duration = packet_duration(like).unwrap_or_default().as_micros();
        let frames = usize::try_from(duration * u128::from(RATE) / 1_000_000).unwrap_or(0);
        let room = match packet.is_empty() || again {
            true => self.frames.get_mut(..frames),
            false => self.frames.get_mut(..),
        };
        let Some(room) = room.filter(|room| !room.is_empty()) else {
            return;
        };
        // What is no Opus leaves a hole; the next packet is not worse for it.
        if let Ok(decoded) = self.decoder.decode(packet, room, again) {
            heard(self.frames.get(..decoded).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::OpusEncoder;

    fn packets(count: usize) -> Vec<Vec<u8>> {
        let mut encoder = OpusEncoder::new(1, 32_000).expect("an encoder");
        let mut phase = 0.0_f64;
        let packet = |_| {
            let samples: Vec<i16> = (0..960)
                .map(|_| {
                    phase += 0.06;
                    (phase.sin() * 8_000.0) as i16
                })
                .collect();
            encoder.encode(&samples).expect("a packet")
        };
        (0..count).map(packet).collect()
    }

    #[test]
    fn what_is_late_or_lost_leaves_no_hole() {
        let (mut decoder, figures) = (
            TalkDecoder::new().expect("it starts"),
            SoundFigures::default(),
        );
        let mut heard = Vec::new();
        let mut now = Instant::default();
        let packets = packets(100);
        let mut late = None;
        for (n, packet) in packets.into_iter().enumerate() {
            now += Duration::from_millis(20);
            let seq = ExtSeq(70_000 + n as u64);
            match n {
                // One comes behind the next, one twice, three never.
                20 => late = Some((seq, packet)),
                50 | 60 | 61 => {}
                30 => {
                    decoder.push(now, seq, packet.clone());
                    decoder.push(now, seq, packet);
                }
                _ => decoder.push(now, seq, packet),
            }
            if n == 21 {
                let (seq, packet) = late.take().expect("it was kept");
                decoder.push(now, seq, packet);
            }
            decoder.push(now, ExtSeq(0), Vec::new());
            decoder.poll(now, &figures, |frames| heard.extend_from_slice(frames));
        }
        assert_eq!(heard.len(), 100 * 960);
        assert_eq!(figures.count(SoundCount::TalkPackets), 97);
        assert_eq!(figures.count(SoundCount::TalkMissing), 3);
        let loud = |frames: &[i16]| frames.iter().map(|s| i64::from(*s).pow(2)).sum::<i64>();
        let blocks: Vec<i64> = heard.chunks(960).map(loud).collect();
        let usual = blocks[10];
        for (n, block) in blocks.iter().enumerate().skip(5) {
            // The decoder feels its way back for three packets.
            assert!(*block > usual / 200, "packet {n} is a hole");
        }
    }

    #[test]
    fn nonsense_is_passed_over() {
        let (mut decoder, figures) = (
            TalkDecoder::new().expect("it starts"),
            SoundFigures::default(),
        );
        let mut now = Instant::default();
        let mut heard = 0;
        for n in 0..200_u64 {
            now += Duration::from_millis(20);
            let junk = (0..n % 40).map(|i| (n * 31 + i * 7) as u8).collect();
            decoder.push(now, ExtSeq(n * (1 + n % 5)), junk);
            decoder.poll(now, &figures, |frames| heard += frames.len());
        }
        // At most 120 ms each, and what is made up for.
        assert!(heard < 200 * 6 * LONGEST);
    }
}
