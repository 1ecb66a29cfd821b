//! SRTP and SRTCP from a stranger, who has no key.

use transom_rtc_proto::port::{Srtp, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_srtp::{GuardedSrtp, caught_panics};

/// SRTP: nothing opens without the key, and nothing makes the crate behind the guard panic, not even
/// where the panic would be caught. Taken is what the RTP guard finds well formed.
pub fn srtp(data: &[u8]) -> bool {
    let before = caught_panics();
    for profile in [SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm] {
        let mut layer = layer(profile);
        assert!(
            layer.unprotect_rtp(&mut data.to_vec()).is_err(),
            "RTP opened without the key"
        );
        assert!(
            layer.unprotect_rtcp(&mut data.to_vec()).is_err(),
            "RTCP opened without the key"
        );
    }
    assert_eq!(
        caught_panics(),
        before,
        "the guard let through what makes webrtc-srtp panic"
    );
    transom_rtc_proto::rtp::validate_header(data).is_ok()
}

fn layer(profile: SrtpProfile) -> Box<dyn Srtp> {
    let key = |byte: u8| {
        SrtpKey::new(profile, &[byte; 16], &vec![byte; profile.salt_len()])
            .expect("the profile's lengths")
    };
    GuardedSrtp
        .create(profile, &key(1), &key(2))
        .expect("a layer")
}
