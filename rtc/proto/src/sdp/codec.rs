use core::fmt;

use super::{MediaKind, ProfileLevelId};
use crate::id::Pt;

/// A codec with the parameters that decide whether two ends understand each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264 (RFC 6184).
    H264 {
        /// Profile and level, as in the SPS.
        profile_level_id: ProfileLevelId,
        /// 0: single NAL units; 1: also STAP-A and FU-A.
        packetization_mode: u8,
    },
    /// VP8 (RFC 7741).
    Vp8,
    /// Opus (RFC 7587).
    Opus {
        /// The sound is (or may be) stereo.
        stereo: bool,
        /// In-band forward error correction is welcome.
        fec: bool,
    },
}

impl Codec {
    /// Which codec, whatever its parameters.
    pub const fn kind(&self) -> CodecKind {
        match self {
            Self::H264 { .. } => CodecKind::H264,
            Self::Vp8 => CodecKind::Vp8,
            Self::Opus { .. } => CodecKind::Opus,
        }
    }

    /// Sound or picture.
    pub const fn media(&self) -> MediaKind {
        self.kind().media()
    }

    /// RTP clock rate, Hz.
    pub const fn clock_rate(&self) -> u32 {
        self.kind().clock_rate()
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::H264 {
                profile_level_id,
                packetization_mode: 1,
            } => write!(f, "H264 {profile_level_id}"),
            Self::H264 {
                profile_level_id,
                packetization_mode,
            } => write!(f, "H264 {profile_level_id} mode {packetization_mode}"),
            Self::Vp8 | Self::Opus { .. } => self.kind().fmt(f),
        }
    }
}

/// The codecs we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodecKind {
    /// H.264.
    H264,
    /// VP8.
    Vp8,
    /// Opus.
    Opus,
}

impl CodecKind {
    /// Sound or picture.
    pub const fn media(self) -> MediaKind {
        match self {
            Self::H264 | Self::Vp8 => MediaKind::Video,
            Self::Opus => MediaKind::Audio,
        }
    }

    /// RTP clock rate, Hz.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::H264 | Self::Vp8 => 90_000,
            Self::Opus => 48_000,
        }
    }

    /// Encoding name in `a=rtpmap`; it compares without regard to case.
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::Vp8 => "VP8",
            Self::Opus => "opus",
        }
    }
}

impl fmt::Display for CodecKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encoding_name())
    }
}

/// A codec with its payload types and the feedback both ends agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecParams {
    /// The payload type.
    pub pt: Pt,
    /// The codec.
    pub codec: Codec,
    /// The payload type of its retransmissions (RFC 4588).
    pub rtx_pt: Option<Pt>,
    /// Generic NACK (RFC 4585 section 6.2.1).
    pub nack: bool,
    /// Picture loss indication (RFC 4585 section 6.3.1).
    pub pli: bool,
    /// Full intra request (RFC 5104 section 4.3.1).
    pub fir: bool,
    /// Transport-wide congestion control feedback.
    pub transport_cc: bool,
    /// Receiver estimated maximum bitrate.
    pub remb: bool,
}
