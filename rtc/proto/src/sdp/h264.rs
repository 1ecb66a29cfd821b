//! H.264 profiles and which decoder takes which stream (RFC 6184 section 8.1).

use core::fmt;

/// `profile-level-id`: profile_idc, constraint flags (profile-iop) and
/// level_idc, the three bytes that open an SPS (RFC 6184 section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileLevelId([u8; 3]);

impl ProfileLevelId {
    /// What an absent `profile-level-id` means: Baseline, level 1 (RFC 6184 section 8.1).
    pub const ABSENT: Self = Self([0x42, 0x00, 0x0a]);
    /// Constrained Baseline, level 3.1: what every browser decodes.
    pub const CONSTRAINED_BASELINE_31: Self = Self([0x42, 0xe0, 0x1f]);

    /// From the SPS bytes profile_idc, constraint flags, level_idc.
    pub const fn from_sps(bytes: [u8; 3]) -> Self {
        Self(bytes)
    }

    /// From the number that the six hexadecimal digits stand for; `None` above 24 bits.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        match bits.to_be_bytes() {
            [0, profile, iop, level] => Some(Self([profile, iop, level])),
            _ => None,
        }
    }

    /// The number that the six hexadecimal digits stand for.
    pub const fn bits(self) -> u32 {
        let [profile, iop, level] = self.0;
        u32::from_be_bytes([0, profile, iop, level])
    }

    /// From exactly six hexadecimal digits.
    pub fn parse(s: &str) -> Option<Self> {
        if s.len() != 6 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u32::from_str_radix(s, 16).ok().and_then(Self::from_bits)
    }

    /// The profile that profile_idc and the constraint flags name together.
    pub const fn profile(self) -> H264Profile {
        let [idc, iop, _] = self.0;
        let set0 = iop & 0x80 != 0;
        let set1 = iop & 0x40 != 0;
        // RFC 6184 section 8.1, table 5; constraint_set4 and 5 as H.264 A.2.4.2.
        match idc {
            0x42 if set1 => H264Profile::ConstrainedBaseline,
            0x4d if set0 => H264Profile::ConstrainedBaseline,
            0x58 if set0 && set1 => H264Profile::ConstrainedBaseline,
            0x42 => H264Profile::Baseline,
            0x58 if set0 => H264Profile::Baseline,
            0x58 => H264Profile::Extended,
            0x4d => H264Profile::Main,
            0x64 if iop & 0x0c == 0x0c => H264Profile::ConstrainedHigh,
            0x64 => H264Profile::High,
            0xf4 => H264Profile::High444Predictive,
            _ => H264Profile::Other { idc, iop },
        }
    }

    /// level_idc: ten times the level; 9 is level 1b.
    pub const fn level_idc(self) -> u8 {
        let [_, iop, level] = self.0;
        // Level 1b hides behind constraint_set3 in the old profiles (RFC 6184 section 8.1).
        if level == 11 && iop & 0x10 != 0 && matches!(self.0[0], 0x42 | 0x4d | 0x58) {
            9
        } else {
            level
        }
    }

    /// This profile at the level of `other`.
    #[must_use]
    pub const fn at_level_of(self, other: Self) -> Self {
        Self([self.0[0], self.0[1], other.0[2]])
    }
}

impl fmt::Display for ProfileLevelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.bits())
    }
}

/// A profile of H.264 annex A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum H264Profile {
    /// What all the others can decode.
    ConstrainedBaseline,
    /// With flexible macroblock order and arbitrary slice order, which no camera uses.
    Baseline,
    /// Baseline and more.
    Extended,
    /// With B slices and CABAC.
    Main,
    /// High without interlace and B slices.
    ConstrainedHigh,
    /// With 8x8 transforms.
    High,
    /// High and more colour. Chromium receives it, though not High itself.
    High444Predictive,
    /// One of the rest; it matches itself only.
    Other {
        /// profile_idc.
        idc: u8,
        /// Constraint flags.
        iop: u8,
    },
}

