//! webrtc-srtp is the oracle of the in-place path, and the other way round.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // test code

use proptest::prelude::*;
use transom_rtc_proto::port::{Srtp, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_srtp::GuardedSrtp;
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

const PROFILES: [SrtpProfile; 2] = [SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm];

fn ours(profile: SrtpProfile, key: [u8; 16], salt: [u8; 14]) -> Box<dyn Srtp> {
    let key = SrtpKey::new(profile, &key, &salt[..profile.salt_len()]).unwrap();
    GuardedSrtp.create(profile, &key, &key).unwrap()
}

fn theirs(profile: SrtpProfile, key: [u8; 16], salt: [u8; 14]) -> Context {
    let theirs = match profile {
        SrtpProfile::Aes128CmSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
    };
    Context::new(&key, &salt[..profile.salt_len()], theirs, None, None).unwrap()
}

prop_compose! {
    fn header()(
        first in prop::sample::select(vec![0x80_u8, 0x81, 0x83, 0x90, 0x92]),
        second in any::<u8>(),
        timestamp in any::<u32>(),
        ssrc in 1_u32..4,
        csrc in any::<[u8; 12]>(),
        extension in prop::sample::select(vec![
            &[0xbe_u8, 0xde, 0, 1, 0x10, 0xaa, 0, 0][..],
            &[0xbe, 0xde, 0, 2, 0x12, 1, 2, 3, 0x20, 9, 0, 0],
            &[0x10, 0x00, 0, 1, 3, 2, 7, 7],
            &[0x12, 0x34, 0, 1, 0xff, 0xff, 0xff, 0xff],
            &[0xbe, 0xde, 0, 0],
        ]),
    ) -> (Vec<u8>, u32) {
        let mut out = vec![first, second, 0, 0];
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&csrc[..4 * usize::from(first & 0x0f)]);
        if first & 0x10 != 0 {
            out.extend_from_slice(extension);
        }
        (out, ssrc)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Sequence numbers wander up, back and across the wrap, a step at a time.
    #[test]
    fn every_packet_seals_as_webrtc_srtp_seals_it_and_opens_both_ways(
        key in any::<[u8; 16]>(),
        salt in any::<[u8; 14]>(),
        first_seq in any::<u16>(),
        packets in prop::collection::vec(
            (header(), -30_i32..60, prop::collection::vec(any::<u8>(), 0..200)), 1..120),
        strides in 1_i32..500,
    ) {
        for profile in PROFILES {
            let (mut us, mut them) = (ours(profile, key, salt), theirs(profile, key, salt));
            let (mut our_reader, mut their_reader) =
                (ours(profile, key, salt), theirs(profile, key, salt));
            // The 48-bit index of the last packet and of the highest, by source.
            // The first packet has the rollover counter zero by definition.
            let mut last: [Option<i64>; 4] = [None; 4];
            let mut highest = [i64::from(first_seq); 4];
            let mut used = std::collections::HashSet::new();
            for ((header, ssrc), step, payload) in &packets {
                let source = *ssrc as usize;
                let top = highest[source];
                let index = match last[source] {
                    None => i64::from(first_seq),
                    Some(last) => (last + i64::from(step * strides)).clamp((top - 900).max(0), top + 30_000),
                };
                last[source] = Some(index);
                highest[source] = top.max(index);
                if !used.insert((source, index)) {
                    continue;
                }
                let mut plain = header.clone();
                plain[2..4].copy_from_slice(&(index as u16).to_be_bytes());
                plain.extend_from_slice(payload);

                let mut buf = plain.clone();
                buf.resize(plain.len() + profile.rtp_overhead(), 0);
                let len = us.protect_rtp(&mut buf, plain.len()).unwrap();
                prop_assert_eq!(&buf[..len], &them.encrypt_rtp(&plain).unwrap()[..]);
                prop_assert_eq!(&their_reader.decrypt_rtp(&buf[..len]).unwrap()[..], &plain[..]);
                let len = our_reader.unprotect_rtp(&mut buf[..len]).unwrap();
                prop_assert_eq!(&buf[..len], &plain[..]);
            }
        }
    }

    #[test]
    fn rtcp_both_ways(
        key in any::<[u8; 16]>(),
        salt in any::<[u8; 14]>(),
        bodies in prop::collection::vec((1_u32..4, prop::collection::vec(any::<[u8; 4]>(), 0..40)), 1..40),
    ) {
        for profile in PROFILES {
            let (mut us, mut reader) = (ours(profile, key, salt), ours(profile, key, salt));
            for (ssrc, body) in &bodies {
                let mut plain = vec![0x80, 200, 0, body.len() as u8 + 1];
                plain.extend_from_slice(&ssrc.to_be_bytes());
                plain.extend(body.iter().flatten());
                let mut buf = plain.clone();
                buf.resize(plain.len() + profile.rtcp_overhead(), 0);
                let len = us.protect_rtcp(&mut buf, plain.len()).unwrap();
                let len = reader.unprotect_rtcp(&mut buf[..len]).unwrap();
                prop_assert_eq!(&buf[..len], &plain[..]);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(packet in prop::collection::vec(any::<u8>(), 0..120), second in 190_u8..230) {
        for profile in PROFILES {
            let mut layer = ours(profile, [1; 16], [2; 14]);
            let before = transom_rtc_srtp::caught_panics();
            let mut versioned = packet.clone();
            if let Some(first) = versioned.first_mut() {
                *first = 0x80 | (*first & 0x3f);
            }
            prop_assert!(layer.unprotect_rtp(&mut versioned.clone()).is_err());
            if versioned.len() > 1 {
                versioned[1] = second;
            }
            prop_assert!(layer.unprotect_rtcp(&mut versioned).is_err());
            prop_assert_eq!(transom_rtc_srtp::caught_panics(), before);
        }
    }
}
