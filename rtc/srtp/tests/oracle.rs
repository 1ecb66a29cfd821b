//! webrtc-srtp is the oracle of the in-place path, and the other way round.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // test code

use proptest::prelude::*;
use transom_rtc_proto::port::{Srtp, SrtpError, SrtpFactory, SrtpKey, SrtpProfile};
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

/// Elements of a one-byte extension (RFC 8285 section 4.2).
fn one_byte() -> impl Strategy<Value = Vec<u8>> {
    let element = (1_u8..15, prop::collection::vec(any::<u8>(), 1..=16));
    prop::collection::vec(element, 0..6).prop_map(|elements| {
        let body = elements.iter().flat_map(|(id, data)| {
            let first = id << 4 | (data.len() as u8 - 1);
            std::iter::once(first).chain(data.iter().copied())
        });
        extension(0xbede, body.collect())
    })
}

/// Elements of a two-byte extension (RFC 8285 section 4.3).
fn two_byte() -> impl Strategy<Value = Vec<u8>> {
    let element = (1_u8..=255, prop::collection::vec(any::<u8>(), 0..40));
    let elements = prop::collection::vec(element, 0..6);
    elements.prop_map(|elements| {
        let body = elements.iter().flat_map(|(id, data)| {
            let head = [*id, data.len() as u8];
            head.into_iter().chain(data.iter().copied())
        });
        extension(0x1000, body.collect())
    })
}

/// An extension whose form is nobody's business (RFC 3550 section 5.3.1).
fn opaque() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(|body| extension(0x1234, body))
}

fn extension(profile: u16, mut body: Vec<u8>) -> Vec<u8> {
    body.resize(body.len().next_multiple_of(4), 0);
    let mut out = profile.to_be_bytes().to_vec();
    out.extend_from_slice(&(body.len() as u16 / 4).to_be_bytes());
    out.extend(body);
    out
}

/// A packet without its sequence number, and its source.
fn packet(payload: usize) -> impl Strategy<Value = (Vec<u8>, u32)> {
    (
        any::<(u8, u32)>(),
        1_u32..4,
        prop::collection::vec(any::<u32>(), 0..=15),
        prop_oneof![
            3 => Just(Vec::new()),
            2 => one_byte(),
            2 => two_byte(),
            1 => opaque(),
        ],
        prop::collection::vec(any::<u8>(), 0..payload),
        0_u8..20,
    )
        .prop_map(
            |((second, timestamp), ssrc, csrcs, extension, payload, padding)| {
                let first = 0x80 | csrcs.len() as u8;
                let extended = u8::from(!extension.is_empty()) << 4;
                let padded = u8::from(padding > 0) << 5;
                let mut out = vec![first | extended | padded, second, 0, 0];
                out.extend_from_slice(&timestamp.to_be_bytes());
                out.extend_from_slice(&ssrc.to_be_bytes());
                out.extend(csrcs.iter().flat_map(|csrc| csrc.to_be_bytes()));
                out.extend(extension);
                out.extend(payload);
                if padding > 0 {
                    out.resize(out.len() + usize::from(padding), 0);
                    let last = out.len() - 1;
                    out[last] = padding;
                }
                (out, ssrc)
            },
        )
}

