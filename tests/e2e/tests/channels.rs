//! Data channels to a real server, with and without media beside them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::time::Duration;

use tokio::time::timeout;
use transom_rtc_proto::channel::{ChannelConfig, ChannelEvent, MessageKind};
use transom_rtc_proto::port::{Delivery, Reliability};
use transom_rtc_proto::sdp::{Codec, Direction, MediaKind};
use transom_rtc_tokio::Clock;
use transom_rtc_tokio::address::AddressPolicy;
use transom_rtc_tokio::call::{CallConfig, CallTrack, place};
use transom_rtc_tokio::client::{Endpoint, EndpointConfig, Session};
use transom_rtc_tokio::driver::{Connection, PeerHandle};
use transom_tests_e2e::Sfu;

struct Caller {
    session: Session,
    handle: PeerHandle,
    channels: tokio::sync::mpsc::Receiver<ChannelEvent>,
}

impl Caller {
    async fn place(sfu: &Sfu, scope: &str, sound: Option<Direction>) -> Self {
        let what = if scope == "publish" { "whip" } else { "whep" };
        let url = format!("http://{}/{what}/door", sfu.http);
        let config = EndpointConfig::new(&url, Some(&sfu.token(scope)));
        let opus = Codec::Opus {
            stereo: false,
            fec: true,
        };
        let answered = place(&CallConfig {
            endpoint: Endpoint::new(config).expect("an endpoint"),
            addresses: AddressPolicy::default(),
            tracks: Vec::from_iter(sound.map(|direction| CallTrack {
                kind: MediaKind::Audio,
                codecs: vec![opus],
                direction,
            })),
            data_channels: true,
        })
        .await
        .expect("a session");
        assert!(answered.negotiated.data_channel.is_some());
        let (session, connection) = answered.connect(Clock::new());
        let Connection {
            handle,
            channels,
            driver,
            ..
        } = connection;
        tokio::spawn(driver.run());
        Self {
            session,
            handle,
            channels,
        }
    }

    async fn event(&mut self) -> ChannelEvent {
        let event = timeout(Duration::from_secs(15), self.channels.recv()).await;
        event.expect("an event in time").expect("a live peer")
    }

    /// Opens a channel, says something and closes it.
    async fn try_a_channel(&mut self) {
        let delivery = Delivery {
            ordered: false,
            reliability: Reliability::MaxRetransmits(0),
        };
        for config in [
            ChannelConfig::new("control").delivery(delivery),
            ChannelConfig::new("control-reliable"),
        ] {
            let id = self.handle.open_channel(config).await.expect("a channel");
            let opened = self.event().await;
            assert!(matches!(opened, ChannelEvent::Opened { channel, .. } if channel == id));
            for len in [0, 24, 60_000] {
                let sent = self
                    .handle
                    .send_message(id, MessageKind::Binary, vec![1; len]);
                sent.await.expect("taken");
            }
            self.handle.close_channel(id).await;
            while !matches!(self.event().await, ChannelEvent::Closed { channel } if channel == id) {
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_without_media() {
    let mut sfu = Sfu::start();
    let mut publisher = Caller::place(&sfu, "publish", None).await;
    publisher.try_a_channel().await;
    let mut viewer = Caller::place(&sfu, "watch", None).await;
    viewer.try_a_channel().await;
    viewer.session.close().await.expect("DELETE");
    publisher.session.close().await.expect("DELETE");
    // The server ends the association: the channels of who is still there end.
    sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_beside_media_on_any_worker() {
    let mut sfu = Sfu::start_with("workers = 2\n");
    let mut publisher = Caller::place(&sfu, "publish", Some(Direction::Send)).await;
    publisher.try_a_channel().await;
    // Those after the sixteenth are with the second worker.
    let mut viewers = Vec::new();
    for _ in 0..20 {
        viewers.push(Caller::place(&sfu, "watch", Some(Direction::Receive)).await);
    }
    for viewer in &mut viewers {
        viewer.try_a_channel().await;
    }
    sfu.still_serves();
}
