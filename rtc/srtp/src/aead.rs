//! AEAD_AES_128_GCM for RTP, in place (RFC 7714 section 8).

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::{SrtpError, SrtpKey};

use crate::claim::Claim;
use crate::derivation::{Label, derive};

/// Bytes that the tag adds behind the payload.
pub(crate) const TAG_LEN: usize = 16;

/// One direction's session key and salt.
pub(crate) struct RtpAead {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl RtpAead {
    pub(crate) fn new(master: &SrtpKey) -> Result<Self, SrtpError> {
        Self::from_session(
            &derive(master, Label::Encryption),
            derive(master, Label::Salt),
        )
    }

    fn from_session(key: &[u8; 16], salt: [u8; 12]) -> Result<Self, SrtpError> {
        let key = UnboundKey::new(&AES_128_GCM, key).map_err(|_| SrtpError::Internal)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            salt,
        })
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
        let (header, rest) = packet
            .split_at_mut_checked(header_len)
            .ok_or(SrtpError::Malformed)?;
        let (payload, tag) = rest
            .split_last_chunk_mut::<TAG_LEN>()
            .ok_or(SrtpError::Malformed)?;
        let made = self
            .key
            .seal_in_place_separate_tag(
                self.nonce(claim.ssrc(), claim.index()),
                Aad::from(&*header),
                payload,
            )
            .map_err(|_| SrtpError::Internal)?;
        tag.copy_from_slice(made.as_ref());
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
        let (header, rest) = packet
            .split_at_mut_checked(header_len)
            .ok_or(SrtpError::Malformed)?;
        let plain = self
            .key
            .open_in_place(self.nonce(ssrc, index), Aad::from(&*header), rest)
            .map_err(|_| SrtpError::Authentication)?;
        Ok(header_len + plain.len())
    }

    /// Section 8.1:
    ///
    /// ```text
    ///   0  0  0  0  0  0  0  0  0  0  1  1
    ///   0  1  2  3  4  5  6  7  8  9  0  1
    /// +--+--+--+--+--+--+--+--+--+--+--+--+
    /// |00|00|    SSRC   |     ROC   | SEQ |---+
    /// +--+--+--+--+--+--+--+--+--+--+--+--+   |
    /// |         Encryption Salt           |->(+)
    /// +--+--+--+--+--+--+--+--+--+--+--+--+   |
    /// |       Initialization Vector       |<--+
    /// +--+--+--+--+--+--+--+--+--+--+--+--+
    /// ```
    fn nonce(&self, ssrc: Ssrc, index: u64) -> Nonce {
        let mut iv = self.salt;
        let [_, _, index @ ..] = index.to_be_bytes();
        let counter = ssrc.0.to_be_bytes().into_iter().chain(index);
        for (byte, c) in iv.iter_mut().skip(2).zip(counter) {
            *byte ^= c;
        }
        Nonce::assume_unique_for_key(iv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap())
            .collect()
    }

    /// RFC 7714 section 16.1.1 and 16.1.2.
    #[test]
    fn srtp_aead_aes_128_gcm_test_vectors() {
        let key: [u8; 16] = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        let salt: [u8; 12] = hex("51756964 2070726f 2071756f").try_into().unwrap();
        let aead = RtpAead::from_session(&key, salt).unwrap();
        let plain = hex(
            "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973
                         20646976 69736120 696e2070 61727465 73207472 6573",
        );
        let sealed = hex(
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca
                          be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1
                          6a9152cf 765ee439 0cce",
        );
        let mut buf = plain.clone();
        buf.resize(plain.len() + TAG_LEN, 0);
        let len = aead
            .seal(
                &mut buf,
                plain.len(),
                12,
                Claim::of(Ssrc(0x5501_a0b2), 0xf17b),
            )
            .unwrap();
        assert_eq!(&buf[..len], sealed);
        let len = aead.open(&mut buf, 12, Ssrc(0x5501_a0b2), 0xf17b).unwrap();
        assert_eq!(&buf[..len], plain);
    }

    #[test]
    fn a_buffer_without_room_for_the_tag_is_refused() {
        let aead = RtpAead::from_session(&[0; 16], [0; 12]).unwrap();
        let mut buf = [0; 12 + 15];
        assert_eq!(
            aead.seal(&mut buf, 12, 12, Claim::of(Ssrc(1), 1)),
            Err(SrtpError::BufferTooSmall)
        );
    }
}
