//! Answering an offer (RFC 3264 section 6, RFC 9429 section 5.3, RFC 9725).

use alloc::vec::Vec;

use super::attribute::MediaDirection;
use super::description::{IceOptions, MediaDescription, MediaType, TransportDescription};
use super::extension::Extension;
use super::payload::{Payload, distance};
use super::session::{SCTP_PORT, mline_mid, mline_number};
use super::transport::{dtls_role, setup_of};
use super::{
    AnswerConfig, AnswerRole, Codec, CodecNames, DataChannelParams, Direction, MAX_MESSAGE_SIZE,
    MediaKind, NegotiationError, Outgoing, SendSsrc, Session, SessionDescription, Track,
};

/// Answers `offer`: our description for the wire, and what was agreed.
///
/// The answer has the offer's m-lines in the offer's order, with one codec
/// each; those we do not take have port 0 (or are inactive, where they are
/// needed to carry the transport). Media without a common codec fails
/// the whole, save for a subscriber's sound, which the picture is worth having
/// without.
pub fn answer(
    offer: &SessionDescription,
    config: &AnswerConfig,
) -> Result<(SessionDescription, Session), NegotiationError> {
    let mut lines = choose(offer, config)?;
    let accepted: Vec<usize> = (0..)
        .zip(&lines)
        .filter(|(_, line)| !matches!(line, Line::Rejected))
        .map(|(i, _)| i)
        .collect();
    let mut order = offer.bundled(&accepted)?;
    if let Some(tag) = offer.tag_of(&order).filter(|tag| !order.contains(tag))
        && keep_inactive(offer, &mut lines, tag)
    {
        order.insert(0, tag);
    }
    let remote = offer.remote_transport(&order)?;
    let role = dtls_role(remote.setup, Some(config.dtls_role))?;

    let mut transport = TransportDescription {
        ice_ufrag: Some(config.ice.ufrag().into()),
        ice_pwd: Some(config.ice.pwd().into()),
        ice_options: IceOptions {
            ice2: true,
            trickle: false,
        },
        fingerprints: [config.fingerprint].into(),
        setup: Some(setup_of(role)),
        ..TransportDescription::default()
    };
    let bare = transport.clone();
    transport.candidates.clone_from(&config.candidates);
    transport.end_of_candidates = true;

    let media = (0..)
        .zip(offer.media.iter().zip(&lines))
        .map(|(i, (offered, line))| {
            // Candidates stand with the tagged m-line only (RFC 9143 section 7.1.3).
            let own = if order.first() == Some(&i) {
                &transport
            } else {
                &bare
            };
            line.describe(offered, own)
        })
        .collect();
    let description = SessionDescription {
        session_id: config.session_id,
        session_version: 1,
        bundle: offer.answered_bundle(&order).into_iter().collect(),
        ice_lite: config.ice_lite,
        extmap_allow_mixed: offer.extmap_allow_mixed,
        media,
        ..SessionDescription::default()
    };

    let mut tracks = Vec::new();
    let mut data_channel = None;
    for line in lines {
        match line {
            Line::Track(accepted) => tracks.push(accepted.track),
            Line::DataChannel(params) => data_channel = Some(params),
            Line::Inactive | Line::Rejected => {}
        }
    }
    let session = Session {
        local_ice: config.ice.clone(),
        remote_ice: remote.ice,
        remote_lite: offer.ice_lite,
        remote_candidates: remote.candidates,
        fingerprints: remote.fingerprints,
        dtls_role: role,
        tracks,
        data_channel,
    };
    Ok((description, session))
}

impl AnswerRole {
    /// Whether a session goes on without `kind` when that has no common codec.
    /// A publisher is not to succeed in part (RFC 9725 section 4.4.3).
    const fn spares(&self, kind: MediaKind) -> bool {
        matches!((self, kind), (Self::Subscribe { .. }, MediaKind::Audio))
    }
}

/// What becomes of an m-line.
enum Line {
    Track(AcceptedTrack),
    DataChannel(DataChannelParams),
    /// Accepted for the sake of its transport; no media goes either way.
    Inactive,
    Rejected,
}

struct AcceptedTrack {
    track: Track,
    /// The chosen payload as the answer writes it.
    payload: Payload,
}

/// Keeps an m-line alive that nobody needs but that the offer's bundle hangs
/// on: the others have no transport of their own where they are bundle-only
/// (RFC 9143 section 7.3.1), and Chromium takes no answer that rejects it.
fn keep_inactive(offer: &SessionDescription, lines: &mut [Line], tag: usize) -> bool {
    let (Some(media), Some(line)) = (offer.media.get(tag), lines.get_mut(tag)) else {
        return false;
    };
    let usable = matches!(media.media, MediaType::Rtp(_)) && media.is_srtp() && !media.is_off();
    if usable {
        *line = Line::Inactive;
    }
    usable
}

