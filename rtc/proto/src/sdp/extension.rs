use core::fmt;

use super::MediaKind;
use super::attribute::MediaDirection;

/// Ids of the RTP header extensions agreed for a track (RFC 8285), each from
/// 1 to 14: the one-byte form is always enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// The m-line's tag (RFC 9143 section 15.2).
    pub mid: Option<u8>,
    /// Id of a simulcast layer (RFC 8852).
    pub rid: Option<u8>,
    /// Id of the layer that an RTX stream repairs (RFC 8852).
    pub repaired_rid: Option<u8>,
    /// Transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions).
    pub transport_cc: Option<u8>,
    /// Departure time, 24 bits of 6.18 fixed-point seconds.
    pub abs_send_time: Option<u8>,
    /// Least and greatest playout delay, 12 bits each, in units of 10 ms.
    pub playout_delay: Option<u8>,
    /// Level of the sound (RFC 6464).
    pub audio_level: Option<u8>,
}

impl Extensions {
    pub(super) const fn get(&self, extension: Extension) -> Option<u8> {
        match extension {
            Extension::Mid => self.mid,
            Extension::Rid => self.rid,
            Extension::RepairedRid => self.repaired_rid,
            Extension::TransportCc => self.transport_cc,
            Extension::AbsSendTime => self.abs_send_time,
            Extension::PlayoutDelay => self.playout_delay,
            Extension::AudioLevel => self.audio_level,
        }
    }

    pub(super) const fn set(&mut self, extension: Extension, id: u8) {
        *match extension {
            Extension::Mid => &mut self.mid,
            Extension::Rid => &mut self.rid,
            Extension::RepairedRid => &mut self.repaired_rid,
            Extension::TransportCc => &mut self.transport_cc,
            Extension::AbsSendTime => &mut self.abs_send_time,
            Extension::PlayoutDelay => &mut self.playout_delay,
            Extension::AudioLevel => &mut self.audio_level,
        } = Some(id);
    }

    /// Only the extensions that `keep` says.
    pub(super) fn filtered(&self, keep: impl Fn(Extension) -> bool) -> Self {
        let mut kept = Self::default();
        for (extension, id) in self.iter().filter(|(extension, _)| keep(*extension)) {
            kept.set(extension, id);
        }
        kept
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Extension, u8)> {
        Extension::ALL
            .into_iter()
            .filter_map(|e| self.get(e).map(|id| (e, id)))
    }
}

/// The RTP header extensions we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    Mid,
    Rid,
    RepairedRid,
    TransportCc,
    AbsSendTime,
    PlayoutDelay,
    AudioLevel,
}

impl Extension {
    const ALL: [Self; 7] = [
        Self::Mid,
        Self::Rid,
        Self::RepairedRid,
        Self::TransportCc,
        Self::AbsSendTime,
        Self::PlayoutDelay,
        Self::AudioLevel,
    ];

    const fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::TransportCc => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        }
    }

    /// Whether the extension has a meaning for `kind`.
    pub(super) fn suits(self, kind: MediaKind) -> bool {
        match self {
            Self::PlayoutDelay => kind == MediaKind::Video,
            Self::AudioLevel => kind == MediaKind::Audio,
            _ => true,
        }
    }
}

/// Largest id of the one-byte form (RFC 8285 section 4.2); 15 is reserved.
const MAX_ONE_BYTE_ID: u8 = 14;

/// `a=extmap:<id>[/<direction>] <uri>` (RFC 8285 section 8) of an extension that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExtMap {
    pub(super) id: u8,
    /// Whether its writer means to send it, to receive it or both.
    pub(super) direction: MediaDirection,
    pub(super) extension: Extension,
}

impl ExtMap {
    /// `None` if malformed, `Some(None)` for extensions that we pass over:
    /// those we do not know, those that need the two-byte form, and those
    /// switched off (`inactive`).
    pub(super) fn parse(value: &str) -> Option<Option<Self>> {
        let mut parts = value.split_ascii_whitespace();
        let id = parts.next()?;
        let uri = parts.next()?;
        let (id, direction) = id.split_once('/').unwrap_or((id, "sendrecv"));
        let direction = MediaDirection::parse(direction)?;
        let id: u16 = id.parse().ok()?; // up to 4351 (RFC 8285 section 5)
        let id = u8::try_from(id).ok().filter(|id| {
            (1..=MAX_ONE_BYTE_ID).contains(id) && direction != MediaDirection::Inactive
        });
        let extension = Extension::ALL.into_iter().find(|e| e.uri() == uri);
        Some(id.zip(extension).map(|(id, extension)| Self {
            id,
            direction,
            extension,
        }))
    }
}

impl fmt::Display for ExtMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if self.direction != MediaDirection::SendRecv {
            write!(f, "/{}", self.direction)?;
        }
        write!(f, " {}", self.extension.uri())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn known_extensions_read_back() {
        for extension in Extension::ALL {
            for direction in [MediaDirection::SendRecv, MediaDirection::RecvOnly] {
                let map = ExtMap {
                    id: 14,
                    direction,
                    extension,
                };
                assert_eq!(ExtMap::parse(&map.to_string()), Some(Some(map)));
            }
            let mut ids = Extensions::default();
            ids.set(extension, 3);
            assert_eq!(ids.get(extension), Some(3));
            assert_eq!(ids.iter().count(), 1);
        }
    }

    #[test]
    fn what_is_passed_over_and_what_is_refused() {
        let mid = Extension::Mid.uri();
        for id in ["0", "15", "16", "4096", "3/inactive"] {
            assert_eq!(
                ExtMap::parse(&alloc::format!("{id} {mid}")),
                Some(None),
                "{id}"
            );
        }
        assert_eq!(ExtMap::parse("3 urn:3gpp:video-orientation"), Some(None));
        assert!(ExtMap::parse(&alloc::format!("3/sendonly {mid}")).is_some_and(|m| m.is_some()));
        for bad in ["", "3", "x urn:a", "70000 urn:a", "3/both urn:a"] {
            assert_eq!(ExtMap::parse(bad), None, "{bad}");
        }
    }
}
