//! `AES128_CM_HMAC_SHA1_80` for RTP, in place (RFC 3711 sections 4.1.1 and 4.2.1).

use aes::Aes128;
use ctr::CtrCore;
use ctr::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper, StreamCipherError};
use ctr::flavors::Ctr128BE;
use subtle::ConstantTimeEq;
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::{SrtpError, SrtpKey};

use crate::claim::Claim;
use crate::derivation::{Label, derive};
use crate::hmac_sha1::HmacSha1;

/// Bytes that the tag adds behind the payload.
pub(crate) const TAG_LEN: usize = 10;

/// Bytes that are encrypted before they are hashed. SHA-1 waits for itself at
/// every step, and a processor that looks ahead encrypts the next stretch
/// meanwhile, if it is near enough: 4 % of a large packet.
const STRETCH: usize = 256;

/// The key stream of one packet, by the session's key schedule.
type KeyStream<'a> = StreamCipherCoreWrapper<CtrCore<&'a Aes128, Ctr128BE>>;

/// One direction's session keys and salt.
pub(crate) struct RtpCounterMode {
    cipher: Aes128,
    mac: HmacSha1,
    salt: [u8; 14],
}

impl RtpCounterMode {
    pub(crate) fn new(master: &SrtpKey) -> Self {
        let key: [u8; 16] = derive(master, Label::Encryption);
        Self {
            cipher: Aes128::new(&key.into()),
            mac: HmacSha1::new(&derive(master, Label::Authentication)),
            salt: derive(master, Label::Salt),
        }
    }

    /// Seals `buf[header_len..len]` and appends the tag.
    pub(crate) fn seal(
        &self,
        buf: &mut [u8],
        len: usize,
        header_len: usize,
        claim: Claim,
    ) -> Result<usize, SrtpError> {
        let sealed = len + TAG_LEN;
        let packet = buf.get_mut(..sealed).ok_or(SrtpError::BufferTooSmall)?;
        let (body, tag) = packet
            .split_last_chunk_mut::<TAG_LEN>()
            .ok_or(SrtpError::Malformed)?;
        if header_len > len {
            return Err(SrtpError::Malformed);
        }
        let mut stream = self.key_stream(claim.ssrc(), claim.index());
        let mut mac = self.mac.begin();
        let mut hashed = 0;
        for from in (header_len..len).step_by(STRETCH) {
            let to = len.min(from + STRETCH);
            stream
                .try_apply_keystream(&mut body[from..to])
                .map_err(too_long)?;
            hashed = to - mac.blocks(&body[hashed..to]).len();
        }
        *tag = mac.finish(&body[hashed..], rollovers(claim.index()));
        Ok(sealed)
    }

    /// Opens `packet[header_len..]` in place and returns the plain packet's length.
    pub(crate) fn open(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: Ssrc,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let (body, tag) = packet
            .split_last_chunk_mut::<TAG_LEN>()
            .ok_or(SrtpError::Malformed)?;
        // In constant time, and before a byte is decrypted.
        let made = self.mac.begin().finish(body, rollovers(index));
        if !bool::from(made.ct_eq(tag)) {
            return Err(SrtpError::Authentication);
        }
        let payload = body.get_mut(header_len..).ok_or(SrtpError::Malformed)?;
        self.key_stream(ssrc, index)
            .try_apply_keystream(payload)
            .map_err(too_long)?;
        Ok(body.len())
    }

    fn key_stream(&self, ssrc: Ssrc, index: u64) -> KeyStream<'_> {
        let iv = self.iv(ssrc, index);
        KeyStream::from_core(CtrCore::inner_iv_init(&self.cipher, &iv.into()))
    }

    /// Section 4.1.1: `(salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16)`; the
    /// low 16 bits count blocks.
    fn iv(&self, ssrc: Ssrc, index: u64) -> [u8; 16] {
        let mut iv = [0; 16];
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte = salt;
        }
        let [_, _, index @ ..] = index.to_be_bytes();
        let counter = ssrc.0.to_be_bytes().into_iter().chain(index);
        for (byte, c) in iv.iter_mut().skip(4).zip(counter) {
            *byte ^= c;
        }
        iv
    }
}

