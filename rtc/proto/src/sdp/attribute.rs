//! Attributes with a form of their own, each as a value that parses and prints.

use alloc::string::{String, ToString};
use core::fmt;

use crate::id::{Mid, Pt, Ssrc};

/// `a=sendrecv` and its like, seen from whoever wrote it (RFC 8866 section 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaDirection {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl MediaDirection {
    pub(super) const fn parse(name: &str) -> Option<Self> {
        match name.as_bytes() {
            b"sendrecv" => Some(Self::SendRecv),
            b"sendonly" => Some(Self::SendOnly),
            b"recvonly" => Some(Self::RecvOnly),
            b"inactive" => Some(Self::Inactive),
            _ => None,
        }
    }

    pub(super) const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    pub(super) const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

impl fmt::Display for MediaDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        })
    }
}

/// `a=setup` (RFC 4145 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    Active,
    Passive,
    ActPass,
    HoldConn,
}

impl Setup {
    pub(super) const fn parse(value: &str) -> Option<Self> {
        match value.as_bytes() {
            b"active" => Some(Self::Active),
            b"passive" => Some(Self::Passive),
            b"actpass" => Some(Self::ActPass),
            b"holdconn" => Some(Self::HoldConn),
            _ => None,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        })
    }
}

/// `a=rtpmap:<pt> <encoding>/<clock rate>[/<channels>]` (RFC 8866 section 6.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RtpMap {
    pub(super) pt: Pt,
    pub(super) encoding: String,
    pub(super) clock_rate: u32,
    pub(super) channels: Option<u8>,
}

impl RtpMap {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (pt, map) = value.split_once(' ')?;
        let mut parts = map.trim().split('/');
        let encoding = parts.next().filter(|name| !name.is_empty())?;
        let clock_rate = parts.next()?.parse().ok()?;
        let channels = match parts.next() {
            Some(n) => Some(n.parse().ok()?),
            None => None,
        };
        Some(Self {
            pt: parse_pt(pt)?,
            encoding: encoding.to_string(),
            clock_rate,
            channels,
        })
    }

    pub(super) fn is(&self, encoding: &str, clock_rate: u32) -> bool {
        self.encoding.eq_ignore_ascii_case(encoding) && self.clock_rate == clock_rate
    }
}

impl fmt::Display for RtpMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.pt, self.encoding, self.clock_rate)?;
        match self.channels {
            Some(n) => write!(f, "/{n}"),
            None => Ok(()),
        }
    }
}

/// `a=fmtp:<pt> <name>=<value>;...` (RFC 8866 section 6.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fmtp {
    pub(super) pt: Pt,
    pub(super) params: String,
}

impl Fmtp {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (pt, params) = value.split_once(' ')?;
        Some(Self {
            pt: parse_pt(pt)?,
            params: params.trim().to_string(),
        })
    }

    /// The value of the parameter `name`, which compares without regard to case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.params.split(';').find_map(|param| {
            let (key, value) = param.split_once('=')?;
            (key.trim().eq_ignore_ascii_case(name)).then(|| value.trim())
        })
    }

    /// Whether the parameter `name` is 1.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("1")
    }
}

impl fmt::Display for Fmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pt, self.params)
    }
}

/// `a=rtcp-fb:<pt or *> <kind>` (RFC 4585 section 4.2), of the kinds we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RtcpFeedback {
    /// `None` for `*`: every payload type of the m-line.
    pub(super) pt: Option<Pt>,
    pub(super) kind: FeedbackKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedbackKind {
    Nack,
    NackPli,
    CcmFir,
    TransportCc,
    GoogRemb,
}

impl FeedbackKind {
    const ALL: [Self; 5] = [
        Self::Nack,
        Self::NackPli,
        Self::CcmFir,
        Self::TransportCc,
        Self::GoogRemb,
    ];

    const fn text(self) -> &'static str {
        match self {
            Self::Nack => "nack",
            Self::NackPli => "nack pli",
            Self::CcmFir => "ccm fir",
            Self::TransportCc => "transport-cc",
            Self::GoogRemb => "goog-remb",
        }
    }
}

