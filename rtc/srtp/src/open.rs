//! Ingest: guard, probation, replay window, cipher.

use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::{SrtpError, SrtpKey, SrtpProfile};

use crate::cipher::RtpCipher;
use crate::contained::Contained;
use crate::guard::{RtpShape, validate_rtp, validate_srtcp};
use crate::probation::Probation;
use crate::window::{RtcpWindow, RtpWindow, guess};

/// Sources that one peer may have: audio, video, three simulcast layers, their
/// RTX streams, and room to change them. One that left keeps its place, because
/// forgetting its window would let its packets be replayed.
const MAX_SOURCES: usize = 16;

/// Opens what one peer sends.
pub(crate) struct Opener {
    profile: SrtpProfile,
    master: SrtpKey,
    sources: Vec<Source>,
    /// Made when the first packet comes: who only watches sends none.
    rtp: Option<RtpCipher>,
    /// RTCP of admitted sources; made when it is needed.
    rtcp: Option<Contained>,
    probation: Probation,
}

#[derive(Default)]
struct Source {
    ssrc: Ssrc,
    rtp: RtpWindow,
    rtcp: RtcpWindow,
}

impl Opener {
    pub(crate) fn new(profile: SrtpProfile, master: &SrtpKey) -> Self {
        Self {
            profile,
            master: *master,
            sources: Vec::new(),
            rtp: None,
            rtcp: None,
            probation: Probation::default(),
        }
    }

    /// Admits `ssrc` without probation, if there is room.
    pub(crate) fn admit(&mut self, ssrc: Ssrc) {
        let _ = self.admitted(ssrc);
    }

    pub(crate) fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let shape = validate_rtp(packet, self.profile.rtp_overhead())?;
        let Some(at) = self.position(shape.ssrc) else {
            return self.open_first_rtp(packet, &shape);
        };
        let window = &self.source(at)?.rtp;
        let index = guess(window, shape.seq).ok_or(SrtpError::Replay)?;
        if !window.is_new(index) {
            return Err(SrtpError::Replay);
        }
        let len = self
            .rtp_cipher()?
            .open(packet, shape.header_len, shape.ssrc, index)?;
        self.source(at)?.rtp.note(index);
        Ok(len)
    }

    /// The first good packet of a source nobody announced admits it.
    fn open_first_rtp(&mut self, packet: &mut [u8], shape: &RtpShape) -> Result<usize, SrtpError> {
        if self.sources.len() >= MAX_SOURCES {
            return Err(SrtpError::TooManySources);
        }
        let index = u64::from(shape.seq.0);
        let len = self
            .rtp_cipher()?
            .open(packet, shape.header_len, shape.ssrc, index)?;
        self.admitted(shape.ssrc)?.rtp.note(index);
        Ok(len)
    }

    pub(crate) fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let tag_is_last = self.profile == SrtpProfile::Aes128CmSha1_80;
        let shape = validate_srtcp(packet, self.profile.rtp_overhead(), tag_is_last)?;
        let index = u64::from(shape.index);
        if let Some(at) = self.position(shape.ssrc) {
            if !self.source(at)?.rtcp.is_new(index) {
                return Err(SrtpError::Replay);
            }
            let len = self.rtcp_context()?.open_rtcp(packet)?;
            self.source(at)?.rtcp.note(index);
            return Ok(len);
        }
        if self.sources.len() >= MAX_SOURCES {
            return Err(SrtpError::TooManySources);
        }
        let len = self
            .probation
            .context(shape.ssrc, self.profile, &self.master)?
            .open_rtcp(packet)?;
        self.admitted(shape.ssrc)?.rtcp.note(index);
        // Two contexts of the same keys are one too many.
        let proven = self.probation.end();
        self.rtcp = self.rtcp.take().or(proven);
        Ok(len)
    }

    fn rtp_cipher(&mut self) -> Result<&RtpCipher, SrtpError> {
        match &mut self.rtp {
            Some(cipher) => Ok(cipher),
            empty => Ok(empty.insert(RtpCipher::new(self.profile, &self.master)?)),
        }
    }

    fn rtcp_context(&mut self) -> Result<&mut Contained, SrtpError> {
        match &mut self.rtcp {
            Some(context) => Ok(context),
            empty => Ok(empty.insert(Contained::new(self.profile, &self.master)?)),
        }
    }

    fn position(&self, ssrc: Ssrc) -> Option<usize> {
        self.sources.iter().position(|s| s.ssrc == ssrc)
    }

    fn source(&mut self, at: usize) -> Result<&mut Source, SrtpError> {
        self.sources.get_mut(at).ok_or(SrtpError::Internal)
    }

    fn admitted(&mut self, ssrc: Ssrc) -> Result<&mut Source, SrtpError> {
        let at = match self.position(ssrc) {
            Some(at) => at,
            None if self.sources.len() >= MAX_SOURCES => return Err(SrtpError::TooManySources),
            None => {
                self.sources.reserve_exact(1); // they are few, and stay
                self.sources.push(Source {
                    ssrc,
                    ..Source::default()
                });
                self.sources.len() - 1
            }
        };
        self.source(at)
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.sources.len(), self.probation.held())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opener(profile: SrtpProfile) -> Opener {
        let master = SrtpKey::new(profile, &[1; 16], &[2; 14][..profile.salt_len()]).unwrap();
        Opener::new(profile, &master)
    }

    #[test]
    fn a_hundred_thousand_forged_sources_leave_nothing() {
        for profile in [SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm] {
            let mut opener = opener(profile);
            for ssrc in 0..100_000_u32 {
                let mut rtp = [0; 60];
                rtp[..4].copy_from_slice(&[0x80, 96, 0, 1]);
                rtp[8..12].copy_from_slice(&ssrc.to_be_bytes());
                assert_eq!(opener.open_rtp(&mut rtp), Err(SrtpError::Authentication));
            }
            for ssrc in 0..20_000_u32 {
                let mut rtcp = [0xff; 28];
                let len = 8 + profile.rtcp_overhead();
                rtcp[..4].copy_from_slice(&[0x80, 201, 0, 1]);
                rtcp[4..8].copy_from_slice(&ssrc.to_be_bytes());
                assert_eq!(
                    opener.open_rtcp(&mut rtcp[..len]),
                    Err(SrtpError::Authentication)
                );
            }
            let (admitted, on_probation) = opener.held();
            assert_eq!(admitted, 0);
            assert!(on_probation <= 8, "{on_probation}");
        }
    }
}
