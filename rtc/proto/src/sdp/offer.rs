//! Making an offer and taking its answer (RFC 3264 sections 5 and 6, RFC 9429 section 5.2).

use alloc::string::String;
use alloc::vec::Vec;

use super::answer::remote_message_size;
use super::attribute::{MediaDirection, Setup};
use super::description::{IceOptions, MediaDescription, MediaType, TransportDescription};
use super::payload::Payload;
use super::session::{SCTP_PORT, mline_mid, mline_number};
use super::transport::dtls_role;
use super::{
    Codec, CodecNames, CodecParams, DataChannelParams, Direction, Extensions, MediaKind,
    NegotiationError, OfferConfig, OfferedTrack, SendSsrc, Session, SessionDescription, Track,
};
use crate::ice::IceCredentials;
use crate::id::Pt;

/// Most tracks of an offer; more are passed over.
const MAX_TRACKS: usize = 8;
/// Most codecs of a track.
const MAX_CODECS: usize = 8;

/// Ids of the extensions we offer, the same in every m-line, as one transport
/// demands (RFC 9143 section 12).
const MID_ID: u8 = 1;
const TRANSPORT_CC_ID: u8 = 2;
const PLAYOUT_DELAY_ID: u8 = 3;

/// An offer that waits for its answer.
#[derive(Clone, Debug)]
pub struct LocalOffer {
    ice: IceCredentials,
    lines: Vec<LocalLine>,
}

#[derive(Clone, Debug)]
enum LocalLine {
    Track(LocalTrack),
    DataChannel,
}

#[derive(Clone, Debug)]
struct LocalTrack {
    kind: MediaKind,
    payloads: Vec<Payload>,
    extensions: Extensions,
    send: Option<SendSsrc>,
}

impl LocalOffer {
    /// Makes an offer: the description for the wire, and what is needed to
    /// understand its answer. m-lines are tagged by their number.
    pub fn create(config: &OfferConfig) -> (SessionDescription, Self) {
        let mut pts = PtPool::default();
        let mut lines: Vec<LocalLine> = config
            .tracks
            .iter()
            .map(|track| LocalTrack::new(track, config, &mut pts))
            .filter(|track| !track.payloads.is_empty())
            .take(MAX_TRACKS)
            .map(LocalLine::Track)
            .collect();
        if config.data_channel {
            lines.push(LocalLine::DataChannel);
        }

        let transport = TransportDescription {
            ice_ufrag: Some(config.ice.ufrag().into()),
            ice_pwd: Some(config.ice.pwd().into()),
            ice_options: IceOptions {
                ice2: true,
                trickle: false,
            },
            fingerprints: [config.fingerprint].into(),
            setup: Some(Setup::ActPass), // RFC 8842 section 5.2
            ..TransportDescription::default()
        };
        let media: Vec<MediaDescription> = lines
            .iter()
            .enumerate()
            .map(|(i, line)| {
                let mut media = line.describe();
                media.mid = Some(mline_mid(i, None));
                media.transport = transport.clone();
                if i == 0 {
                    media.transport.candidates.clone_from(&config.candidates);
                    media.transport.end_of_candidates = true;
                }
                media
            })
            .collect();
        let description = SessionDescription {
            session_id: config.session_id,
            session_version: 1,
            bundle: [media.iter().filter_map(|m| m.mid).collect()].into(),
            ice_lite: config.ice_lite,
            media,
            ..SessionDescription::default()
        };
        let offer = Self {
            ice: config.ice.clone(),
            lines,
        };
        (description, offer)
    }

