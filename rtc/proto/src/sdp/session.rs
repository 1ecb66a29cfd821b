use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Codec, CodecParams, Extensions, Fingerprint};
use crate::ice::{Candidate, IceCredentials};
use crate::id::{Mid, Pt, Ssrc};
use crate::port::DtlsRole;

/// What offer and answer agreed on, seen from our end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Our ICE credentials, as they stand in our description.
    pub local_ice: IceCredentials,
    /// The peer's ICE credentials.
    pub remote_ice: IceCredentials,
    /// Whether the peer is an ICE lite agent (RFC 8445 section 2.5).
    pub remote_lite: bool,
    /// The peer's usable candidates; a peer that only connects may have none.
    pub remote_candidates: Vec<Candidate>,
    /// What the peer's certificate may hash to; never empty. One match is enough.
    pub fingerprints: Vec<Fingerprint>,
    /// Our end of the DTLS handshake.
    pub dtls_role: DtlsRole,
    /// The accepted media, in the order of their m-lines.
    pub tracks: Vec<Track>,
    /// The accepted m=application, if any.
    pub data_channel: Option<DataChannelParams>,
}

impl Session {
    /// The track of the m-line `mid`.
    pub fn track(&self, mid: Mid) -> Option<&Track> {
        self.tracks.iter().find(|t| t.mid == mid)
    }

    /// The chosen codec of the first track of `kind`.
    pub fn codec(&self, kind: MediaKind) -> Option<Codec> {
        let track = self.tracks.iter().find(|t| t.kind == kind)?;
        track.codec().map(|c| c.codec)
    }
}

/// One accepted m-line of sound or picture, in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The m-line's tag; its number where the description gives none.
    pub mid: Mid,
    /// Which m-line of the description, from 0.
    pub mline: u8,
    /// Sound or picture.
    pub kind: MediaKind,
    /// Which way the media goes, seen from here.
    pub direction: Direction,
    /// Codecs that may occur, the chosen one first; never empty.
    pub codecs: Vec<CodecParams>,
    /// Ids of the RTP header extensions that may occur.
    pub extensions: Extensions,
    /// Our sources; `Some` exactly where `direction` is [`Direction::Send`].
    pub send: Option<SendSsrc>,
    /// Primary sources the peer announced; may be empty, and then a source is
    /// known by its MID or payload type.
    pub remote_ssrcs: Vec<Ssrc>,
    /// Announced pairs of primary source and its RTX source (`a=ssrc-group:FID`, RFC 5576).
    pub remote_rtx: Vec<(Ssrc, Ssrc)>,
    /// Whether RTCP may be sent in reduced size (RFC 5506).
    pub rtcp_rsize: bool,
}

impl Track {
    /// The chosen codec.
    pub fn codec(&self) -> Option<&CodecParams> {
        self.codecs.first()
    }

    /// The codec that `pt` carries; the flag says whether by way of RTX.
    pub fn codec_of(&self, pt: Pt) -> Option<(&CodecParams, bool)> {
        self.codecs.iter().find_map(|c| {
            if c.pt == pt {
                Some((c, false))
            } else {
                (c.rtx_pt == Some(pt)).then_some((c, true))
            }
        })
    }
}

/// Sound or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// `m=audio`.
    Audio,
    /// `m=video`.
    Video,
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Video => "video",
        })
    }
}

/// Which way media goes, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// We send it.
    Send,
    /// We receive it.
    Receive,
}

/// The sources of a track that we send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendSsrc {
    /// The primary source.
    pub ssrc: Ssrc,
    /// The source of its repairs (RFC 4588); unused where no RTX payload type was agreed.
    pub rtx: Option<Ssrc>,
    /// Canonical name, the same for all sources of one clock (RFC 7022).
    pub cname: String,
    /// Which MediaStream and track the peer's application sees.
    pub msid: Msid,
}

/// MediaStream identification (RFC 8830).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msid {
    /// The stream; tracks with the same one are played in sync.
    pub stream: String,
    /// The track.
    pub track: String,
}

/// The accepted m=application (RFC 8841).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataChannelParams {
    /// The m-line's tag.
    pub mid: Mid,
    /// Which m-line of the description, from 0.
    pub mline: u8,
    /// Our SCTP port.
    pub local_port: u16,
    /// The peer's SCTP port.
    pub remote_port: u16,
    /// Largest message the peer takes, bytes; `None` where it sets no bound.
    pub max_message_size: Option<u32>,
}

/// Our SCTP port: the one that everybody uses.
pub(super) const SCTP_PORT: u16 = 5000;

/// The tag of an m-line, or its number where it has none. Only a lone m-line
/// is taken without a tag, so the number collides with no other's tag.
pub(super) fn mline_mid(index: usize, mid: Option<Mid>) -> Mid {
    mid.unwrap_or_else(|| Mid::from_number(mline_number(index)))
}

/// Descriptions have at most 16 m-lines.
pub(super) fn mline_number(index: usize) -> u8 {
    u8::try_from(index).unwrap_or(u8::MAX)
}
