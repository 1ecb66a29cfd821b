//! Writing a description: one canonical order, CRLF line ends.

use core::fmt;

use super::candidate::CandidateValue;
use super::description::{MediaDescription, MediaType, TransportDescription};
use super::{MediaKind, SessionDescription};

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("v=0\r\n")?;
        write!(
            f,
            "o=- {} {} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
            self.session_id, self.session_version
        )?;
        for group in &self.bundle {
            f.write_str("a=group:BUNDLE")?;
            for mid in group {
                write!(f, " {mid}")?;
            }
            f.write_str("\r\n")?;
        }
        flag(f, "extmap-allow-mixed", self.extmap_allow_mixed)?;
        flag(f, "ice-lite", self.ice_lite)?;
        if let Some(direction) = self.direction {
            write!(f, "a={direction}\r\n")?;
        }
        self.transport.fmt(f)?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl fmt::Display for TransportDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        option(f, "ice-ufrag", self.ice_ufrag.as_ref())?;
        option(f, "ice-pwd", self.ice_pwd.as_ref())?;
        match (self.ice_options.ice2, self.ice_options.trickle) {
            (true, true) => f.write_str("a=ice-options:ice2 trickle\r\n")?,
            (true, false) => f.write_str("a=ice-options:ice2\r\n")?,
            (false, true) => f.write_str("a=ice-options:trickle\r\n")?,
            (false, false) => {}
        }
        each(f, "fingerprint", &self.fingerprints)?;
        option(f, "setup", self.setup)?;
        each(f, "candidate", self.candidates.iter().map(CandidateValue))?;
        flag(f, "end-of-candidates", self.end_of_candidates)
    }
}

impl fmt::Display for MediaDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {} {}", self.media, self.port, self.protocol)?;
        for format in &self.formats {
            write!(f, " {format}")?;
        }
        // Addresses are the candidates' business (RFC 9429 section 5.2.1).
        f.write_str("\r\nc=IN IP4 0.0.0.0\r\n")?;
        option(f, "mid", self.mid)?;
        flag(f, "bundle-only", self.bundle_only)?;
        self.transport.fmt(f)?;
        if let Some(direction) = self.direction {
            write!(f, "a={direction}\r\n")?;
        }
        flag(f, "rtcp-mux", self.rtcp_mux)?;
        flag(f, "rtcp-rsize", self.rtcp_rsize)?;
        each(f, "extmap", &self.extmaps)?;
        each(f, "rtpmap", &self.rtpmaps)?;
        each(f, "rtcp-fb", &self.feedback)?;
        each(f, "fmtp", &self.fmtps)?;
        if let Some(msid) = &self.msid {
            write!(f, "a=msid:{}", msid.stream)?;
            if !msid.track.is_empty() {
                write!(f, " {}", msid.track)?;
            }
            f.write_str("\r\n")?;
        }
        for (primary, rtx) in &self.fid_groups {
            write!(f, "a=ssrc-group:FID {} {}\r\n", primary.0, rtx.0)?;
        }
        for source in &self.ssrcs {
            write!(f, "a=ssrc:{}", source.ssrc.0)?;
            match &source.cname {
                Some(cname) => write!(f, " cname:{cname}\r\n")?,
                None => f.write_str("\r\n")?,
            }
        }
        each(f, "rid", &self.rids)?;
        option(f, "sctp-port", self.sctp_port)?;
        option(f, "max-message-size", self.max_message_size)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rtp(MediaKind::Audio) => "audio",
            Self::Rtp(MediaKind::Video) => "video",
            Self::Application => "application",
            Self::Other(name) => name,
        })
    }
}

fn flag(f: &mut fmt::Formatter<'_>, name: &str, set: bool) -> fmt::Result {
    if set {
        write!(f, "a={name}\r\n")
    } else {
        Ok(())
    }
}

fn option(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    each(f, name, value)
}

fn each(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    values: impl IntoIterator<Item = impl fmt::Display>,
) -> fmt::Result {
    values
        .into_iter()
        .try_for_each(|value| write!(f, "a={name}:{value}\r\n"))
}
