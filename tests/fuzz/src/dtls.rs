//! DTLS from a stranger on a validated pair.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use transom_rtc_dtls::{Certificate, Dtls, DtlsConfig};
use transom_rtc_proto::port::{DtlsAction, DtlsRole};

/// DTLS: the datagram arrives twice at either end of a handshake. Nothing that the guard lets through
/// makes webrtc-dtls panic. Taken is what counts as a part of a handshake.
pub fn dtls(data: &[u8]) -> bool {
    thread_local! {
        static WORLD: (Runtime, DtlsConfig) = (
            Builder::new_current_thread().enable_time().build().expect("a runtime"),
            DtlsConfig::new(Certificate::generate().expect("a certificate")),
        );
    }
    WORLD.with(|(runtime, config)| {
        let roles = [DtlsRole::Server, DtlsRole::Client];
        roles
            .map(|role| handshake(runtime, config, role, data))
            .contains(&true)
    })
}

fn handshake(runtime: &Runtime, config: &DtlsConfig, role: DtlsRole, data: &[u8]) -> bool {
    let dtls = Dtls::spawn(runtime.handle(), config.clone(), Arc::new(|| {}));
    runtime.block_on(async {
        dtls.handle_action(DtlsAction::Start(role));
        for _ in 0..2 {
            dtls.handle_action(DtlsAction::Datagram(data.to_vec()));
            // Nothing here waits for time or for a socket: so many turns are enough to be done.
            for _ in 0..40 {
                tokio::task::yield_now().await;
            }
            while dtls.poll_event().is_some() {}
        }
    });
    let stats = dtls.stats();
    assert_eq!(
        stats.panics, 0,
        "the guard let through what makes webrtc-dtls panic"
    );
    stats.handshake_bytes > 0
}
