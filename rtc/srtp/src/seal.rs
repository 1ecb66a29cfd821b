//! Egress: every (key, SSRC, index) is sealed once.

use transom_rtc_prefetch::{prefetch, prefetch_line};
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::{SrtpError, SrtpKey, SrtpProfile};

use crate::cipher::RtpCipher;
use crate::claim::Claims;
use crate::contained::Contained;
use crate::guard::{validate_rtcp, validate_rtp};

/// Sources that we may send to one peer.
const MAX_SOURCES: usize = 64;
/// SRTCP packets under one key (RFC 3711 section 9.2): webrtc-srtp would start
/// its index again from zero, and use a nonce twice.
const MAX_SRTCP_PACKETS: u32 = 0x7fff_ffff;

/// Seals what we send to one peer.
pub(crate) struct Sealer {
    profile: SrtpProfile,
    sources: Vec<Source>,
    /// What the first of them are, at hand: a source is larger than a cache
    /// line, and none but the packet's own should be touched.
    first: [Option<Ssrc>; 4],
    cipher: RtpCipher,
    /// RTCP.
    context: Contained,
}

struct Source {
    rtp: Claims,
    srtcp_packets: u32,
}

impl Sealer {
    pub(crate) fn new(profile: SrtpProfile, master: &SrtpKey) -> Result<Self, SrtpError> {
        Ok(Self {
            profile,
            sources: Vec::new(),
            first: [None; 4],
            cipher: RtpCipher::new(profile, master)?,
            context: Contained::new(profile, master)?,
        })
    }

    /// Seals the RTP packet `buf[..len]`, if its index was never sealed.
    pub(crate) fn seal_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let overhead = self.profile.rtp_overhead();
        if buf.len() < len.saturating_add(overhead) {
            return Err(SrtpError::BufferTooSmall);
        }
        let shape = validate_rtp(buf.get(..len).ok_or(SrtpError::BufferTooSmall)?, 0)?;
        let claim = self.source(shape.ssrc)?.rtp.next(shape.seq)?;
        self.cipher.seal(buf, len, shape.header_len, claim)
    }

    pub(crate) fn seal_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let overhead = self.profile.rtcp_overhead();
        if buf.len() < len.saturating_add(overhead) {
            return Err(SrtpError::BufferTooSmall);
        }
        let ssrc = validate_rtcp(buf.get(..len).ok_or(SrtpError::BufferTooSmall)?)?;
        let source = self.source(ssrc)?;
        if source.srtcp_packets >= MAX_SRTCP_PACKETS {
            return Err(SrtpError::IndexReused);
        }
        source.srtcp_packets += 1;
        self.context.seal_rtcp(buf, len)
    }

    /// Asks for where keys and sources are.
    pub(crate) fn prefetch(&self) {
        prefetch_line(&self.profile);
        prefetch_line(&self.first);
        prefetch_line(&self.sources);
        prefetch_line(&self.cipher);
    }

    /// Asks for what sealing a packet of `ssrc` will read.
    pub(crate) fn prefetch_source(&self, ssrc: Ssrc) {
        if let Some(source) = self.place(ssrc).and_then(|at| self.sources.get(at)) {
            prefetch(source);
        }
        self.cipher.prefetch();
    }

    fn source(&mut self, ssrc: Ssrc) -> Result<&mut Source, SrtpError> {
        let at = match self.place(ssrc) {
            Some(at) => at,
            None if self.sources.len() >= MAX_SOURCES => return Err(SrtpError::TooManySources),
            None => {
                let at = self.sources.len();
                self.sources.reserve_exact(1); // they are few, and stay
                self.sources.push(Source {
                    rtp: Claims::new(ssrc),
                    srtcp_packets: 0,
                });
                if let Some(first) = self.first.get_mut(at) {
                    *first = Some(ssrc);
                }
                at
            }
        };
        self.sources.get_mut(at).ok_or(SrtpError::Internal)
    }

    fn place(&self, ssrc: Ssrc) -> Option<usize> {
        let known = self.first.iter().position(|first| *first == Some(ssrc));
        known.or_else(|| {
            let mut others = self.sources.iter().skip(self.first.len());
            let at = others.position(|s| s.rtp.ssrc() == ssrc)?;
            Some(at + self.first.len())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_srtcp_index_never_starts_again() {
        let profile = SrtpProfile::AeadAes128Gcm;
        let master = SrtpKey::new(profile, &[1; 16], &[2; 12]).unwrap();
        let mut sealer = Sealer::new(profile, &master).unwrap();
        let mut buf = [0; 28];
        buf[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 7]);
        sealer.source(Ssrc(7)).unwrap().srtcp_packets = MAX_SRTCP_PACKETS - 1;
        assert_eq!(sealer.seal_rtcp(&mut buf, 8), Ok(28));
        buf[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 7]);
        assert_eq!(sealer.seal_rtcp(&mut buf, 8), Err(SrtpError::IndexReused));
    }
}
