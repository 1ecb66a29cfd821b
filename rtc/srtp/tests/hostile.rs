//! What a peer, or somebody who forges its address, can send.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // test code

use std::time::{Duration, Instant};

use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::{Srtp, SrtpError, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_srtp::{GuardedSrtp, caught_panics};

const PROFILES: [SrtpProfile; 2] = [SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm];

fn layer(profile: SrtpProfile) -> Box<dyn Srtp> {
    let key = SrtpKey::new(profile, &[7; 16], &[9; 14][..profile.salt_len()]).unwrap();
    GuardedSrtp.create(profile, &key, &key).unwrap()
}

fn rtp(ssrc: u32, seq: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96, 0, 0, 0, 0, 0, 0];
    packet[2..4].copy_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(b"a payload of some bytes");
    packet
}

fn sealed(layer: &mut dyn Srtp, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buf = packet.to_vec();
    buf.resize(packet.len() + 16, 0);
    let len = layer.protect_rtp(&mut buf, packet.len())?;
    buf.truncate(len);
    Ok(buf)
}

fn sealed_rtcp(layer: &mut dyn Srtp, ssrc: u32) -> Vec<u8> {
    let mut buf = vec![0x80, 201, 0, 1];
    buf.extend_from_slice(&ssrc.to_be_bytes());
    buf.resize(40, 0);
    let len = layer.protect_rtcp(&mut buf, 8).unwrap();
    buf.truncate(len);
    buf
}

#[test]
fn forged_header_extensions_are_refused_before_the_cipher() {
    for profile in PROFILES {
        let mut layer = layer(profile);
        layer.admit(Ssrc(1));
        for extension in [
            &[0xbe, 0xde, 0x00, 0x01, 0x1f, 0, 0, 0][..], // 16 bytes in three
            &[0xbe, 0xde, 0xff, 0xff, 0x10, 0, 0, 0],     // 262,140 bytes long
            &[0x10, 0x00, 0x00, 0x01, 5, 255, 0, 0],
            &[0x10, 0x00, 0x00, 0x01, 0, 0, 0, 5],
        ] {
            for tail in [0, 10, 16, 40] {
                let mut packet = rtp(1, 1)[..12].to_vec();
                packet[0] |= 0x10;
                packet.extend_from_slice(extension);
                packet.resize(packet.len() + tail, 0);
                assert_eq!(layer.unprotect_rtp(&mut packet), Err(SrtpError::Malformed));
            }
        }
    }
}

#[test]
fn rtcp_of_every_length_is_survived() {
    for profile in PROFILES {
        let mut layer = layer(profile);
        layer.admit(Ssrc(7));
        let before = caught_panics();
        for len in 0..64 {
            let mut packet = vec![0xff; len];
            for (byte, header) in packet.iter_mut().zip([0x80, 201, 0, 1, 0, 0, 0, 7]) {
                *byte = header;
            }
            assert!(layer.unprotect_rtcp(&mut packet).is_err(), "{len}");
        }
        assert_eq!(caught_panics(), before);
    }
}

/// webrtc-srtp 0.17 returns such a packet as good in counter mode.
#[test]
fn rtcp_without_encryption_is_refused() {
    for profile in PROFILES {
        let mut layer = layer(profile);
        let mut packet = sealed_rtcp(&mut *layer, 7);
        let e_bit = match profile {
            SrtpProfile::Aes128CmSha1_80 => packet.len() - 14,
            SrtpProfile::AeadAes128Gcm => packet.len() - 4,
        };
        packet[e_bit] &= 0x7f;
        assert_eq!(layer.unprotect_rtcp(&mut packet), Err(SrtpError::Malformed));
    }
}

#[test]
fn a_packet_opens_once() {
    for profile in PROFILES {
        let mut layer = layer(profile);
        for seq in [10, 11, 5000] {
            let packet = sealed(&mut *layer, &rtp(1, seq)).unwrap();
            assert!(layer.unprotect_rtp(&mut packet.clone()).is_ok(), "{seq}");
            assert_eq!(
                layer.unprotect_rtp(&mut packet.clone()),
                Err(SrtpError::Replay)
            );
        }
        let rtcp = sealed_rtcp(&mut *layer, 1);
        assert!(layer.unprotect_rtcp(&mut rtcp.clone()).is_ok());
        assert_eq!(
            layer.unprotect_rtcp(&mut rtcp.clone()),
            Err(SrtpError::Replay)
        );
    }
}

/// A replay one rollover later has the same sequence number and another index.
#[test]
fn a_packet_of_the_round_before_does_not_open_again() {
    for profile in PROFILES {
        let mut layer = layer(profile);
        let old = sealed(&mut *layer, &rtp(1, 1000)).unwrap();
        assert!(layer.unprotect_rtp(&mut old.clone()).is_ok());
        for seq in (1000..=66_000_u32).step_by(5000).skip(1) {
            let packet = sealed(&mut *layer, &rtp(1, seq as u16)).unwrap();
            assert!(layer.unprotect_rtp(&mut packet.clone()).is_ok(), "{seq}");
        }
        assert!(layer.unprotect_rtp(&mut old.clone()).is_err());
    }
}

