use std::time::Duration;

use transom_rtc_proto::port::SrtpProfile;

use crate::certificate::Certificate;

/// What a [`Dtls`](crate::Dtls) neighbour needs to know beforehand.
#[derive(Clone, Debug)]
pub struct DtlsConfig {
    /// Shown to the peer; its fingerprint stands in our SDP.
    pub certificate: Certificate,
    /// SRTP profiles we accept, best first. As server ours is the order that
    /// decides, whatever the order of the ClientHello.
    pub profiles: Vec<SrtpProfile>,
    /// Time until a flight is sent again (RFC 6347 section 4.2.4).
    pub flight_interval: Duration,
    /// The handshake fails when it takes longer than this. The core has a
    /// deadline of its own; this one holds where the core forgot to close,
    /// because webrtc-dtls by itself retransmits for ever.
    pub handshake_deadline: Duration,
}

impl DtlsConfig {
    /// The defaults: AES-GCM before counter mode, a flight interval of 100 ms,
    /// a deadline of 30 s.
    pub fn new(certificate: Certificate) -> Self {
        Self {
            certificate,
            profiles: vec![SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80],
            flight_interval: Duration::from_millis(100),
            handshake_deadline: Duration::from_secs(30),
        }
    }
}
