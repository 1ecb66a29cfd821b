use alloc::string::String;
use alloc::vec::Vec;

use super::attribute::{Fmtp, MediaDirection, Rid, RtcpFeedback, RtpMap, Setup, SsrcAttribute};
use super::extension::ExtMap;
use super::{Fingerprint, MediaKind, Msid};
use crate::ice::Candidate;
use crate::id::{Mid, Pt, Ssrc};

/// A session description as a value: what we know of it, and nothing else.
///
/// [`parse`](Self::parse) reads a peer's, [`answer`](super::answer()) and
/// [`LocalOffer`](super::LocalOffer) make ours, and `Display` writes it in one
/// canonical form with CRLF line ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionDescription {
    pub(super) session_id: u64,
    pub(super) session_version: u64,
    /// Tags of each `a=group:BUNDLE`, which may name m-lines that do not exist.
    pub(super) bundle: Vec<Vec<Mid>>,
    pub(super) ice_lite: bool,
    pub(super) extmap_allow_mixed: bool,
    pub(super) direction: Option<MediaDirection>,
    pub(super) transport: TransportDescription,
    pub(super) media: Vec<MediaDescription>,
}

impl SessionDescription {
    /// Number of m-lines, rejected ones included.
    pub fn media_count(&self) -> usize {
        self.media.len()
    }

    /// The usable candidates of all m-lines.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.transports().flat_map(|t| &t.candidates)
    }

    /// How many candidates were passed over: names, other components, unknown
    /// transports, malformed ones, and those above the bound of 64 an m-line.
    pub fn unusable_candidates(&self) -> u32 {
        self.transports()
            .map(|t| t.unusable_candidates)
            .fold(0, u32::saturating_add)
    }

    fn transports(&self) -> impl Iterator<Item = &TransportDescription> {
        core::iter::once(&self.transport).chain(self.media.iter().map(|m| &m.transport))
    }
}

/// The attributes of a transport, which stand with an m-line or before the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TransportDescription {
    pub(super) ice_ufrag: Option<String>,
    pub(super) ice_pwd: Option<String>,
    pub(super) ice_options: IceOptions,
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) setup: Option<Setup>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) unusable_candidates: u32,
    pub(super) end_of_candidates: bool,
}

/// `a=ice-options` (RFC 8839 section 5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IceOptions {
    /// Candidates may follow (RFC 8840).
    pub(super) trickle: bool,
    /// Follows RFC 8445, not RFC 5245.
    pub(super) ice2: bool,
}

/// An m-line and its attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MediaDescription {
    pub(super) media: MediaType,
    pub(super) port: u16,
    pub(super) protocol: String,
    pub(super) formats: Vec<String>,
    pub(super) mid: Option<Mid>,
    pub(super) bundle_only: bool,
    pub(super) direction: Option<MediaDirection>,
    pub(super) transport: TransportDescription,
    pub(super) rtcp_mux: bool,
    pub(super) rtcp_rsize: bool,
    pub(super) rtpmaps: Vec<RtpMap>,
    pub(super) fmtps: Vec<Fmtp>,
    pub(super) feedback: Vec<RtcpFeedback>,
    pub(super) extmaps: Vec<ExtMap>,
    pub(super) msid: Option<Msid>,
    pub(super) ssrcs: Vec<SsrcAttribute>,
    pub(super) fid_groups: Vec<(Ssrc, Ssrc)>,
    pub(super) rids: Vec<Rid>,
    pub(super) sctp_port: Option<u16>,
    pub(super) max_message_size: Option<u32>,
}

/// The `<media>` of an m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    Rtp(MediaKind),
    Application,
    Other(String),
}

impl Default for MediaType {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl MediaDescription {
    /// Whether whoever wrote this has switched the m-line off: a port of zero
    /// means that, except where it waits for BUNDLE (RFC 9143 section 6).
    pub(super) const fn is_off(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }

    /// Whether this is media over DTLS-SRTP. The profile names that RFC 9429
    /// section 5.1.2 says to take; they all mean the same here.
    pub(super) fn is_srtp(&self) -> bool {
        [
            "UDP/TLS/RTP/SAVPF",
            "UDP/TLS/RTP/SAVP",
            "TCP/DTLS/RTP/SAVPF",
            "RTP/SAVPF",
            "RTP/SAVP",
        ]
        .contains(&self.protocol.as_str())
    }

    /// Whether this is data channels over DTLS (RFC 8841).
    pub(super) fn is_data_channel(&self) -> bool {
        self.media == MediaType::Application
            && ["UDP/DTLS/SCTP", "TCP/DTLS/SCTP"].contains(&self.protocol.as_str())
            && self.formats.iter().any(|f| f == "webrtc-datachannel")
    }

    /// The payload types, in order of preference.
    pub(super) fn pts(&self) -> impl Iterator<Item = Pt> {
        self.formats
            .iter()
            .filter_map(|f| super::attribute::parse_pt(f))
    }

    pub(super) fn rtpmap(&self, pt: Pt) -> Option<&RtpMap> {
        self.rtpmaps.iter().find(|m| m.pt == pt)
    }

    pub(super) fn fmtp(&self, pt: Pt) -> Option<&Fmtp> {
        self.fmtps.iter().find(|f| f.pt == pt)
    }
}
