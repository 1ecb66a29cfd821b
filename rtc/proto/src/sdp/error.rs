use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::MediaKind;

/// Why a text is not a session description that we read.
///
/// Lines are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// The first line is not `v=0`.
    #[error("not SDP: the first line must be v=0")]
    NotSdp,
    /// Longer than [`MAX_SDP_LEN`](super::MAX_SDP_LEN).
    #[error("the SDP is longer than {} bytes", super::MAX_SDP_LEN)]
    TooLong,
    /// A line is not `<letter>=<value>`.
    #[error("SDP line {line}: not of the form <letter>=<value>")]
    Syntax {
        /// The line.
        line: u32,
    },
    /// A line that we must understand does not parse.
    #[error("SDP line {line}: malformed {name}")]
    Malformed {
        /// The line.
        line: u32,
        /// The line's letter with its `=`, or the attribute's name.
        name: &'static str,
    },
    /// More of something than any honest description has.
    #[error("SDP line {line}: too many {what}")]
    TooMany {
        /// The line where the bound was passed.
        line: u32,
        /// What there is too much of.
        what: &'static str,
    },
    /// Two m-lines have the same tag.
    #[error("SDP line {line}: a=mid used twice")]
    DuplicateMid {
        /// The second one's line.
        line: u32,
    },
    /// There is no m-line.
    #[error("the SDP has no m= line: offer audio, video or both")]
    NoMedia,
}

/// Why an offer or answer, though well formed, cannot be agreed to. The text
/// names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// No `a=fingerprint` that we take.
    #[error("no usable a=fingerprint: DTLS-SRTP with sha-256, sha-384 or sha-512 is required")]
    NoFingerprint,
    /// `a=ice-ufrag` or `a=ice-pwd` is missing or not of a legal form.
    #[error("no usable a=ice-ufrag and a=ice-pwd: ICE credentials are required")]
    NoIceCredentials,
    /// The accepted m-lines do not share a transport.
    #[error("the m-lines are not in one a=group:BUNDLE: use bundlePolicy max-bundle")]
    NotBundled,
    /// An accepted m-line lacks `a=rtcp-mux`.
    #[error("m-line {mline} has no a=rtcp-mux: multiplex RTP and RTCP on one port")]
    NoRtcpMux {
        /// Which m-line, from 0.
        mline: u8,
    },
    /// Both ends are there, but no codec is in common.
    #[error("no common {kind} codec: the offer has {offered}; wanted is {wanted}")]
    NoCommonCodec {
        /// Sound or picture.
        kind: MediaKind,
        /// What the other end has.
        offered: CodecNames,
        /// What would have been taken.
        wanted: CodecNames,
    },
    /// No m-line offers media in the direction that is asked for.
    #[error("no m-line of the offer {}", if *.publish {
        "sends media: a publisher offers a=sendonly audio or video"
    } else {
        "receives what is published: a subscriber offers a=recvonly audio and video"
    })]
    NothingUsable {
        /// Whether the offerer was to publish.
        publish: bool,
    },
    /// More than one m-line of a kind is published.
    #[error("more than one {kind} track: publish at most one audio and one video track")]
    TooManyTracks {
        /// Sound or picture.
        kind: MediaKind,
    },
    /// An `a=setup` that this place does not allow.
    #[error("a=setup does not fit: an offer says actpass, an answer active or passive")]
    BadSetup,
    /// The answer does not have the offer's m-lines in the offer's order (RFC 3264 section 6).
    #[error("the answer's m-lines are not those of the offer")]
    AnswerMismatch,
    /// The answer rejects every m-line.
    #[error("the answer accepts none of the offered tracks")]
    AllRejected,
}

/// Most names kept of one end's codecs.
const MAX_NAMES: usize = 16;
/// Longest name kept, bytes.
const MAX_NAME_LEN: usize = 24;

/// Names of codecs for a message, without repetition, bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodecNames(Vec<String>);

impl CodecNames {
    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<T: fmt::Display> FromIterator<T> for CodecNames {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let mut kept: Vec<String> = Vec::new();
        for name in names {
            if kept.len() == MAX_NAMES {
                break;
            }
            let name: String = alloc::format!("{name}")
                .chars()
                .filter(|c| c.is_ascii_graphic() || *c == ' ')
                .take(MAX_NAME_LEN)
                .collect();
            if !kept.contains(&name) {
                kept.push(name);
            }
        }
        Self(kept)
    }
}

impl fmt::Display for CodecNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}