/// The tag covers the packet as it travels and the rollover counter (section
/// 4.2), which does not travel.
fn rollovers(index: u64) -> [u8; 4] {
    let [_, _, rollovers @ .., _, _] = index.to_be_bytes();
    rollovers
}

fn too_long(_: StreamCipherError) -> SrtpError {
    SrtpError::Malformed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 appendix B.2.
    #[test]
    fn aes_cm_test_vectors() {
        let key = 0x2B7E_1516_28AE_D2A6_ABF7_1588_09CF_4F3C_u128.to_be_bytes();
        let [salt @ .., _, _] = 0xF0F1_F2F3_F4F5_F6F7_F8F9_FAFB_FCFD_0000_u128.to_be_bytes();
        let mode = RtpCounterMode {
            cipher: Aes128::new(&key.into()),
            mac: HmacSha1::new(&[0; 20]),
            salt,
        };
        let mut stream = vec![0; 0xff02 * 16];
        mode.key_stream(Ssrc(0), 0).apply_keystream(&mut stream);
        let block = |n: usize| u128::from_be_bytes(stream[16 * n..][..16].try_into().unwrap());
        assert_eq!(block(0), 0xE03E_AD09_35C9_5E80_E166_B16D_D92B_4EB4);
        assert_eq!(block(1), 0xD235_13162B02D0F72A43A2FE4A5F97AB);
        assert_eq!(block(2), 0x41E9_5B3B_B0A2_E8DD_4779_01E4_FCA8_94C0);
        assert_eq!(block(0xfeff), 0xEC8C_DF73_9860_7CB0_F2D2_1675_EA9E_A1E4);
        assert_eq!(block(0xff00), 0x362B_7C3C_6773_5163_18A0_77D7_FC50_73AE);
        assert_eq!(block(0xff01), 0x6A2C_C378_7889_374F_BEB4_C81B_17BA_6C44);
    }

    #[test]
    fn a_forged_packet_is_left_as_it_came() {
        let master = SrtpKey::new(
            transom_rtc_proto::port::SrtpProfile::Aes128CmSha1_80,
            &[1; 16],
            &[2; 14],
        )
        .unwrap();
        let mode = RtpCounterMode::new(&master);
        let mut packet = [0x80; 60];
        let len = mode
            .seal(&mut packet, 50, 12, Claim::of(Ssrc(1), 70_000))
            .unwrap();
        assert_eq!(len, 60);
        for at in 0..60 {
            let mut forged = packet;
            forged[at] ^= 1;
            let before = forged;
            let opened = mode.open(&mut forged, 12, Ssrc(1), 70_000);
            assert_eq!(opened, Err(SrtpError::Authentication));
            assert_eq!(forged, before);
        }
        let elsewhere = mode.open(&mut packet, 12, Ssrc(1), 70_000 + 65_536);
        assert_eq!(elsewhere, Err(SrtpError::Authentication));
        assert_eq!(mode.open(&mut packet, 12, Ssrc(1), 70_000), Ok(50));
        assert_eq!(packet[..50], [0x80; 50]);
    }

    #[test]
    fn a_buffer_without_room_for_the_tag_is_refused() {
        let master = SrtpKey::new(
            transom_rtc_proto::port::SrtpProfile::Aes128CmSha1_80,
            &[1; 16],
            &[2; 14],
        )
        .unwrap();
        let mode = RtpCounterMode::new(&master);
        let mut buf = [0; 12 + 9];
        assert_eq!(
            mode.seal(&mut buf, 12, 12, Claim::of(Ssrc(1), 1)),
            Err(SrtpError::BufferTooSmall)
        );
        assert_eq!(
            mode.open(&mut [0; 9], 0, Ssrc(1), 1),
            Err(SrtpError::Malformed)
        );
    }
}
