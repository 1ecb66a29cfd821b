//! Session keys from the master key (RFC 3711 section 4.3, RFC 7714 section 11).

use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};
use transom_rtc_proto::port::SrtpKey;

/// What a derived key is for (RFC 3711 section 4.3.1). Deriving RTCP's is
/// webrtc-srtp's business, and ours where we check on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
    #[cfg(test)]
    RtcpEncryption = 3,
    #[cfg(test)]
    RtcpSalt = 5,
}

/// The first `N` bytes of the key stream that AES-CM makes of `label`, with a
/// key derivation rate of zero (RFC 5764 section 4.1.2).
pub(crate) fn derive<const N: usize>(master: &SrtpKey, label: Label) -> [u8; N] {
    let cipher = Aes128::new(master.key().into());
    let mut input = [0; 16];
    for (byte, salt) in input.iter_mut().zip(master.salt()) {
        *byte = *salt;
    }
    input[7] ^= label as u8;
    let mut out = [0; N];
    for (counter, chunk) in (0_u8..).zip(out.chunks_mut(16)) {
        input[15] = counter;
        let mut block = input.into();
        cipher.encrypt_block(&mut block);
        for (byte, stream) in chunk.iter_mut().zip(block) {
            *byte = stream;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use transom_rtc_proto::port::SrtpProfile;

    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        let byte = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
        std::array::from_fn(byte)
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn key_derivation_test_vectors() {
        let master = SrtpKey::new(
            SrtpProfile::Aes128CmSha1_80,
            &hex::<16>("E1F97A0D3E018BE0D64FA32C06DE4139"),
            &hex::<14>("0EC675AD498AFEEBB6960B3AABE6"),
        )
        .unwrap();
        assert_eq!(
            derive::<16>(&master, Label::Encryption),
            hex("C61E7A93744F39EE10734AFE3FF7A087")
        );
        assert_eq!(
            derive::<14>(&master, Label::Salt),
            hex("30CBBC08863D8C85D49DB34A9AE1")
        );
        assert_eq!(
            derive::<94>(&master, Label::Authentication),
            hex(concat!(
                "CEBE321F6FF7716B6FD4AB49AF256A15",
                "6D38BAA48F0A0ACF3C34E2359E6CDBCE",
                "E049646C43D9327AD175578EF7227098",
                "6371C10C9A369AC2F94A8C5FBCDDDC25",
                "6D6E919A48B610EF17C2041E47403576",
                "6B68642C59BBFC2F34DB60DBDFB2",
            ))
        );
    }
}