    /// Takes the answer. Tracks that it rejects are missing from the session.
    pub fn accept(&self, answer: &SessionDescription) -> Result<Session, NegotiationError> {
        if answer.media.len() != self.lines.len() {
            return Err(NegotiationError::AnswerMismatch);
        }
        let mut accepted = Vec::new();
        let mut tracks = Vec::new();
        let mut data_channel = None;
        for (index, (line, media)) in self.lines.iter().zip(&answer.media).enumerate() {
            let mid = mline_mid(index, None);
            if media.media != line.media_type() || media.mid.is_some_and(|m| m != mid) {
                return Err(NegotiationError::AnswerMismatch);
            }
            if media.port == 0 {
                continue; // bundle-only has no place in an answer (RFC 9143 section 6)
            }
            match line {
                LocalLine::Track(offered) => {
                    let direction = media.direction.or(answer.direction);
                    if let Some(track) = offered.accept(index, media, direction)? {
                        accepted.push(index);
                        tracks.push(track);
                    }
                }
                LocalLine::DataChannel => {
                    accepted.push(index);
                    data_channel = Some(DataChannelParams {
                        mid,
                        mline: mline_number(index),
                        local_port: SCTP_PORT,
                        remote_port: media.sctp_port.unwrap_or(SCTP_PORT),
                        max_message_size: remote_message_size(media.max_message_size),
                    });
                }
            }
        }
        if accepted.is_empty() {
            return Err(NegotiationError::AllRejected);
        }
        let order = answer.bundled(&accepted)?;
        let remote = answer.remote_transport(&order)?;
        Ok(Session {
            local_ice: self.ice.clone(),
            remote_ice: remote.ice,
            remote_lite: answer.ice_lite,
            remote_candidates: remote.candidates,
            fingerprints: remote.fingerprints,
            dtls_role: dtls_role(remote.setup, None)?,
            tracks,
            data_channel,
        })
    }
}

impl LocalLine {
    const fn media_type(&self) -> MediaType {
        match self {
            Self::Track(track) => MediaType::Rtp(track.kind),
            Self::DataChannel => MediaType::Application,
        }
    }

    fn describe(&self) -> MediaDescription {
        let mut media = MediaDescription {
            media: self.media_type(),
            port: 9,
            ..MediaDescription::default()
        };
        match self {
            Self::Track(track) => {
                media.protocol = String::from("UDP/TLS/RTP/SAVPF");
                media.rtcp_mux = true;
                media.rtcp_rsize = true;
                for payload in &track.payloads {
                    media.push_payload(payload);
                }
                media.push_extensions(&track.extensions);
                media.direction = Some(match &track.send {
                    Some(send) => {
                        media.push_sources(send);
                        MediaDirection::SendOnly
                    }
                    None => MediaDirection::RecvOnly,
                });
            }
            Self::DataChannel => {
                media.protocol = String::from("UDP/DTLS/SCTP");
                media.formats = [String::from("webrtc-datachannel")].into();
                media.sctp_port = Some(SCTP_PORT);
                media.max_message_size = remote_message_size(None);
            }
        }
        media
    }
}

impl LocalTrack {
    fn new(track: &OfferedTrack, config: &OfferConfig, pts: &mut PtPool) -> Self {
        let video = track.kind == MediaKind::Video;
        let has_rtx = video && track.send.as_ref().is_none_or(|s| s.rtx.is_some());
        let codecs = track.codecs.iter().filter(|c| c.media() == track.kind);
        let payloads: Vec<Payload> = codecs
            .take(MAX_CODECS)
            .map_while(|codec| {
                let preferred = if video { None } else { Some(OPUS_PT) };
                Some(Payload {
                    params: CodecParams {
                        pt: pts.take(preferred)?,
                        codec: *codec,
                        rtx_pt: if has_rtx { pts.take(None) } else { None },
                        nack: video,
                        pli: video,
                        fir: video,
                        transport_cc: config.transport_cc,
                        remb: false,
                    },
                    level_asymmetry: true,
                    has_fmtp: true,
                })
            })
            .collect();
        let has_rtx = payloads.iter().any(|p| p.params.rtx_pt.is_some());
        Self {
            kind: track.kind,
            payloads,
            extensions: Extensions {
                mid: Some(MID_ID),
                transport_cc: config.transport_cc.then_some(TRANSPORT_CC_ID),
                playout_delay: (config.playout_delay && video).then_some(PLAYOUT_DELAY_ID),
                ..Extensions::default()
            },
            send: track.send.clone().map(|send| SendSsrc {
                rtx: send.rtx.filter(|_| has_rtx),
                ..send
            }),
        }
    }

    const fn direction(&self) -> Direction {
        match self.send {
            Some(_) => Direction::Send,
            None => Direction::Receive,
        }
    }

