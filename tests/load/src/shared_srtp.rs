//! The keys of a peer in two hands.
//!
//! A subscriber's `Peer` keeps its path, its consent and its handshake, but
//! media goes past it: opening every packet would cost this side what it costs
//! the server. So the layer that the peer makes of its keys is shared with
//! whoever counts the packets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::{Srtp, SrtpError, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_srtp::GuardedSrtp;

type Layer = Box<dyn Srtp>;

/// Makes the layer for a peer and keeps it in reach.
#[derive(Clone, Default)]
pub(crate) struct SharedSrtp {
    layer: Arc<Mutex<Option<Layer>>>,
}

impl SharedSrtp {
    /// Does something with the layer; `None` before there are keys.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut dyn Srtp) -> T) -> Option<T> {
        self.lock().as_mut().map(|layer| f(layer.as_mut()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Layer>> {
        self.layer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(
        &self,
        f: impl FnOnce(&mut dyn Srtp) -> Result<T, SrtpError>,
    ) -> Result<T, SrtpError> {
        self.with(f).unwrap_or(Err(SrtpError::Internal))
    }
}

impl SrtpFactory for SharedSrtp {
    fn create(
        &self,
        profile: SrtpProfile,
        local: &SrtpKey,
        remote: &SrtpKey,
    ) -> Result<Box<dyn Srtp>, SrtpError> {
        *self.lock() = Some(GuardedSrtp.create(profile, local, remote)?);
        Ok(Box::new(self.clone()))
    }
}

impl Srtp for SharedSrtp {
    fn protect_rtp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        self.call(|layer| layer.protect_rtp(buf, len))
    }

    fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        self.call(|layer| layer.unprotect_rtp(packet))
    }

    fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        self.call(|layer| layer.protect_rtcp(buf, len))
    }

    fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        self.call(|layer| layer.unprotect_rtcp(packet))
    }

    fn admit(&mut self, ssrc: Ssrc) {
        self.with(|layer| layer.admit(ssrc));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_layer_before_the_keys() {
        let shared = SharedSrtp::default();
        assert!(shared.with(|_| ()).is_none());
        let key = SrtpKey::new(SrtpProfile::AeadAes128Gcm, &[1; 16], &[2; 12]).expect("a key");
        let made = shared.create(SrtpProfile::AeadAes128Gcm, &key, &key);
        let mut peers = made.expect("a layer");
        let mut packet = [0; 44];
        packet[..2].copy_from_slice(&[0x80, 96]);
        assert_eq!(peers.protect_rtp(&mut packet, 28), Ok(44));
        // What one hand sealed, the other opens: it is one layer.
        let opened = shared.with(|layer| layer.unprotect_rtp(&mut packet));
        assert_eq!(opened, Some(Ok(28)));
    }
}
