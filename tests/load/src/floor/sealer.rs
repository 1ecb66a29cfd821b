//! Header and seal of one receiver, and no more state than that needs.

use std::io;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use transom_rtc_proto::id::{MediaTime, Pt, SeqNo, Ssrc};
use transom_rtc_proto::port::{
    MAX_SRTP_OVERHEAD, Srtp, SrtpError, SrtpFactory, SrtpKey, SrtpProfile,
};
use transom_rtc_proto::rtp::{RtpHeaderFields, RtpWriteError, write_header};
use transom_rtc_proto::sdp::MediaKind;
use transom_rtc_srtp::GuardedSrtp;

use crate::schedule::Slot;

/// Why the floor could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FloorError {
    /// Sockets or threads.
    #[error("{0}; `ulimit -n` bounds the number of sockets")]
    Io(#[from] io::Error),
    /// A header that cannot be written.
    #[error(transparent)]
    Header(#[from] RtpWriteError),
    /// The SRTP layer.
    #[error("cannot seal: {0}")]
    Seal(#[from] SrtpError),
    /// A bug.
    #[error("a thread panicked")]
    Panicked,
}

/// Fixed header, MID and transport-wide number.
const HEADER: usize = 12 + 4 + 8;

/// Seals for one receiver.
pub(super) struct Sealer {
    cipher: Cipher,
    seq: u16,
}

enum Cipher {
    /// ring and a counter, nothing else.
    Gcm(Box<LessSafeKey>),
    /// The counter mode of rtc/srtp; the checks around it are a few percent of it.
    Cm(Box<dyn Srtp>),
}

impl Sealer {
    pub(super) fn new(profile: SrtpProfile) -> Result<Self, FloorError> {
        let cipher = match profile {
            SrtpProfile::AeadAes128Gcm => {
                let key = UnboundKey::new(&AES_128_GCM, &[7; 16]);
                let key = key.map_err(|_| SrtpError::Internal)?;
                Cipher::Gcm(Box::new(LessSafeKey::new(key)))
            }
            SrtpProfile::Aes128CmSha1_80 => {
                let key = SrtpKey::new(profile, &[7; 16], &[9; 14]);
                let key = key.ok_or(SrtpError::Internal)?;
                Cipher::Cm(GuardedSrtp.create(profile, &key, &key)?)
            }
        };
        Ok(Self { cipher, seq: 0 })
    }

    /// Appends a sealed packet to `buf`.
    pub(super) fn seal(
        &mut self,
        buf: &mut Vec<u8>,
        slot: &Slot,
        payload: &[u8],
    ) -> Result<(), FloorError> {
        let pt = match slot.kind {
            MediaKind::Audio => 111,
            MediaKind::Video => 96,
        };
        let fields = RtpHeaderFields {
            marker: slot.marker(),
            pt: Pt::from_low_bits(pt),
            seq: SeqNo(self.seq),
            timestamp: MediaTime(0),
            ssrc: Ssrc(1),
        };
        let number = self.seq.to_be_bytes();
        self.seq = self.seq.wrapping_add(1);
        let mut header = [0; HEADER];
        write_header(&mut header, &fields, &[(1, b"1"), (2, &number)])?;
        let start = buf.len();
        buf.extend_from_slice(&header);
        buf.extend_from_slice(payload);
        match &mut self.cipher {
            Cipher::Gcm(key) => {
                let [a, b] = number;
                let mut nonce = [0; NONCE_LEN];
                nonce[..2].copy_from_slice(&[a, b]);
                let nonce = Nonce::assume_unique_for_key(nonce);
                let body = buf.get_mut(start + HEADER..).unwrap_or_default();
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&header), body);
                buf.extend_from_slice(tag.map_err(|_| SrtpError::Internal)?.as_ref());
            }
            Cipher::Cm(srtp) => {
                let len = buf.len() - start;
                buf.resize(start + len + MAX_SRTP_OVERHEAD, 0);
                let packet = buf.get_mut(start..).unwrap_or_default();
                let sealed = srtp.protect_rtp(packet, len)?;
                buf.truncate(start + sealed);
            }
        }
        Ok(())
    }
}