impl RtcpFeedback {
    /// `None` also for feedback that we do not know, which is passed over.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (pt, kind) = value.split_once(' ')?;
        let pt = match pt {
            "*" => None,
            pt => Some(parse_pt(pt)?),
        };
        let kind = FeedbackKind::ALL
            .into_iter()
            .find(|k| k.text() == kind.trim())?;
        Some(Self { pt, kind })
    }

    pub(super) fn is(&self, pt: Pt, kind: FeedbackKind) -> bool {
        self.kind == kind && self.pt.is_none_or(|p| p == pt)
    }
}

impl fmt::Display for RtcpFeedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pt {
            Some(pt) => write!(f, "{pt} {}", self.kind.text()),
            None => write!(f, "* {}", self.kind.text()),
        }
    }
}

/// `a=rid:<id> <direction>` (RFC 8851); restrictions are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rid {
    pub(super) id: Mid,
    pub(super) send: bool,
}

impl Rid {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split_ascii_whitespace();
        let id = Mid::new(parts.next()?.as_bytes())?;
        let send = match parts.next()? {
            "send" => true,
            "recv" => false,
            _ => return None,
        };
        Some(Self { id, send })
    }
}

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, if self.send { "send" } else { "recv" })
    }
}

/// A source that is announced by `a=ssrc` (RFC 5576 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SsrcAttribute {
    pub(super) ssrc: Ssrc,
    pub(super) cname: Option<String>,
}

impl SsrcAttribute {
    /// One line's worth: a source has as many lines as it has attributes.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (ssrc, attribute) = value.split_once(' ').unwrap_or((value, ""));
        Some(Self {
            ssrc: Ssrc(ssrc.parse().ok()?),
            cname: attribute
                .trim()
                .strip_prefix("cname:")
                .map(ToString::to_string),
        })
    }
}

/// The two sources of `a=ssrc-group:FID <primary> <rtx>` (RFC 5576 section 4.2, RFC 4588);
/// `Some(None)` for groups of other kinds.
pub(super) fn parse_fid_group(value: &str) -> Option<Option<(Ssrc, Ssrc)>> {
    let mut parts = value.split_ascii_whitespace();
    if parts.next()? != "FID" {
        return Some(None);
    }
    let primary = parts.next()?.parse().ok()?;
    let rtx = parts.next()?.parse().ok()?;
    Some(Some((Ssrc(primary), Ssrc(rtx))))
}

/// A payload type in decimal.
pub(super) fn parse_pt(s: &str) -> Option<Pt> {
    s.parse().ok().and_then(Pt::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtpmaps() {
        let opus = RtpMap::parse("111 OPUS/48000/2").unwrap();
        assert!(opus.is("opus", 48_000));
        assert_eq!(opus.channels, Some(2));
        assert_eq!(opus.to_string(), "111 OPUS/48000/2");
        for bad in [
            "",
            "111",
            "128 a/1",
            "96 /90000",
            "96 VP8",
            "96 VP8/x",
            "96 opus/48000/",
        ] {
            assert_eq!(RtpMap::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn format_parameters_by_name() {
        let fmtp = Fmtp::parse("96 level-asymmetry-allowed=1; Packetization-Mode=1;x").unwrap();
        assert!(fmtp.flag("packetization-mode"));
        assert_eq!(fmtp.get("profile-level-id"), None);
        assert_eq!(Fmtp::parse("97 apt=96").unwrap().get("apt"), Some("96"));
    }

    #[test]
    fn feedback() {
        let all = RtcpFeedback::parse("* nack pli").unwrap();
        let one = RtcpFeedback::parse("96 nack").unwrap();
        let pt = Pt::from_low_bits(96);
        assert!(all.is(pt, FeedbackKind::NackPli) && !all.is(pt, FeedbackKind::Nack));
        assert!(one.is(pt, FeedbackKind::Nack));
        assert!(!one.is(Pt::from_low_bits(97), FeedbackKind::Nack));
        assert_eq!(RtcpFeedback::parse("96 nack rpsi"), None);
    }

    #[test]
    fn source_groups() {
        assert_eq!(parse_fid_group("FID 1 2"), Some(Some((Ssrc(1), Ssrc(2)))));
        assert_eq!(parse_fid_group("SIM 1 2 3"), Some(None));
        assert_eq!(parse_fid_group("FID 1"), None);
        assert_eq!(parse_fid_group("FID 1 4294967296"), None);
    }
}
