//! Reading a description (RFC 8866). Unknown lines and attributes are passed
//! over; known ones must hold together; everything is bounded.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::attribute::parse_fid_group;
use super::attribute::{Fmtp, MediaDirection, Rid, RtcpFeedback, RtpMap, Setup, SsrcAttribute};
use super::candidate::parse_candidate;
use super::description::{IceOptions, MediaDescription, MediaType, TransportDescription};
use super::extension::ExtMap;
use super::fingerprint::{Fingerprint, FingerprintParseError};
use super::{MAX_SDP_LEN, MediaKind, Msid, SdpError, SessionDescription};
use crate::id::Mid;

/// The bounds. Browsers stay below a quarter of each.
const MAX_MEDIA: usize = 16;
const MAX_FORMATS: usize = 128;
const MAX_FMTPS: usize = 128;
const MAX_FEEDBACK: usize = 1024;
const MAX_EXTMAPS: usize = 64;
const MAX_SSRCS: usize = 64;
const MAX_FID_GROUPS: usize = 32;
const MAX_RIDS: usize = 16;
const MAX_GROUPS: usize = 16;
const MAX_FINGERPRINTS: usize = 8;
/// Candidates above this are not an error: a host with many interfaces has many.
const MAX_CANDIDATES: usize = 64;
/// Longest text kept of one attribute, bytes.
const MAX_TEXT_LEN: usize = 1024;

impl SessionDescription {
    /// Reads a description with CRLF or LF line ends.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_SDP_LEN {
            return Err(SdpError::TooLong);
        }
        let mut lines = (1_u32..).zip(text.lines());
        if lines.next().map(|(_, first)| first.trim_end()) != Some("v=0") {
            return Err(SdpError::NotSdp);
        }
        let mut description = Self::default();
        for (number, line) in lines {
            let line = Line {
                number,
                text: line.trim_end_matches('\r'),
            };
            line.read_into(&mut description)?;
        }
        if description.media.is_empty() {
            return Err(SdpError::NoMedia);
        }
        Ok(description)
    }
}

