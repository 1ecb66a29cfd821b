//! A forwarded packet costs no allocation, and a peer little memory.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // test code

use allocation_counter::{AllocationInfo, measure};
use transom_rtc_proto::port::{Srtp, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_srtp::GuardedSrtp;

const PROFILES: [SrtpProfile; 2] = [SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm];

fn layer(profile: SrtpProfile) -> Box<dyn Srtp> {
    let key = SrtpKey::new(profile, &[1; 16], &[2; 14][..profile.salt_len()]).unwrap();
    GuardedSrtp.create(profile, &key, &key).unwrap()
}

#[test]
fn rtp_allocates_nothing_once_its_source_is_known() {
    for profile in PROFILES {
        let mut layer = layer(profile);
        let mut buf = [0; 1300];
        for ssrc in 1..=4 {
            turn(&mut *layer, &mut buf, ssrc, 0);
        }
        let info = measure(|| {
            for seq in 1..2000 {
                for ssrc in 1..=4 {
                    turn(&mut *layer, &mut buf, ssrc, seq);
                }
            }
        });
        assert_eq!(info.count_total, 0, "{profile:?}: {info:?}");
    }
}

/// Seals and opens a packet, and is refused both a second time.
fn turn(layer: &mut dyn Srtp, buf: &mut [u8; 1300], ssrc: u32, seq: u16) {
    buf[..4].copy_from_slice(&[0x80, 96, (seq >> 8) as u8, seq as u8]);
    buf[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let len = layer.protect_rtp(buf, 1200).unwrap();
    assert_eq!(layer.unprotect_rtp(&mut buf[..len]).unwrap(), 1200);
    assert!(layer.protect_rtp(buf, 1200).is_err());
    assert!(layer.unprotect_rtp(&mut buf[..len]).is_err());
}

#[test]
fn a_report_allocates_a_few_times_and_keeps_nothing() {
    for profile in PROFILES {
        let mut layer = layer(profile);
        report(&mut *layer); // its source is new
        let [seal, open] = report(&mut *layer);
        println!(
            "{profile:?}: a report is sealed with {} and opened with {} allocations",
            seal.count_total, open.count_total
        );
        for info in [seal, open] {
            assert!(info.count_total <= 10, "{profile:?}: {info:?}");
            assert_eq!(info.bytes_current, 0, "{profile:?}: {info:?}");
        }
    }
}

/// A sender report, sealed and opened.
fn report(layer: &mut dyn Srtp) -> [AllocationInfo; 2] {
    let mut buf = [0; 60];
    buf[..8].copy_from_slice(&[0x80, 200, 0, 6, 0, 0, 0, 7]);
    let mut len = 0;
    let seal = measure(|| len = layer.protect_rtcp(&mut buf, 28).unwrap());
    let open = measure(|| len = layer.unprotect_rtcp(&mut buf[..len]).unwrap());
    assert_eq!(len, 28);
    [seal, open]
}

/// What SRTP may hold for a subscriber, of the 60 KB that one may cost in all.
const MAX_SUBSCRIBER: u64 = 6 * 1024;

#[test]
fn a_subscriber_costs_little_memory() {
    for profile in PROFILES {
        let info = measure(|| std::mem::forget(subscriber(profile)));
        println!(
            "{profile:?}: a subscriber holds {} bytes",
            info.bytes_current
        );
        assert!(info.bytes_current as u64 <= MAX_SUBSCRIBER, "{info:?}");
    }
}

/// Audio, video and its repairs go out, reports both ways; no RTP comes in.
fn subscriber(profile: SrtpProfile) -> Box<dyn Srtp> {
    let mut layer = layer(profile);
    let mut buf = [0; 1300];
    for ssrc in 1..=3 {
        buf[..4].copy_from_slice(&[0x80, 96, 0, 1]);
        buf[8..12].copy_from_slice(&u32::to_be_bytes(ssrc));
        layer.protect_rtp(&mut buf, 1200).unwrap();
    }
    report(&mut *layer);
    report(&mut *layer);
    layer
}