fn sealed(layer: &mut dyn Srtp, profile: SrtpProfile, plain: &[u8]) -> Vec<u8> {
    let mut buf = plain.to_vec();
    buf.resize(plain.len() + profile.rtp_overhead(), 0);
    let len = layer.protect_rtp(&mut buf, plain.len()).unwrap();
    assert_eq!(len, buf.len());
    buf
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
            (packet(200), -30_i32..60), 1..120),
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
            for ((packet, ssrc), step) in &packets {
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
                let mut plain = packet.clone();
                plain[2..4].copy_from_slice(&(index as u16).to_be_bytes());

                let mut buf = sealed(&mut *us, profile, &plain);
                prop_assert_eq!(&buf, &them.encrypt_rtp(&plain).unwrap());
                prop_assert_eq!(&their_reader.decrypt_rtp(&buf).unwrap(), &plain);
                let len = our_reader.unprotect_rtp(&mut buf).unwrap();
                prop_assert_eq!(&buf[..len], &plain[..]);
            }
        }
    }

    /// What webrtc-srtp seals over several rollovers arrives shuffled, some of it
    /// lost, some twice, some forged: every packet opens once.
    #[test]
    fn a_shuffled_stream_opens_once_each(
        key in any::<[u8; 16]>(),
        salt in any::<[u8; 14]>(),
        first_seq in any::<u16>(),
        (packet, _) in packet(100),
        // How far a packet is from the one before, and by how much it is late.
        packets in prop::collection::vec((1_u32..400, 0_u32..1000), 900..1500),
        flipped in any::<prop::sample::Index>(),
    ) {
        for profile in PROFILES {
            let (mut them, mut us) = (theirs(profile, key, salt), ours(profile, key, salt));
            let mut index = u32::from(first_seq);
            let mut arrivals = Vec::new();
            for (step, late) in &packets {
                let mut plain = packet.clone();
                plain[2..4].copy_from_slice(&(index as u16).to_be_bytes());
                let sealed = them.encrypt_rtp(&plain).unwrap();
                arrivals.push((index + late, plain, sealed));
                index += step;
            }
            prop_assert!(index > 2 * 65_536);
            // The first has the rollover counter zero by definition.
            arrivals[0].0 = 0;
            arrivals.sort_by_key(|arrival| arrival.0);
            for (_, plain, sealed) in &arrivals {
                let mut forged = sealed.to_vec();
                forged[flipped.index(sealed.len())] ^= 1;
                prop_assert!(us.unprotect_rtp(&mut forged).is_err());
                let mut opened = sealed.to_vec();
                let len = us.unprotect_rtp(&mut opened).unwrap();
                prop_assert_eq!(&opened[..len], &plain[..]);
                let again = us.unprotect_rtp(&mut sealed.to_vec());
                prop_assert_eq!(again, Err(SrtpError::Replay));
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
            let (mut us, mut them) = (ours(profile, key, salt), theirs(profile, key, salt));
            let (mut our_reader, mut their_reader) =
                (ours(profile, key, salt), theirs(profile, key, salt));
            for (ssrc, body) in &bodies {
                let mut plain = vec![0x80, 200, 0, body.len() as u8 + 1];
                plain.extend_from_slice(&ssrc.to_be_bytes());
                plain.extend(body.iter().flatten());
                let mut buf = plain.clone();
                buf.resize(plain.len() + profile.rtcp_overhead(), 0);
                let len = us.protect_rtcp(&mut buf, plain.len()).unwrap();
                prop_assert_eq!(len, buf.len());
                prop_assert_eq!(&buf, &them.encrypt_rtcp(&plain).unwrap());
                prop_assert_eq!(&their_reader.decrypt_rtcp(&buf).unwrap(), &plain);
                let replay = buf.clone();
                let len = our_reader.unprotect_rtcp(&mut buf).unwrap();
                prop_assert_eq!(&buf[..len], &plain);
                prop_assert_eq!(
                    our_reader.unprotect_rtcp(&mut replay.clone()),
                    Err(SrtpError::Replay)
                );
            }
        }
    }

    /// Reports that come late open as well, each once.
    #[test]
    fn shuffled_reports_open_once_each(
        key in any::<[u8; 16]>(),
        salt in any::<[u8; 14]>(),
        lateness in prop::collection::vec((0_usize..100, 1_u32..4), 1..300),
    ) {
        for profile in PROFILES {
            let (mut them, mut us) = (theirs(profile, key, salt), ours(profile, key, salt));
            let mut arrivals = Vec::new();
            for (at, (late, ssrc)) in lateness.iter().enumerate() {
                let mut plain = vec![0x80, 201, 0, 2];
                plain.extend_from_slice(&ssrc.to_be_bytes());
                plain.extend_from_slice(&(at as u32).to_be_bytes());
                arrivals.push((at + late, them.encrypt_rtcp(&plain).unwrap(), plain));
            }
            arrivals.sort_by_key(|arrival| arrival.0);
            for (_, sealed, plain) in &arrivals {
                let mut opened = sealed.to_vec();
                let len = us.unprotect_rtcp(&mut opened).unwrap();
                prop_assert_eq!(&opened[..len], &plain[..]);
                let again = us.unprotect_rtcp(&mut sealed.to_vec());
                prop_assert_eq!(again, Err(SrtpError::Replay));
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
