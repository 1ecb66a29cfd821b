//! Whole packets under the master key of RFC 3711 appendix B.3, as libsrtp's
//! `srtp_driver` has them, and under the master key that it uses for AES-GCM.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // test code

use transom_rtc_proto::port::{Srtp, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_srtp::GuardedSrtp;

struct Vector {
    profile: SrtpProfile,
    key: &'static str,
    salt: &'static str,
    rtp: &'static str,
    srtp: &'static str,
    rtcp: &'static str,
    srtcp: &'static str,
}

const VECTORS: [Vector; 2] = [
    Vector {
        profile: SrtpProfile::Aes128CmSha1_80,
        key: "e1f97a0d3e018be0d64fa32c06de4139",
        salt: "0ec675ad498afeebb6960b3aabe6",
        rtp: "800f1234decafbadcafebabe abababababababababababababababab",
        srtp: "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
        rtcp: "81c8000bcafebabe abababababababababababababababab",
        srtcp: "81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798",
    },
    Vector {
        profile: SrtpProfile::AeadAes128Gcm,
        key: "000102030405060708090a0b0c0d0e0f",
        salt: "a0a1a2a3a4a5a6a7a8a9aaab",
        rtp: "800f1234decafbadcafebabe abababababababababababababababab",
        srtp: "800f1234decafbadcafebabe c5002ede04cfdd2eb91159e0880aa06e d2976826f796b201df3131a127e8a392",
        rtcp: "81c8000bcafebabe abababababababababababababababab",
        srtcp: "81c8000bcafebabe c98b8b5df0392a55852b6c21ac8e7025 c52c6fbea2b3b446ea31123ba88ce61e 80000001",
    },
];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |p: &[u8]| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn layer(vector: &Vector) -> Box<dyn Srtp> {
    let key = SrtpKey::new(vector.profile, &hex(vector.key), &hex(vector.salt)).unwrap();
    GuardedSrtp.create(vector.profile, &key, &key).unwrap()
}

#[test]
fn rtp_seals_and_opens_to_the_vectors() {
    for vector in &VECTORS {
        let mut layer = layer(vector);
        let (plain, sealed) = (hex(vector.rtp), hex(vector.srtp));
        let mut buf = [0; 100];
        buf[..plain.len()].copy_from_slice(&plain);
        let len = layer.protect_rtp(&mut buf, plain.len()).unwrap();
        assert_eq!(&buf[..len], sealed, "{:?}", vector.profile);
        let len = layer.unprotect_rtp(&mut buf[..len]).unwrap();
        assert_eq!(&buf[..len], plain, "{:?}", vector.profile);
    }
}

/// The vectors' RTCP length field says twelve words where there are six, and
/// our guard does not seal or open such a packet; so they go in with the field
/// mended, which the tag covers, and only the enciphered body is compared.
#[test]
fn rtcp_seals_to_the_body_of_the_vectors() {
    for vector in &VECTORS {
        let mut layer = layer(vector);
        let (mut plain, sealed) = (hex(vector.rtcp), hex(vector.srtcp));
        plain[3] = 5;
        let mut buf = [0; 100];
        buf[..plain.len()].copy_from_slice(&plain);
        let len = layer.protect_rtcp(&mut buf, plain.len()).unwrap();
        assert_eq!(len, sealed.len());
        assert_eq!(&buf[8..24], &sealed[8..24], "{:?}", vector.profile);
        let len = layer.unprotect_rtcp(&mut buf[..len]).unwrap();
        assert_eq!(&buf[..len], plain, "{:?}", vector.profile);
    }
}
