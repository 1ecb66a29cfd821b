//! What an Opus packet's first bytes tell (RFC 6716 section 3).
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! +-+-+-+-+-+-+-+-+
//! | config  |s| c |   then, if c is 3: |v|p|     M     |
//! +-+-+-+-+-+-+-+-+
//! ```

use core::time::Duration;

/// The RTP clock of Opus, whatever it codes (RFC 7587 section 4.1), Hz.
pub const CLOCK_RATE: u32 = 48_000;

/// Longest packet that is legal.
const MAX_DURATION: Duration = Duration::from_millis(120);

/// The first byte of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toc(u8);

impl Toc {
    /// The TOC of `packet`; `None` if it is empty.
    pub fn of(packet: &[u8]) -> Option<Self> {
        packet.first().copied().map(Self)
    }

    /// Whether the packet codes two channels.
    pub const fn stereo(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// Duration of each frame in the packet (table 2).
    pub const fn frame_duration(self) -> Duration {
        let us = match (self.0 >> 3, (self.0 >> 3) & 3) {
            (0..=11, 0) => 10_000, // SILK
            (0..=11, 1) => 20_000,
            (0..=11, 2) => 40_000,
            (0..=11, _) => 60_000,
            (12..=15, 0 | 2) => 10_000, // hybrid
            (12..=15, _) => 20_000,
            (_, 0) => 2500, // CELT
            (_, 1) => 5000,
            (_, 2) => 10_000,
            (_, _) => 20_000,
        };
        Duration::from_micros(us)
    }
}

/// Duration of the sound in `packet`; `None` if it is not legal Opus.
pub fn packet_duration(packet: &[u8]) -> Option<Duration> {
    let toc = Toc::of(packet)?;
    let frames = match toc.0 & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let duration = toc.frame_duration() * frames;
    (frames > 0 && duration <= MAX_DURATION).then_some(duration)
}

/// Duration of the sound in `packet` in units of [`CLOCK_RATE`].
pub fn packet_samples(packet: &[u8]) -> Option<u32> {
    let us = packet_duration(packet)?.as_micros();
    u32::try_from(us * u128::from(CLOCK_RATE) / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_table_2() {
        let expected = [
            [10_000, 20_000, 40_000, 60_000],
            [10_000, 20_000, 40_000, 60_000],
            [10_000, 20_000, 40_000, 60_000],
            [10_000, 20_000, 10_000, 20_000],
            [2500, 5000, 10_000, 20_000],
            [2500, 5000, 10_000, 20_000],
            [2500, 5000, 10_000, 20_000],
            [2500, 5000, 10_000, 20_000],
        ];
        for (config, us) in expected.iter().flatten().enumerate() {
            let packet = [(config as u8) << 3];
            assert_eq!(
                packet_duration(&packet),
                Some(Duration::from_micros(*us)),
                "{config}"
            );
        }
    }

    #[test]
    fn frame_counts() {
        let celt_20 = 31 << 3;
        assert_eq!(packet_samples(&[celt_20]), Some(960));
        assert_eq!(packet_samples(&[celt_20 | 1]), Some(1920));
        assert_eq!(packet_samples(&[celt_20 | 2]), Some(1920));
        assert_eq!(packet_samples(&[celt_20 | 3, 0xc0 | 6]), Some(5760));
        assert_eq!(packet_samples(&[celt_20 | 3, 7]), None, "140 ms");
        assert_eq!(packet_samples(&[celt_20 | 3, 0]), None);
        assert_eq!(packet_samples(&[celt_20 | 3]), None);
        assert_eq!(packet_samples(&[]), None);
    }

    #[test]
    fn channels() {
        assert_eq!(Toc::of(&[0xfc]).map(Toc::stereo), Some(true));
        assert_eq!(Toc::of(&[0xf8]).map(Toc::stereo), Some(false));
    }
}