/// Decides on each m-line by itself.
fn choose(
    offer: &SessionDescription,
    config: &AnswerConfig,
) -> Result<Vec<Line>, NegotiationError> {
    let mut lines = Vec::with_capacity(offer.media.len());
    let mut no_codec = None;
    let mut taken: Vec<MediaKind> = Vec::new();
    let mut data_channel = false;
    for (index, media) in offer.media.iter().enumerate() {
        let line = match media.media {
            _ if media.is_off() => Line::Rejected,
            MediaType::Rtp(kind) if media.is_srtp() => {
                match choose_track(offer, config, index, media, kind) {
                    Ok(None) => Line::Rejected,
                    Ok(Some(_)) if taken.contains(&kind) => match config.role {
                        // No partial success for publishers (RFC 9725 section 4.4.3).
                        AnswerRole::Publish { .. } => {
                            return Err(NegotiationError::TooManyTracks { kind });
                        }
                        AnswerRole::Subscribe { .. } => Line::Rejected,
                    },
                    Ok(Some(accepted)) => {
                        taken.push(kind);
                        Line::Track(accepted)
                    }
                    Err(e @ NegotiationError::NoCommonCodec { .. }) if config.role.spares(kind) => {
                        no_codec = Some(e);
                        Line::Rejected
                    }
                    Err(e) => return Err(e),
                }
            }
            MediaType::Application
                if config.data_channel && !data_channel && media.is_data_channel() =>
            {
                data_channel = true;
                Line::DataChannel(DataChannelParams {
                    mid: mline_mid(index, media.mid),
                    mline: mline_number(index),
                    local_port: SCTP_PORT,
                    remote_port: media.sctp_port.unwrap_or(SCTP_PORT),
                    max_message_size: remote_message_size(media.max_message_size),
                })
            }
            _ => Line::Rejected,
        };
        lines.push(line);
    }
    if lines.iter().any(|line| !matches!(line, Line::Rejected)) {
        return Ok(lines);
    }
    Err(no_codec.unwrap_or(NegotiationError::NothingUsable {
        publish: matches!(config.role, AnswerRole::Publish { .. }),
    }))
}

/// `None` for an m-line that is rejected without harm.
fn choose_track(
    offer: &SessionDescription,
    config: &AnswerConfig,
    index: usize,
    media: &MediaDescription,
    kind: MediaKind,
) -> Result<Option<AcceptedTrack>, NegotiationError> {
    let theirs = media
        .direction
        .or(offer.direction)
        .unwrap_or(MediaDirection::SendRecv);
    let (direction, mut payload, codec, send) = match &config.role {
        AnswerRole::Publish { accept } => {
            let wanted: Vec<_> = accept.iter().filter(|c| c.media() == kind).collect();
            if !theirs.sends() || wanted.is_empty() {
                return Ok(None);
            }
            let payloads = media.payloads();
            let payload = wanted
                .iter()
                .find_map(|wanted| {
                    payloads
                        .iter()
                        .filter(|p| p.params.codec.kind() == **wanted)
                        .min_by_key(|p| publish_rank(&p.params.codec))
                })
                .ok_or_else(|| NegotiationError::NoCommonCodec {
                    kind,
                    offered: media.codec_names(),
                    wanted: wanted.iter().copied().collect(),
                })?;
            (Direction::Receive, *payload, payload.params.codec, None)
        }
        AnswerRole::Subscribe { audio, video } => {
            let wanted = match kind {
                MediaKind::Audio => audio,
                MediaKind::Video => video,
            };
            let Some(Outgoing { codec, send }) = wanted.as_ref().filter(|_| theirs.receives())
            else {
                return Ok(None);
            };
            let payload = media
                .payloads()
                .into_iter()
                .filter_map(|p| distance(&p.params.codec, codec).map(|d| (d, p)))
                .min_by_key(|(d, _)| *d)
                .map(|(_, payload)| payload)
                .ok_or_else(|| NegotiationError::NoCommonCodec {
                    kind,
                    offered: media.codec_names(),
                    wanted: CodecNames::from_iter([codec]),
                })?;
            let payload = Payload {
                params: super::CodecParams {
                    codec: described(codec, &payload),
                    ..payload.params
                },
                ..payload
            };
            (Direction::Send, payload, *codec, Some(send))
        }
    };
    if !media.rtcp_mux {
        return Err(NegotiationError::NoRtcpMux {
            mline: mline_number(index),
        });
    }

    let fits = |theirs: MediaDirection| match direction {
        Direction::Receive => theirs.sends(),
        Direction::Send => theirs.receives(),
    };
    let extensions = media
        .extensions(fits)
        .filtered(|extension| match extension {
            Extension::Mid => true,
            Extension::TransportCc => config.transport_cc && payload.params.transport_cc,
            Extension::PlayoutDelay => config.playout_delay && extension.suits(kind),
            // Without simulcast in the answer these are not needed, but a
            // publisher that goes on with its layers can then be understood.
            Extension::Rid | Extension::RepairedRid => media.rids.iter().any(|r| r.send),
            Extension::AbsSendTime | Extension::AudioLevel => false,
        });
    let params = &mut payload.params;
    params.transport_cc = extensions.transport_cc.is_some();
    params.remb = false;
    // RTX goes both ways or not at all: a source of ours or their payload type may be missing.
    if send.is_some_and(|s| s.rtx.is_none()) {
        params.rtx_pt = None;
    }
    let send = send.map(|s| SendSsrc {
        rtx: params.rtx_pt.and(s.rtx),
        ..s.clone()
    });
    let (remote_ssrcs, remote_rtx) = match direction {
        Direction::Receive => media.announced_sources(),
        Direction::Send => (Vec::new(), Vec::new()),
    };
    let track = Track {
        mid: mline_mid(index, media.mid),
        mline: mline_number(index),
        kind,
        direction,
        codecs: [super::CodecParams { codec, ..*params }].into(),
        extensions,
        send,
        remote_ssrcs,
        remote_rtx,
        rtcp_rsize: media.rtcp_rsize,
    };
    Ok(Some(AcceptedTrack { track, payload }))
}