#[derive(Clone, Copy)]
struct Line<'a> {
    number: u32,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn read_into(self, description: &mut SessionDescription) -> Result<(), SdpError> {
        if self.text.is_empty() {
            return Ok(());
        }
        // A stray control character could end a line for a laxer reader of what we echo.
        let syntax = SdpError::Syntax { line: self.number };
        if self.text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(syntax);
        }
        let (letter, value) = self.text.split_once('=').ok_or(syntax)?;
        match letter {
            "m" => self.media(description, value),
            "a" => {
                let (name, value) = value.split_once(':').unwrap_or((value, ""));
                self.attribute(description, name, value.trim())
            }
            "o" => {
                self.origin(description, value);
                Ok(())
            }
            letter if letter.len() == 1 && letter.is_ascii() => Ok(()),
            _ => Err(syntax),
        }
    }

    /// Only the numbers are of interest, and those to nobody but ourselves.
    fn origin(self, description: &mut SessionDescription, value: &str) {
        let mut numbers = value
            .split_ascii_whitespace()
            .skip(1)
            .map(|n| n.parse().unwrap_or_default());
        description.session_id = numbers.next().unwrap_or_default();
        description.session_version = numbers.next().unwrap_or_default();
    }

    /// `m=<media> <port>[/<count>] <proto> <fmt> ...` (RFC 8866 section 5.14).
    fn media(self, description: &mut SessionDescription, value: &str) -> Result<(), SdpError> {
        let malformed = self.malformed("m=");
        let mut parts = value.split_ascii_whitespace();
        let media = match parts.next().ok_or(malformed)? {
            "audio" => MediaType::Rtp(MediaKind::Audio),
            "video" => MediaType::Rtp(MediaKind::Video),
            "application" => MediaType::Application,
            other => MediaType::Other(self.text("m=", other)?),
        };
        let port = parts.next().ok_or(malformed)?;
        let port = port.split_once('/').map_or(port, |(port, _)| port);
        let port = port.parse().map_err(|_| malformed)?;
        let protocol = self.text("m=", parts.next().ok_or(malformed)?)?;
        let mut formats = Vec::new();
        for format in parts {
            let format = self.text("m=", format)?;
            if !formats.contains(&format) {
                self.push(&mut formats, format, MAX_FORMATS, "formats")?;
            }
        }
        if formats.is_empty() {
            return Err(malformed);
        }
        let section = MediaDescription {
            media,
            port,
            protocol,
            formats,
            ..MediaDescription::default()
        };
        self.push(&mut description.media, section, MAX_MEDIA, "m= lines")
    }

    fn attribute(
        self,
        description: &mut SessionDescription,
        name: &'a str,
        value: &'a str,
    ) -> Result<(), SdpError> {
        if name == "mid" {
            return self.mid(description, value);
        }
        let transport = match description.media.last_mut() {
            Some(media) => &mut media.transport,
            None => &mut description.transport,
        };
        if self.transport_attribute(transport, name, value)? {
            return Ok(());
        }
        match description.media.last_mut() {
            Some(media) => self.media_attribute(media, name, value),
            None => self.session_attribute(description, name, value),
        }
    }

    fn session_attribute(
        self,
        description: &mut SessionDescription,
        name: &str,
        value: &str,
    ) -> Result<(), SdpError> {
        match name {
            "group" => {
                let mut parts = value.split_ascii_whitespace();
                if parts.next() != Some("BUNDLE") {
                    return Ok(());
                }
                let mut mids = Vec::new();
                for mid in parts {
                    let mid = Mid::new(mid.as_bytes()).ok_or(self.malformed("group"))?;
                    if !mids.contains(&mid) {
                        self.push(&mut mids, mid, MAX_MEDIA, "tags in a group")?;
                    }
                }
                self.push(&mut description.bundle, mids, MAX_GROUPS, "groups")?;
            }
            "ice-lite" => description.ice_lite = true,
            "extmap-allow-mixed" => description.extmap_allow_mixed = true,
            _ => {
                if let Some(direction) = MediaDirection::parse(name) {
                    description.direction = Some(direction);
                }
            }
        }
        Ok(())
    }

    fn mid(self, description: &mut SessionDescription, value: &str) -> Result<(), SdpError> {
        let mid = Mid::new(value.as_bytes()).ok_or(self.malformed("mid"))?;
        let taken = description.media.iter().any(|m| m.mid == Some(mid));
        match description.media.last_mut() {
            Some(media) if media.mid.is_none() && !taken => media.mid = Some(mid),
            Some(_) => return Err(SdpError::DuplicateMid { line: self.number }),
            None => return Err(self.malformed("mid")),
        }
        Ok(())
    }

    /// Reads an attribute of a transport; says whether it was one.
    fn transport_attribute(
        self,
        transport: &mut TransportDescription,
        name: &str,
        value: &str,
    ) -> Result<bool, SdpError> {
        match name {
            "ice-ufrag" => transport.ice_ufrag = Some(self.text("ice-ufrag", value)?),
            "ice-pwd" => transport.ice_pwd = Some(self.text("ice-pwd", value)?),
            "ice-options" => {
                // Separated by spaces; libdatachannel writes commas.
                let has = |option| value.split([' ', ',']).any(|o| o == option);
                transport.ice_options = IceOptions {
                    trickle: has("trickle"),
                    ice2: has("ice2"),
                };
            }
            "fingerprint" => match Fingerprint::parse(value) {
                Ok(f) => {
                    let all = &mut transport.fingerprints;
                    self.push(all, f, MAX_FINGERPRINTS, "fingerprints")?;
                }
                Err(FingerprintParseError::UnknownAlgorithm) => {}
                Err(FingerprintParseError::Malformed) => return Err(self.malformed("fingerprint")),
            },
            "setup" => transport.setup = Some(Setup::parse(value).ok_or(self.malformed("setup"))?),
            "candidate" => match parse_candidate(value) {
                Ok(candidate) if transport.candidates.len() < MAX_CANDIDATES => {
                    transport.candidates.push(candidate);
                }
                _ => {
                    transport.unusable_candidates = transport.unusable_candidates.saturating_add(1);
                }
            },
            "end-of-candidates" => transport.end_of_candidates = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn media_attribute(
        self,
        media: &mut MediaDescription,
        name: &str,
        value: &str,
    ) -> Result<(), SdpError> {
        match name {
            "bundle-only" => media.bundle_only = true,
            "rtcp-mux" | "rtcp-mux-only" => media.rtcp_mux = true,
            "rtcp-rsize" => media.rtcp_rsize = true,
            "rtpmap" => {
                let map = RtpMap::parse(value).ok_or(self.malformed("rtpmap"))?;
                self.push(&mut media.rtpmaps, map, MAX_FORMATS, "a=rtpmap")?;
            }
            "fmtp" => {
                let fmtp = Fmtp::parse(value).ok_or(self.malformed("fmtp"))?;
                self.push(&mut media.fmtps, fmtp, MAX_FMTPS, "a=fmtp")?;
            }
            "rtcp-fb" => {
                if let Some(feedback) = RtcpFeedback::parse(value) {
                    self.push(&mut media.feedback, feedback, MAX_FEEDBACK, "a=rtcp-fb")?;
                }
            }
            "extmap" => {
                if let Some(map) = ExtMap::parse(value).ok_or(self.malformed("extmap"))? {
                    self.push(&mut media.extmaps, map, MAX_EXTMAPS, "a=extmap")?;
                }
            }
            "msid" => self.msid(media, value)?,
            "ssrc" => self.ssrc(media, value)?,
            "ssrc-group" => {
                if let Some(pair) = parse_fid_group(value).ok_or(self.malformed("ssrc-group"))? {
                    self.push(&mut media.fid_groups, pair, MAX_FID_GROUPS, "a=ssrc-group")?;
                }
            }
            "rid" => {
                if let Some(rid) = Rid::parse(value) {
                    self.push(&mut media.rids, rid, MAX_RIDS, "a=rid")?;
                }
            }
            "sctp-port" => {
                let port = value.parse().map_err(|_| self.malformed("sctp-port"))?;
                media.sctp_port = Some(port);
            }
            "max-message-size" => {
                // Larger than we could ever hold is as good as unbounded.
                let size: u64 = value
                    .parse()
                    .map_err(|_| self.malformed("max-message-size"))?;
                media.max_message_size = Some(u32::try_from(size).unwrap_or(u32::MAX));
            }
            _ => {
                if let Some(direction) = MediaDirection::parse(name) {
                    media.direction = Some(direction);
                }
            }
        }
        Ok(())
    }

    /// `a=msid:<stream> [<track>]`; the first one counts (RFC 8830).
    fn msid(self, media: &mut MediaDescription, value: &str) -> Result<(), SdpError> {
        if media.msid.is_none() {
            let (stream, track) = value.split_once(' ').unwrap_or((value, ""));
            media.msid = Some(Msid {
                stream: self.text("msid", stream)?,
                track: self.text("msid", track)?,
            });
        }
        Ok(())
    }

    /// Merges the lines of one source.
    fn ssrc(self, media: &mut MediaDescription, value: &str) -> Result<(), SdpError> {
        let line = SsrcAttribute::parse(value).ok_or(self.malformed("ssrc"))?;
        if let Some(cname) = &line.cname {
            self.text("ssrc", cname)?;
        }
        match media.ssrcs.iter_mut().find(|s| s.ssrc == line.ssrc) {
            Some(known) => known.cname = known.cname.take().or(line.cname),
            None => self.push(&mut media.ssrcs, line, MAX_SSRCS, "sources")?,
        }
        Ok(())
    }

    fn push<T>(
        self,
        list: &mut Vec<T>,
        item: T,
        max: usize,
        what: &'static str,
    ) -> Result<(), SdpError> {
        if list.len() >= max {
            return Err(SdpError::TooMany {
                line: self.number,
                what,
            });
        }
        list.push(item);
        Ok(())
    }

    fn text(self, name: &'static str, value: &str) -> Result<String, SdpError> {
        if value.len() > MAX_TEXT_LEN {
            return Err(self.malformed(name));
        }
        Ok(value.to_string())
    }

    const fn malformed(self, name: &'static str) -> SdpError {
        SdpError::Malformed {
            line: self.number,
            name,
        }
    }
}
