//! The codecs of an m-line: payload types with their rtpmap, fmtp, rtcp-fb
//! and RTX taken together, in both directions.

use alloc::string::String;
use alloc::vec::Vec;

use super::attribute::{FeedbackKind, Fmtp, MediaDirection, RtcpFeedback, RtpMap, parse_pt};
use super::description::MediaDescription;
use super::extension::{ExtMap, Extension};
use super::{Codec, CodecKind, CodecNames, CodecParams, Extensions, ProfileLevelId};
use crate::id::Pt;

/// Encodings that carry no media of their own.
const AIDS: [&str; 6] = [
    "rtx",
    "red",
    "ulpfec",
    "flexfec-03",
    "CN",
    "telephone-event",
];

/// A payload type of an m-line whose codec we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) params: CodecParams,
    /// `level-asymmetry-allowed` (RFC 6184 section 8.1).
    pub(super) level_asymmetry: bool,
    /// Whether there was an fmtp at all.
    pub(super) has_fmtp: bool,
}

impl MediaDescription {
    /// The known codecs, in the order of the m-line.
    pub(super) fn payloads(&self) -> Vec<Payload> {
        let rtx = self.rtx_types();
        self.pts().filter_map(|pt| self.payload(pt, &rtx)).collect()
    }

    fn payload(&self, pt: Pt, rtx: &[(Pt, Pt)]) -> Option<Payload> {
        let map = self.rtpmap(pt)?;
        let fmtp = self.fmtp(pt);
        let flag = |name| fmtp.is_some_and(|f| f.flag(name));
        let codec = match known(map)? {
            CodecKind::H264 => h264(fmtp)?,
            CodecKind::Vp8 => Codec::Vp8,
            CodecKind::Opus => Codec::Opus {
                stereo: flag("stereo") || flag("sprop-stereo"),
                fec: flag("useinbandfec"),
            },
        };
        let has = |kind| self.feedback.iter().any(|f| f.is(pt, kind));
        Some(Payload {
            params: CodecParams {
                pt,
                codec,
                rtx_pt: rtx.iter().find(|(apt, _)| *apt == pt).map(|(_, rtx)| *rtx),
                nack: has(FeedbackKind::Nack),
                pli: has(FeedbackKind::NackPli),
                fir: has(FeedbackKind::CcmFir),
                transport_cc: has(FeedbackKind::TransportCc),
                remb: has(FeedbackKind::GoogRemb),
            },
            level_asymmetry: flag("level-asymmetry-allowed"),
            has_fmtp: fmtp.is_some(),
        })
    }

    /// The RTX payload types, each after the one it repairs (RFC 4588 section 8.1).
    fn rtx_types(&self) -> Vec<(Pt, Pt)> {
        let is_rtx = |pt: &Pt| {
            self.rtpmap(*pt)
                .is_some_and(|m| m.encoding.eq_ignore_ascii_case("rtx"))
        };
        self.pts()
            .filter(is_rtx)
            .filter_map(|rtx| Some((self.fmtp(rtx)?.get("apt").and_then(parse_pt)?, rtx)))
            .collect()
    }

    /// Ids of the extensions we know, where `usable` says that their direction
    /// fits; the first id of each counts.
    pub(super) fn extensions(&self, usable: impl Fn(MediaDirection) -> bool) -> Extensions {
        let mut ids = Extensions::default();
        for map in self.extmaps.iter().rev().filter(|m| usable(m.direction)) {
            ids.set(map.extension, map.id);
        }
        ids
    }

    /// Names of all codecs, for a message.
    pub(super) fn codec_names(&self) -> CodecNames {
        let known = self.payloads();
        let maps = self.pts().filter_map(|pt| self.rtpmap(pt));
        maps.filter(|m| !AIDS.iter().any(|aid| m.encoding.eq_ignore_ascii_case(aid)))
            .map(|m| match known.iter().find(|p| p.params.pt == m.pt) {
                Some(payload) => alloc::format!("{}", payload.params.codec),
                None => m.encoding.clone(),
            })
            .collect()
    }

