use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::{Srtp, SrtpError, SrtpFactory, SrtpKey, SrtpProfile};

/// Appends a checksum keyed by the sender's key instead of sealing.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeSrtp;

const TAG: usize = 8;

struct Layer {
    local: u64,
    remote: u64,
}

impl SrtpFactory for FakeSrtp {
    fn create(
        &self,
        _: SrtpProfile,
        local: &SrtpKey,
        remote: &SrtpKey,
    ) -> Result<Box<dyn Srtp>, SrtpError> {
        let fold = |key: &SrtpKey| checksum(0, key.key());
        Ok(Box::new(Layer {
            local: fold(local),
            remote: fold(remote),
        }))
    }
}

impl Layer {
    fn seal(&self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let tag = checksum(self.local, &buf[..len]).to_be_bytes();
        buf.get_mut(len..len + TAG)
            .ok_or(SrtpError::BufferTooSmall)?
            .copy_from_slice(&tag);
        Ok(len + TAG)
    }

    fn open(&self, packet: &[u8]) -> Result<usize, SrtpError> {
        let len = packet.len().checked_sub(TAG).ok_or(SrtpError::Malformed)?;
        let expected = checksum(self.remote, &packet[..len]).to_be_bytes();
        if packet[len..] == expected {
            Ok(len)
        } else {
            Err(SrtpError::Authentication)
        }
    }
}

impl Srtp for Layer {
    fn protect_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        self.seal(buf, len)
    }
    fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        self.open(packet)
    }
    fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        self.seal(buf, len)
    }
    fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        self.open(packet)
    }
    fn admit(&mut self, _: Ssrc) {}
}

/// FNV-1a, 64 bits.
fn checksum(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start ^ 0xcbf2_9ce4_8422_2325, |hash, b| {
        (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    })
}
