//! Two neighbours and what lies between them. Time is tokio's, paused.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;
use transom_rtc_dtls::{Certificate, Dtls, DtlsConfig};
use transom_rtc_proto::port::{DtlsAction, DtlsEvent, DtlsFailure, DtlsRole, SrtpProfile};

/// One end, and what its core heard.
pub struct End {
    pub dtls: Dtls,
    pub heard: Vec<DtlsEvent>,
    woken: Arc<Notify>,
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

impl End {
    pub fn new(config: DtlsConfig) -> Self {
        let woken = Arc::new(Notify::new());
        let bell = Arc::clone(&woken);
        Self {
            dtls: Dtls::spawn(
                &Handle::current(),
                config,
                Arc::new(move || bell.notify_one()),
            ),
            heard: Vec::new(),
            woken,
        }
    }

    pub fn start(config: DtlsConfig, role: DtlsRole) -> Self {
        let end = Self::new(config);
        end.dtls.handle_action(DtlsAction::Start(role));
        end
    }

    /// Takes what waits: datagrams to the caller, the rest to `heard`.
    pub fn datagrams(&mut self) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        while let Some(event) = self.dtls.poll_event() {
            match event {
                DtlsEvent::Datagram(datagram) => out.push(datagram),
                other => self.heard.push(other),
            }
        }
        out
    }

    pub fn connected(&self) -> Option<(SrtpProfile, &[u8], &[u8])> {
        self.heard.iter().find_map(|e| match e {
            DtlsEvent::Connected {
                profile,
                keying_material,
                certificate,
            } => Some((*profile, keying_material.as_slice(), certificate.as_slice())),
            _ => None,
        })
    }

    pub fn failed(&self) -> Option<DtlsFailure> {
        self.heard.iter().find_map(|e| match e {
            DtlsEvent::Failed(failure) => Some(*failure),
            _ => None,
        })
    }

    pub fn received(&self) -> Vec<Vec<u8>> {
        let data = |e: &DtlsEvent| match e {
            DtlsEvent::Received(data) => Some(data.clone()),
            _ => None,
        };
        self.heard.iter().filter_map(data).collect()
    }

    /// Waits, at most `limit`, until something may have happened.
    pub async fn woken(&self, limit: Duration) {
        let _ = tokio::time::timeout(limit, self.woken.notified()).await;
    }

    /// Hands datagrams in, runs the tasks until they are idle, and returns what came out.
    pub async fn exchange(&mut self, datagrams: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
        for datagram in datagrams {
            self.dtls.handle_action(DtlsAction::Datagram(datagram));
        }
        settle().await;
        self.datagrams()
    }
}

/// Lets all tasks run until none has anything to do, without letting time pass.
pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

pub fn config() -> DtlsConfig {
    DtlsConfig::new(Certificate::generate().unwrap())
}

/// A client and a server, both started.
pub fn pair() -> (End, End) {
    (
        End::start(config(), DtlsRole::Client),
        End::start(config(), DtlsRole::Server),
    )
}

/// Carries datagrams until `done` or `limit`; returns whether it was done. Each
/// datagram arrives as often as `link` says, at once.
pub async fn carry(
    client: &mut End,
    server: &mut End,
    limit: Duration,
    mut link: impl FnMut(Way, &[u8]) -> usize,
    mut done: impl FnMut(&End, &End) -> bool,
) -> bool {
    let until = Instant::now() + limit;
    loop {
        let mut carried = false;
        for datagram in client.datagrams() {
            carried = true;
            for _ in 0..link(Way::ToServer, &datagram) {
                server
                    .dtls
                    .handle_action(DtlsAction::Datagram(datagram.clone()));
            }
        }
        for datagram in server.datagrams() {
            carried = true;
            for _ in 0..link(Way::ToClient, &datagram) {
                client
                    .dtls
                    .handle_action(DtlsAction::Datagram(datagram.clone()));
            }
        }
        if done(client, server) {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        if carried {
            continue; // what an end does at once it does not wake us for
        }
        let left = until - Instant::now();
        tokio::select! {
            () = client.woken(left) => {}
            () = server.woken(left) => {}
        }
    }
}

pub async fn connect(client: &mut End, server: &mut End) -> bool {
    carry(
        client,
        server,
        Duration::from_secs(10),
        |_, _| 1,
        both_connected,
    )
    .await
}

pub fn both_connected(client: &End, server: &End) -> bool {
    client.connected().is_some() && server.connected().is_some()
}

/// A generator good enough to lose packets by (xorshift64*).
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}