    /// `None` where the answer leaves the m-line unused.
    fn accept(
        &self,
        index: usize,
        media: &MediaDescription,
        direction: Option<MediaDirection>,
    ) -> Result<Option<Track>, NegotiationError> {
        let theirs = direction.unwrap_or(MediaDirection::SendRecv);
        let used = match self.direction() {
            Direction::Send => theirs.receives(),
            Direction::Receive => theirs.sends(),
        };
        if !used {
            return Ok(None);
        }
        if !media.rtcp_mux {
            return Err(NegotiationError::NoRtcpMux {
                mline: mline_number(index),
            });
        }
        let answered = media.extensions(|_| true);
        let extensions = self
            .extensions
            .filtered(|e| answered.get(e) == self.extensions.get(e));
        let codecs: Vec<CodecParams> = media
            .payloads()
            .iter()
            .filter_map(|payload| self.agreed(payload, &extensions))
            .collect();
        let Some(chosen) = codecs.first() else {
            let ours = self.payloads.iter().map(|p| p.params.codec);
            return Err(NegotiationError::NoCommonCodec {
                kind: self.kind,
                offered: ours.collect::<CodecNames>(),
                wanted: media.codec_names(),
            });
        };
        let rtx = chosen.rtx_pt;
        let (remote_ssrcs, remote_rtx) = match self.direction() {
            Direction::Receive => media.announced_sources(),
            Direction::Send => (Vec::new(), Vec::new()),
        };
        Ok(Some(Track {
            mid: mline_mid(index, None),
            mline: mline_number(index),
            kind: self.kind,
            direction: self.direction(),
            codecs,
            extensions,
            send: self.send.clone().map(|send| SendSsrc {
                rtx: rtx.and(send.rtx),
                ..send
            }),
            remote_ssrcs,
            remote_rtx,
            rtcp_rsize: media.rtcp_rsize,
        }))
    }

    /// What an answered payload type means: it must be one of ours, and as we
    /// send it or as the other end says it will.
    ///
    /// When we send H.264, a different profile in the answer is not held
    /// against it: some servers write the same one to everybody.
    fn agreed(&self, answered: &Payload, extensions: &Extensions) -> Option<CodecParams> {
        let theirs = &answered.params;
        let ours = self
            .payloads
            .iter()
            .map(|p| &p.params)
            .find(|p| p.pt == theirs.pt && p.codec.kind() == theirs.codec.kind())?;
        let codec = match self.direction() {
            Direction::Send if answered.has_fmtp && cannot_fragment(&ours.codec, &theirs.codec) => {
                return None;
            }
            Direction::Receive if answered.has_fmtp => theirs.codec,
            Direction::Send | Direction::Receive => ours.codec,
        };
        Some(CodecParams {
            pt: ours.pt,
            codec,
            rtx_pt: ours.rtx_pt.filter(|rtx| theirs.rtx_pt == Some(*rtx)),
            nack: ours.nack && theirs.nack,
            pli: ours.pli && theirs.pli,
            fir: ours.fir && theirs.fir,
            transport_cc: theirs.transport_cc && extensions.transport_cc.is_some(),
            remb: false,
        })
    }
}

/// Whether we packetize in mode 1 for an end that reads mode 0 only.
const fn cannot_fragment(ours: &Codec, theirs: &Codec) -> bool {
    matches!(
        (ours, theirs),
        (
            Codec::H264 {
                packetization_mode: 1,
                ..
            },
            Codec::H264 {
                packetization_mode: 0,
                ..
            }
        )
    )
}

/// What everybody uses for Opus.
const OPUS_PT: u8 = 111;

/// Dynamic payload types (RFC 3551 section 3), each given once: in a bundle
/// they must not mean two things (RFC 9143 section 9.1.1).
#[derive(Default)]
struct PtPool {
    taken: u128,
}

impl PtPool {
    fn take(&mut self, preferred: Option<u8>) -> Option<Pt> {
        // 64 to 95 would look like RTCP (RFC 5761 section 4).
        let free = (96..128)
            .chain(35..64)
            .filter(|pt| *pt != OPUS_PT || preferred == Some(OPUS_PT));
        let pt = preferred
            .into_iter()
            .chain(free)
            .find(|pt| self.taken & (1 << pt) == 0)?;
        self.taken |= 1 << pt;
        Pt::new(pt)
    }
}
