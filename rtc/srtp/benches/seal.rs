//! Nanoseconds that a packet costs, ours and webrtc-srtp's in turns:
//! `cargo bench -p transom-rtc-srtp`.
//!
//! Rounds of a few packets alternate between the two, so that a machine with
//! other work slows both; what is printed is the twentieth part of the rounds
//! that went best.

#![allow(clippy::unwrap_used)] // a tool of ours

use std::hint::black_box;
use std::time::Instant;

use transom_rtc_proto::port::{Srtp, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_srtp::GuardedSrtp;
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

/// Packets of a round: they fit the caches, as a batch does that is sent at once.
const ROUND: usize = 32;
const ROUNDS: usize = 2000;
/// With a transport-wide sequence number, as Chromium sends.
const HEADER: [u8; 20] = [
    0x90, 96, 0, 0, 0, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe, 0xbe, 0xde, 0, 1, 0x31, 0, 0, 0,
];

fn main() {
    println!("profile            bytes           ours  webrtc-srtp  ratio");
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80] {
        for len in [100, 1200] {
            let [seal, open] = Race::new(profile, len).run();
            for (what, times) in [("seal", seal), ("open", open)] {
                let [ours, theirs] = times.map(best);
                println!(
                    "{:<18} {len:>5} {what:<5} {ours:>6.0} ns    {theirs:>6.0} ns  {:>5.2}",
                    name(profile),
                    ours / theirs,
                );
            }
        }
    }
}

fn name(profile: SrtpProfile) -> &'static str {
    match profile {
        SrtpProfile::AeadAes128Gcm => "AEAD_AES_128_GCM",
        SrtpProfile::Aes128CmSha1_80 => "AES128_CM_SHA1_80",
    }
}

/// Two senders and two readers of the same packets.
struct Race {
    ours: Box<dyn Srtp>,
    theirs: Context,
    their_reader: Context,
    packet: Vec<u8>,
    room: usize,
    seq: u16,
}

impl Race {
    fn new(profile: SrtpProfile, len: usize) -> Self {
        let (key, salt) = ([1; 16], [2; 14]);
        let salt = &salt[..profile.salt_len()];
        let both = SrtpKey::new(profile, &key, salt).unwrap();
        let theirs = match profile {
            SrtpProfile::Aes128CmSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        };
        let theirs = || Context::new(&key, salt, theirs, None, None).unwrap();
        let mut packet = HEADER.to_vec();
        packet.resize(len, 0x5a);
        Self {
            ours: GuardedSrtp.create(profile, &both, &both).unwrap(),
            theirs: theirs(),
            their_reader: theirs(),
            packet,
            room: profile.rtp_overhead(),
            seq: 0,
        }
    }

    /// Nanoseconds a packet by round: ours and theirs, for sealing and for opening.
    fn run(mut self) -> [[Vec<f64>; 2]; 2] {
        let mut times = [const { [const { Vec::new() }; 2] }; 2];
        for _ in 0..ROUNDS {
            let plain: Vec<Vec<u8>> = (0..ROUND).map(|_| self.next()).collect();
            let mut sealed = plain.clone();
            for packet in &mut sealed {
                packet.resize(self.packet.len() + self.room, 0);
            }
            times[0][0].push(timed(&mut sealed, |packet| {
                let len = packet.len() - self.room;
                self.ours.protect_rtp(packet, len).unwrap();
            }));
            let mut originals = plain;
            times[0][1].push(timed(&mut originals, |packet| {
                black_box(self.theirs.encrypt_rtp(packet).unwrap());
            }));
            times[1][1].push(timed(&mut sealed, |packet| {
                black_box(self.their_reader.decrypt_rtp(packet).unwrap());
            }));
            times[1][0].push(timed(&mut sealed, |packet| {
                self.ours.unprotect_rtp(packet).unwrap();
            }));
        }
        times
    }

    fn next(&mut self) -> Vec<u8> {
        self.packet[2..4].copy_from_slice(&self.seq.to_be_bytes());
        self.seq = self.seq.wrapping_add(1);
        self.packet.clone()
    }
}

#[allow(clippy::cast_precision_loss)] // both are small
fn timed(packets: &mut [Vec<u8>], mut each: impl FnMut(&mut Vec<u8>)) -> f64 {
    let began = Instant::now();
    packets.iter_mut().for_each(&mut each);
    began.elapsed().as_nanos() as f64 / packets.len() as f64
}

fn best(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 20]
}