#[test]
fn forgeries_do_not_move_the_window() {
    for profile in PROFILES {
        let (mut sender, mut reader) = (layer(profile), layer(profile));
        reader.admit(Ssrc(1));
        for ssrc in [1, 2] {
            for seq in [40_000, 65_535, 20_000] {
                let mut forged = sealed(&mut *layer(profile), &rtp(ssrc, seq)).unwrap();
                let last = forged.len() - 1;
                forged[last] ^= 1;
                assert_eq!(
                    reader.unprotect_rtp(&mut forged),
                    Err(SrtpError::Authentication)
                );
            }
            let good = sealed(&mut *sender, &rtp(ssrc, 100)).unwrap();
            assert!(
                reader.unprotect_rtp(&mut good.clone()).is_ok(),
                "{profile:?} {ssrc}"
            );
        }
    }
}

#[test]
fn sources_are_capped_and_the_admitted_go_on() {
    for profile in PROFILES {
        let (mut sender, mut reader) = (layer(profile), layer(profile));
        for ssrc in 0..16 {
            let packet = sealed(&mut *sender, &rtp(ssrc, 1)).unwrap();
            assert!(reader.unprotect_rtp(&mut packet.clone()).is_ok(), "{ssrc}");
        }
        let packet = sealed(&mut *sender, &rtp(16, 1)).unwrap();
        assert_eq!(
            reader.unprotect_rtp(&mut packet.clone()),
            Err(SrtpError::TooManySources)
        );
        let packet = sealed(&mut *sender, &rtp(3, 2)).unwrap();
        assert!(reader.unprotect_rtp(&mut packet.clone()).is_ok());
    }
}

#[test]
fn a_flood_of_unknown_sources_stays_cheap() {
    for profile in PROFILES {
        let mut layer = layer(profile);
        let began = Instant::now();
        for ssrc in 0..100_000 {
            let mut packet = rtp(ssrc, 1);
            packet.extend_from_slice(&[0; 16]);
            assert_eq!(
                layer.unprotect_rtp(&mut packet),
                Err(SrtpError::Authentication)
            );
        }
        // About 0.2 s where this was written; an HMAC or GCM a packet is due anyway.
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{:?}",
            began.elapsed()
        );
        let good = sealed(&mut *layer, &rtp(0xfeed, 1)).unwrap();
        assert!(layer.unprotect_rtp(&mut good.clone()).is_ok());
    }
}

#[test]
fn an_index_is_sealed_once() {
    for profile in PROFILES {
        let mut layer = layer(profile);
        assert!(sealed(&mut *layer, &rtp(1, 65_000)).is_ok());
        assert_eq!(
            sealed(&mut *layer, &rtp(1, 65_000)),
            Err(SrtpError::IndexReused)
        );
        assert!(sealed(&mut *layer, &rtp(1, 100)).is_ok()); // the next round
        assert!(sealed(&mut *layer, &rtp(1, 65_100)).is_ok()); // late, within the window
        assert_eq!(
            sealed(&mut *layer, &rtp(1, 65_100)),
            Err(SrtpError::IndexReused)
        );
        assert_eq!(
            sealed(&mut *layer, &rtp(1, 64_000)),
            Err(SrtpError::IndexReused)
        ); // too late
        assert!(sealed(&mut *layer, &rtp(2, 65_000)).is_ok()); // another source
    }
}

#[test]
fn late_packets_seal_with_their_own_rollover_counter() {
    for profile in PROFILES {
        let (mut sender, mut reader) = (layer(profile), layer(profile));
        for seq in [65_500, 65_534, 2, 65_535, 0, 3, 1, 65_501, 900] {
            let packet = sealed(&mut *sender, &rtp(1, seq)).unwrap();
            let mut opened = packet.clone();
            let len = reader.unprotect_rtp(&mut opened).unwrap();
            assert_eq!(&opened[..len], rtp(1, seq), "{profile:?} {seq}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for profile in PROFILES {
        let mut layer = layer(profile);
        let plain = rtp(1, 1);
        let mut buf = plain.clone();
        buf.resize(plain.len() + profile.rtp_overhead() - 1, 0);
        assert_eq!(
            layer.protect_rtp(&mut buf, plain.len()),
            Err(SrtpError::BufferTooSmall)
        );
        assert_eq!(
            layer.protect_rtp(&mut buf, usize::MAX),
            Err(SrtpError::BufferTooSmall)
        );
        assert_eq!(
            layer.protect_rtp(&mut [0x80; 64], 11),
            Err(SrtpError::Malformed)
        );
        assert_eq!(
            layer.protect_rtcp(&mut [0x80; 64], 7),
            Err(SrtpError::Malformed)
        );
    }
}
