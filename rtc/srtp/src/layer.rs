use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::{Srtp, SrtpError, SrtpFactory, SrtpKey, SrtpProfile};

use crate::open::Opener;
use crate::seal::Sealer;

/// Makes SRTP layers from webrtc-srtp and ring, each behind its guard.
///
/// What the caller must know:
/// - the first sequence number of a source we send should be below 2^15, or
///   the receiver may miss the first packets and count rollovers differently
///   (RFC 3711 section 3.3.1);
/// - sealing out of order works up to 1,023 packets behind the highest, and up
///   to 31,743 ahead; the rest is [`SrtpError::IndexReused`];
/// - a peer may have 16 sources, and keeps those it had.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuardedSrtp;

impl SrtpFactory for GuardedSrtp {
    fn create(
        &self,
        profile: SrtpProfile,
        local: &SrtpKey,
        remote: &SrtpKey,
    ) -> Result<Box<dyn Srtp>, SrtpError> {
        Ok(Box::new(Layer {
            sealer: Sealer::new(profile, local)?,
            opener: Opener::new(profile, remote),
        }))
    }
}

struct Layer {
    sealer: Sealer,
    opener: Opener,
}

impl Srtp for Layer {
    fn protect_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        self.sealer.seal_rtp(buf, len)
    }

    fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        self.opener.open_rtp(packet)
    }

    fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        self.sealer.seal_rtcp(buf, len)
    }

    fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        self.opener.open_rtcp(packet)
    }

    fn prefetch(&self, ssrc: Option<Ssrc>) {
        match ssrc {
            None => self.sealer.prefetch(),
            Some(ssrc) => self.sealer.prefetch_source(ssrc),
        }
    }

    fn admit(&mut self, ssrc: Ssrc) {
        self.opener.admit(ssrc);
    }
}