/// Orders what a publisher offers of one codec: packetization mode 1 before 0
/// (which has no fragments and so no frame above the MTU), then the profile
/// that most subscribers can decode, then the publisher's own order.
fn publish_rank(codec: &Codec) -> (u8, u8) {
    match codec {
        Codec::H264 {
            profile_level_id,
            packetization_mode,
        } => (
            u8::from(*packetization_mode != 1),
            profile_level_id.profile().publish_rank(),
        ),
        Codec::Vp8 | Codec::Opus { .. } => (0, 0),
    }
}

/// How the answer to a subscriber describes the stream: by the parameters the
/// subscriber offered, save where they may differ.
///
/// H.264: the profile is the offered one; the level is the stream's, unless
/// that is higher than an offer without level asymmetry allows (RFC 6184
/// section 8.2.2). Opus: what the stream is.
fn described(stream: &Codec, offered: &Payload) -> Codec {
    match (*stream, offered.params.codec) {
        (
            Codec::H264 {
                profile_level_id: ours,
                ..
            },
            Codec::H264 {
                profile_level_id: theirs,
                packetization_mode,
            },
        ) => Codec::H264 {
            profile_level_id: if offered.level_asymmetry || ours.level_idc() <= theirs.level_idc() {
                theirs.at_level_of(ours)
            } else {
                theirs
            },
            packetization_mode,
        },
        (stream, _) => stream,
    }
}

/// A missing size means 64 KiB, 0 any size (RFC 8841 section 6).
pub(super) const fn remote_message_size(attribute: Option<u32>) -> Option<u32> {
    match attribute {
        None => Some(MAX_MESSAGE_SIZE),
        Some(0) => None,
        size => size,
    }
}

impl Line {
    fn describe(
        &self,
        offered: &MediaDescription,
        transport: &TransportDescription,
    ) -> MediaDescription {
        let mut media = MediaDescription {
            media: offered.media.clone(),
            port: 9, // no address: that is the candidates' business (RFC 9429 section 5.2.1)
            protocol: offered.protocol.clone(),
            mid: offered.mid,
            transport: transport.clone(),
            ..MediaDescription::default()
        };
        match self {
            Self::Track(AcceptedTrack { track, payload }) => {
                media.direction = Some(match track.direction {
                    Direction::Send => MediaDirection::SendOnly,
                    Direction::Receive => MediaDirection::RecvOnly,
                });
                media.rtcp_mux = true;
                media.rtcp_rsize = track.rtcp_rsize;
                media.push_payload(payload);
                media.push_extensions(&track.extensions);
                if let Some(send) = &track.send {
                    media.push_sources(send);
                }
            }
            Self::DataChannel(params) => {
                media.formats.clone_from(&offered.formats);
                media.sctp_port = Some(params.local_port);
                media.max_message_size = Some(MAX_MESSAGE_SIZE);
            }
            Self::Inactive => {
                media.direction = Some(MediaDirection::Inactive);
                media.rtcp_mux = offered.rtcp_mux;
                media.formats.extend(offered.formats.first().cloned());
                let pt = offered.pts().next();
                media
                    .rtpmaps
                    .extend(pt.and_then(|pt| offered.rtpmap(pt)).cloned());
                media
                    .fmtps
                    .extend(pt.and_then(|pt| offered.fmtp(pt)).cloned());
            }
            // A rejected m-line keeps its formats, which mean nothing (RFC 3264 section 6).
            Self::Rejected => {
                media.port = 0;
                media.formats.clone_from(&offered.formats);
                media.transport = TransportDescription::default();
                media.direction = Some(MediaDirection::Inactive);
            }
        }
        media
    }
}