impl H264Profile {
    /// How well a decoder of this profile suits a stream of `stream`'s: 0 is
    /// the same profile, larger is further away, `None` cannot be relied on.
    ///
    /// Baseline in a Constrained Baseline decoder is the last resort: the
    /// difference is tools that encoders label but do not use, and a
    /// subscriber that offers nothing else would otherwise see nothing.
    pub fn distance_to_decode(self, stream: Self) -> Option<u8> {
        use H264Profile::{
            Baseline, ConstrainedBaseline, ConstrainedHigh, Extended, High, High444Predictive, Main,
        };
        if self == stream {
            return Some(0);
        }
        match (stream, self) {
            (ConstrainedBaseline, Baseline) => Some(1),
            (ConstrainedBaseline, Main) => Some(2),
            (ConstrainedBaseline, ConstrainedHigh) => Some(3),
            (ConstrainedBaseline, High) => Some(4),
            (ConstrainedBaseline | Baseline, Extended) => Some(5),
            (ConstrainedBaseline, High444Predictive) => Some(6),
            (Main | ConstrainedHigh | High, High444Predictive) => Some(2),
            (Main | ConstrainedHigh, High) => Some(1),
            (Baseline, ConstrainedBaseline) => Some(8),
            (Baseline, Main) => Some(9),
            (Baseline, ConstrainedHigh) => Some(10),
            (Baseline, High | High444Predictive) => Some(11),
            _ => None,
        }
    }

    /// Which of several offered profiles to ask of a publisher: the one that
    /// most subscribers can decode comes first.
    pub(super) const fn publish_rank(self) -> u8 {
        match self {
            Self::ConstrainedBaseline => 0,
            Self::Baseline => 1,
            Self::ConstrainedHigh => 2,
            Self::Main => 3,
            Self::High => 4,
            Self::High444Predictive => 5,
            Self::Extended => 6,
            Self::Other { .. } => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(s: &str) -> H264Profile {
        ProfileLevelId::parse(s).unwrap().profile()
    }

    #[test]
    fn constraint_flags_name_the_profile() {
        for s in ["42e01f", "42c01f", "424015", "4de01f", "58c01f"] {
            assert_eq!(profile(s), H264Profile::ConstrainedBaseline, "{s}");
        }
        assert_eq!(profile("42001f"), H264Profile::Baseline);
        assert_eq!(profile("4d001f"), H264Profile::Main);
        assert_eq!(profile("640c1f"), H264Profile::ConstrainedHigh);
        assert_eq!(profile("64001f"), H264Profile::High);
        assert_eq!(profile("f4001f"), H264Profile::High444Predictive);
        assert_ne!(profile("6e001f"), profile("7a001f"));
    }

    #[test]
    fn six_digits_exactly() {
        for s in ["", "42e01", "42e01f0", "42e01g", "+2e01f", "é2e01"] {
            assert_eq!(ProfileLevelId::parse(s), None, "{s}");
        }
        let id = ProfileLevelId::parse("42E01F").unwrap();
        assert_eq!(id.bits(), 0x42_e0_1f);
        assert_eq!(ProfileLevelId::from_bits(id.bits()), Some(id));
        assert_eq!(ProfileLevelId::from_bits(0x0142_e01f), None);
    }

    #[test]
    fn level_1b() {
        assert_eq!(ProfileLevelId::parse("42f00b").unwrap().level_idc(), 9);
        assert_eq!(ProfileLevelId::parse("42e00b").unwrap().level_idc(), 11);
    }

    #[test]
    fn lower_profiles_play_on_higher_decoders_only() {
        use H264Profile::*;
        for decoder in [Baseline, Main, ConstrainedHigh, High, Extended] {
            assert!(decoder.distance_to_decode(ConstrainedBaseline).is_some());
        }
        for stream in [Main, ConstrainedHigh, High, Extended] {
            assert_eq!(ConstrainedBaseline.distance_to_decode(stream), None);
        }
        assert_eq!(Main.distance_to_decode(High), None);
        assert_eq!(High.distance_to_decode(High444Predictive), None);
        assert!(High444Predictive.distance_to_decode(High).is_some());
    }
}
