//! No nonce is used twice under one key, whatever is asked of the layer.
//!
//! Both profiles add a key stream to the payload, and it is the same if and only
//! if the nonce is. So the proof looks at what went out: the key streams (sealed
//! payload XOR plain payload) of all packets differ.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)] // test code

use std::collections::HashSet;

use proptest::prelude::*;
use transom_rtc_proto::port::{Srtp, SrtpError, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_srtp::GuardedSrtp;
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

const PROFILES: [SrtpProfile; 2] = [SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm];
const KEY: [u8; 16] = [3; 16];
const SALT: [u8; 14] = [4; 14];
/// The first 16 bytes of a packet's key stream: two alike are no chance.
const STREAM: usize = 16;

/// What a caller may do, well or badly.
#[derive(Clone, Debug)]
enum Step {
    /// Seal the packet that is so far from the last of its source.
    Seal { ssrc: u32, by: i32 },
    /// The last one again, with other content.
    Again { ssrc: u32 },
    /// With no room for the tag, and once more with room.
    NoRoom { ssrc: u32, by: i32 },
    /// A header that does not hold together.
    Malformed { ssrc: u32, by: i32 },
    /// Report on behalf of the source.
    Report { ssrc: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let ssrc = || 1_u32..4;
    let by = || {
        prop_oneof![
            12 => 1_i32..4,
            4 => -40_i32..40,
            2 => -2000_i32..2000,
            3 => 25_000_i32..31_000, // round after round
            1 => any::<i32>(),
        ]
    };
    prop_oneof![
        12 => (ssrc(), by()).prop_map(|(ssrc, by)| Step::Seal { ssrc, by }),
        3 => ssrc().prop_map(|ssrc| Step::Again { ssrc }),
        1 => (ssrc(), by()).prop_map(|(ssrc, by)| Step::NoRoom { ssrc, by }),
        1 => (ssrc(), by()).prop_map(|(ssrc, by)| Step::Malformed { ssrc, by }),
        2 => ssrc().prop_map(|ssrc| Step::Report { ssrc }),
    ]
}

/// A layer that watches what it lets out.
struct Watched {
    layer: Box<dyn Srtp>,
    profile: SrtpProfile,
    /// Opens everything in the order in which it was sealed.
    oracle: Context,
    rtp: HashSet<Vec<u8>>,
    rtcp: HashSet<Vec<u8>>,
    seqs: [u16; 4],
    /// What tells the contents of two packets apart.
    made: u32,
}

impl Watched {
    fn new(profile: SrtpProfile, first: u16) -> Self {
        let salt = &SALT[..profile.salt_len()];
        let key = SrtpKey::new(profile, &KEY, salt).unwrap();
        let theirs = match profile {
            SrtpProfile::Aes128CmSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        };
        Self {
            layer: GuardedSrtp.create(profile, &key, &key).unwrap(),
            profile,
            oracle: Context::new(&KEY, salt, theirs, None, None).unwrap(),
            rtp: HashSet::new(),
            rtcp: HashSet::new(),
            seqs: [first; 4],
            made: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Seal { ssrc, by } => {
                self.move_by(ssrc, by);
                self.seal(ssrc).ok();
            }
            Step::Again { ssrc } => {
                self.seal(ssrc).ok();
                assert_eq!(self.seal(ssrc), Err(SrtpError::IndexReused));
            }
            Step::NoRoom { ssrc, by } => {
                self.move_by(ssrc, by);
                let mut packet = self.packet(ssrc);
                let len = packet.len();
                packet.resize(len + self.profile.rtp_overhead() - 1, 0);
                let refused = self.layer.protect_rtp(&mut packet, len);
                assert_eq!(refused, Err(SrtpError::BufferTooSmall));
                self.seal(ssrc).ok();
                assert_eq!(self.seal(ssrc), Err(SrtpError::IndexReused));
            }
            Step::Malformed { ssrc, by } => {
                self.move_by(ssrc, by);
                let mut packet = self.packet(ssrc);
                packet[0] |= 0x10; // an extension of 2^18 bytes
                packet[14..16].fill(0xff);
                let len = packet.len();
                packet.resize(len + self.profile.rtp_overhead(), 0);
                let refused = self.layer.protect_rtp(&mut packet, len);
                assert_eq!(refused, Err(SrtpError::Malformed));
            }
            Step::Report { ssrc } => self.report(ssrc),
        }
    }

    fn move_by(&mut self, ssrc: u32, by: i32) {
        let seq = &mut self.seqs[ssrc as usize];
        *seq = seq.wrapping_add(by as u16);
    }

    fn packet(&mut self, ssrc: u32) -> Vec<u8> {
        self.made += 1;
        let mut packet = vec![0x80, 96];
        packet.extend_from_slice(&self.seqs[ssrc as usize].to_be_bytes());
        packet.extend_from_slice(&[0; 4]);
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(&self.made.to_be_bytes());
        packet.extend_from_slice(&[0x5a; STREAM]);
        packet
    }

    fn seal(&mut self, ssrc: u32) -> Result<(), SrtpError> {
        let plain = self.packet(ssrc);
        let mut buf = plain.clone();
        buf.resize(plain.len() + self.profile.rtp_overhead(), 0);
        let before = buf.clone();
        match self.layer.protect_rtp(&mut buf, plain.len()) {
            Ok(len) => {
                assert!(self.rtp.insert(stream(&plain[12..], &buf[12..])), "twice");
                assert_eq!(self.oracle.decrypt_rtp(&buf[..len]).unwrap(), plain);
                Ok(())
            }
            Err(e) => {
                assert_eq!(buf, before, "what is refused stays as it is");
                Err(e)
            }
        }
    }

    fn report(&mut self, ssrc: u32) {
        self.made += 1;
        let mut plain = vec![0x80, 201, 0, 6];
        plain.extend_from_slice(&ssrc.to_be_bytes());
        plain.extend_from_slice(&self.made.to_be_bytes());
        plain.extend_from_slice(&[0x5a; STREAM]);
        let mut buf = plain.clone();
        buf.resize(plain.len() + self.profile.rtcp_overhead(), 0);
        let len = self.layer.protect_rtcp(&mut buf, plain.len()).unwrap();
        assert!(self.rtcp.insert(stream(&plain[8..], &buf[8..])), "twice");
        assert_eq!(self.oracle.decrypt_rtcp(&buf[..len]).unwrap(), plain);
    }
}

fn stream(plain: &[u8], sealed: &[u8]) -> Vec<u8> {
    plain
        .iter()
        .zip(sealed)
        .take(STREAM)
        .map(|(a, b)| a ^ b)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_sequence_of_calls_uses_a_nonce_twice(
        first in prop_oneof![0_u16..100, 32_700_u16..32_800, 65_400_u16..=65_535, any::<u16>()],
        steps in prop::collection::vec(step(), 1..400),
    ) {
        for profile in PROFILES {
            let mut watched = Watched::new(profile, first);
            for step in &steps {
                watched.take(step);
            }
            // SRTP and SRTCP have keys of their own.
            prop_assert!(watched.rtp.is_disjoint(&watched.rtcp));
        }
    }
}

/// Round after round, each number comes again and its nonce does not.
#[test]
fn three_rounds_of_every_sequence_number() {
    for profile in PROFILES {
        let mut watched = Watched::new(profile, 0);
        for _ in 0..3 * 65_536 {
            watched.seal(1).unwrap();
            watched.move_by(1, 1);
        }
        assert_eq!(watched.rtp.len(), 3 * 65_536);
    }
}

/// RTX goes under the same key with a source of its own (RFC 4588 section 4):
/// the same number there is another nonce, and the original is not sealed again.
#[test]
fn a_repair_shares_the_key_and_no_nonce() {
    for profile in PROFILES {
        let mut watched = Watched::new(profile, 65_000);
        for _ in 0..1000 {
            let (media, repair) = (1, 2);
            watched.seal(media).unwrap();
            assert_eq!(watched.seal(media), Err(SrtpError::IndexReused));
            watched.seal(repair).unwrap();
            watched.move_by(media, 1);
            watched.move_by(repair, 1);
        }
        assert_eq!(watched.rtp.len(), 2000);
    }
}

/// A source that pauses, and others that come and go meanwhile, change nothing:
/// what a key has sealed is known as long as the key is.
#[test]
fn a_source_is_remembered_as_long_as_the_key() {
    for profile in PROFILES {
        let mut watched = Watched::new(profile, 500);
        watched.seal(1).unwrap();
        for other in 100..200_u32 {
            let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 0];
            packet.extend_from_slice(&other.to_be_bytes());
            packet.resize(40, 0);
            let sealed = watched.layer.protect_rtp(&mut packet, 20);
            // 64 sources, and then no more: none makes room for another.
            assert_eq!(sealed.is_ok(), other < 163, "{other}");
        }
        assert_eq!(watched.seal(1), Err(SrtpError::IndexReused));
    }
}
