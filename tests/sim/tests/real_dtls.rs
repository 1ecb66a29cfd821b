//! Whole peers with the real webrtc-dtls and webrtc-srtp over bad links, in
//! tokio's paused time: it advances only when every task waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::sleep_until;
use transom_rtc_dtls::{Certificate, Dtls, DtlsConfig};
use transom_rtc_proto::peer::{CloseReason, Event};
use transom_rtc_proto::port::{DtlsAction, DtlsEvent, SrtpProfile};
use transom_rtc_proto::time::Instant;
use transom_rtc_srtp::GuardedSrtp;
use transom_tests_sim::link::LinkConfig;
use transom_tests_sim::pair::{Neighbour, Pair, PairConfig};

struct RealDtls(Dtls);

impl Neighbour for RealDtls {
    fn handle_action(&mut self, _: Instant, action: DtlsAction) {
        self.0.handle_action(action);
    }
    fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.0.poll_event()
    }
    // Its timers are the runtime's.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    fn handle_timeout(&mut self, _: Instant) {}
}

struct World {
    pair: Pair<RealDtls>,
    wake: Arc<Notify>,
    origin: tokio::time::Instant,
    begun: Instant,
}

impl World {
    fn new(config: PairConfig, certificates: [Certificate; 2], shown: [&Certificate; 2]) -> Self {
        let wake = Arc::new(Notify::new());
        let neighbours = certificates.map(|certificate| {
            let bell = Arc::clone(&wake);
            let wake = Arc::new(move || bell.notify_one());
            RealDtls(Dtls::spawn(
                &Handle::current(),
                DtlsConfig::new(certificate),
                wake,
            ))
        });
        let signalled = shown.map(|c| c.der().to_vec());
        let pair = Pair::with(
            config,
            &signalled,
            neighbours,
            &(Arc::new(GuardedSrtp) as _),
        );
        let begun = pair.now;
        Self {
            pair,
            wake,
            origin: tokio::time::Instant::now(),
            begun,
        }
    }

    /// Runs until `done`, at most for `limit`; how long it took.
    async fn run_until(
        &mut self,
        limit: Duration,
        done: impl Fn(&Pair<RealDtls>) -> bool,
    ) -> Option<Duration> {
        let end = self.origin.elapsed() + limit;
        loop {
            self.pair.drain();
            if done(&self.pair) {
                return Some(self.origin.elapsed());
            }
            let next = self
                .pair
                .next_event()
                .map_or(end, |at| at.since(self.begun));
            tokio::select! {
                () = self.wake.notified() => {}
                () = sleep_until(self.origin + next.min(end)) => {}
            }
            let elapsed = self.origin.elapsed();
            if elapsed >= end {
                return None;
            }
            self.pair.advance_to(self.begun + elapsed);
        }
    }
}

fn link(loss: f64) -> LinkConfig {
    LinkConfig {
        loss,
        duplication: 0.02,
        reordering: 0.05,
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(5),
    }
}

#[tokio::test(start_paused = true)]
async fn handshakes_complete_at_ten_percent_loss() {
    let mut took = BTreeMap::new();
    for loss in [0.0, 0.02, 0.05, 0.10] {
        let mut longest = Duration::ZERO;
        for seed in 0..10 {
            let certificates = [(); 2].map(|()| Certificate::generate().expect("a certificate"));
            let shown = certificates.clone();
            let config = PairConfig {
                link: link(loss),
                lite: true,
                seed,
            };
            let mut world = World::new(config, certificates, [&shown[0], &shown[1]]);
            let connected = world
                .run_until(Duration::from_secs(15), Pair::is_connected)
                .await;
            longest = longest.max(connected.unwrap_or_else(|| panic!("loss {loss}, seed {seed}")));
            for end in [&world.pair.offerer, &world.pair.answerer] {
                assert_eq!(end.peer.srtp_profile(), Some(SrtpProfile::AeadAes128Gcm));
            }
        }
        took.insert(format!("{loss}"), longest);
    }
    println!("longest by loss: {took:?}");
    assert!(took["0"] < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn another_certificate_than_the_signalled_one_ends_the_peer() {
    let [a, b, stranger] = [(); 3].map(|()| Certificate::generate().expect("a certificate"));
    let config = PairConfig {
        link: link(0.0),
        lite: true,
        seed: 1,
    };
    // The offerer's SDP shows another certificate than its handshake.
    let mut world = World::new(config, [a, b.clone()], [&stranger, &b]);
    let mismatch = |e: &Event| *e == Event::Closed(CloseReason::FingerprintMismatch);
    let ended = world
        .run_until(Duration::from_secs(10), |p| p.answerer.saw(mismatch))
        .await;
    assert!(ended.is_some(), "{:?}", world.pair.answerer.events);
    assert!(!world.pair.answerer.saw(|e| *e == Event::Connected));
}