    /// Adds a codec with everything that belongs to it.
    pub(super) fn push_payload(&mut self, payload: &Payload) {
        let params = &payload.params;
        let pt = params.pt;
        let kind = params.codec.kind();
        self.formats.push(alloc::format!("{pt}"));
        self.rtpmaps.push(RtpMap {
            pt,
            encoding: kind.encoding_name().into(),
            clock_rate: kind.clock_rate(),
            channels: (kind == CodecKind::Opus).then_some(2),
        });
        if let Some(text) = fmtp_text(payload) {
            self.fmtps.push(Fmtp { pt, params: text });
        }
        for (wanted, kind) in [
            (params.nack, FeedbackKind::Nack),
            (params.pli, FeedbackKind::NackPli),
            (params.fir, FeedbackKind::CcmFir),
            (params.transport_cc, FeedbackKind::TransportCc),
            (params.remb, FeedbackKind::GoogRemb),
        ] {
            if wanted {
                self.feedback.push(RtcpFeedback { pt: Some(pt), kind });
            }
        }
        if let Some(rtx) = params.rtx_pt {
            self.formats.push(alloc::format!("{rtx}"));
            self.rtpmaps.push(RtpMap {
                pt: rtx,
                encoding: "rtx".into(),
                clock_rate: kind.clock_rate(),
                channels: None,
            });
            self.fmtps.push(Fmtp {
                pt: rtx,
                params: alloc::format!("apt={pt}"),
            });
        }
    }

    /// Adds the extensions' `a=extmap` lines.
    pub(super) fn push_extensions(&mut self, extensions: &Extensions) {
        let maps = extensions
            .iter()
            .map(|(extension, id): (Extension, u8)| ExtMap {
                id,
                direction: MediaDirection::SendRecv, // as far as the m-line goes
                extension,
            });
        self.extmaps.extend(maps);
    }
}

fn known(map: &RtpMap) -> Option<CodecKind> {
    [CodecKind::H264, CodecKind::Vp8, CodecKind::Opus]
        .into_iter()
        .find(|kind| map.is(kind.encoding_name(), kind.clock_rate()))
        // Opus is always signalled with two channels (RFC 7587 section 7).
        .filter(|kind| *kind != CodecKind::Opus || map.channels == Some(2))
}

/// `None` for the interleaved mode 2, which nobody uses in real time.
fn h264(fmtp: Option<&Fmtp>) -> Option<Codec> {
    let get = |name| fmtp.and_then(|f| f.get(name));
    let packetization_mode = match get("packetization-mode") {
        None | Some("0") => 0,
        Some("1") => 1,
        Some(_) => return None,
    };
    let profile_level_id = match get("profile-level-id") {
        None => ProfileLevelId::ABSENT,
        Some(digits) => ProfileLevelId::parse(digits)?,
    };
    Some(Codec::H264 {
        profile_level_id,
        packetization_mode,
    })
}

fn fmtp_text(payload: &Payload) -> Option<String> {
    match payload.params.codec {
        Codec::H264 {
            profile_level_id,
            packetization_mode,
        } => {
            let asymmetry = if payload.level_asymmetry {
                "level-asymmetry-allowed=1;"
            } else {
                ""
            };
            Some(alloc::format!(
                "{asymmetry}packetization-mode={packetization_mode};profile-level-id={profile_level_id}"
            ))
        }
        Codec::Vp8 => None,
        Codec::Opus { stereo, fec } => {
            let mut text = String::from("minptime=10");
            if fec {
                text.push_str(";useinbandfec=1");
            }
            if stereo {
                text.push_str(";stereo=1;sprop-stereo=1");
            }
            Some(text)
        }
    }
}

/// How well a receiver that offers `decoder` suits the stream `stream`: 0 is
/// best, `None` not at all.
///
/// H.264 matches by profile, not by level (levels are asymmetric in practice,
/// RFC 6184 section 8.2.2), and a mode 1 stream has FU-As that a mode 0
/// receiver does not read.
pub(super) fn distance(decoder: &Codec, stream: &Codec) -> Option<u8> {
    match (decoder, stream) {
        (
            Codec::H264 {
                profile_level_id: decoder,
                packetization_mode: decoder_mode,
            },
            Codec::H264 {
                profile_level_id: stream,
                packetization_mode: mode,
            },
        ) if decoder_mode >= mode => {
            let profiles = decoder.profile().distance_to_decode(stream.profile())?;
            Some(2 * profiles + u8::from(decoder_mode != mode))
        }
        (Codec::Vp8, Codec::Vp8) | (Codec::Opus { .. }, Codec::Opus { .. }) => Some(0),
        _ => None,
    }
}
