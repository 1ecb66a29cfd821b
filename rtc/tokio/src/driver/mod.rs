//! The task that drives a peer.
//!
//! [`connect`] makes, after embassy, a handle and the future that must be
//! run, apart:
//!
//! - [`Driver::run`] is the task: it owns peer, socket and DTLS neighbour.
//!   Everything that happens is taken in batches: all that is readable, all
//!   frames that wait; then all that follows from it leaves in batches.
//! - [`PeerHandle`] is how the application reaches the peer, from any thread.
//! - [`Event`]s and received media come over
//!   bounded channels. An application that does not take them loses them, and
//!   [`PeerStats`] says how many; the peer does not wait.
//! - What happens on data channels comes over a channel of its own, and is not
//!   lost: the other end of a data channel can wait.

mod handle;
mod outbox;
mod run;
mod stats;

use std::sync::Arc;

pub use handle::{FrameRefused, MediaPacket, MessageRefused, OutgoingFrame, PeerHandle};
pub use run::Driver;
pub use stats::{Lost, PeerStats};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use transom_rtc_dtls::{Dtls, DtlsConfig};
use transom_rtc_proto::channel::ChannelEvent;
use transom_rtc_proto::peer::{Event, Peer, PeerConfig};
/// What the socket of a peer has done.
pub use transom_rtc_udp::Counters as SocketCounters;

use crate::{Clock, Socket};

/// Frames and other commands that may wait for the driver. It takes them at
/// once; they wait only while it sends.
const MAX_COMMANDS: usize = 64;

/// Events that may wait for the application.
const MAX_EVENTS: usize = 256;

/// Events of data channels that may wait for the application. Then the other
/// end waits: none is lost.
const MAX_CHANNEL_EVENTS: usize = 64;

/// Media packets that may wait for the application: a large key frame.
const MAX_MEDIA: usize = 1024;

/// What a driver is made of.
#[derive(Debug)]
pub struct DriverConfig {
    /// The socket whose port stands in the local candidates.
    pub socket: Socket,
    /// The clock of the peer.
    pub clock: Clock,
    /// The peer, as negotiated.
    pub peer: PeerConfig,
    /// Its DTLS neighbour; the certificate is the one that was signalled.
    pub dtls: DtlsConfig,
    /// Randomness for the peer, fresh for each.
    pub seed: [u8; 32],
}

/// A peer that is about to be driven.
#[derive(Debug)]
pub struct Connection {
    /// Reaches the peer.
    pub handle: PeerHandle,
    /// What happens to it. Ends with the driver.
    pub events: mpsc::Receiver<Event>,
    /// What happens on its data channels. May be dropped where there are none.
    pub channels: mpsc::Receiver<ChannelEvent>,
    /// What it receives. May be dropped where nothing is.
    pub media: mpsc::Receiver<MediaPacket>,
    /// To be run.
    pub driver: Driver,
}

/// Makes the peer and what drives it. Within a runtime only. The peer's time
/// begins: the driver should be run at once.
pub fn connect(config: DriverConfig) -> Connection {
    let (command_sender, commands) = mpsc::channel(MAX_COMMANDS);
    let (event_sender, events) = mpsc::channel(MAX_EVENTS);
    let (channel_sender, channels) = mpsc::channel(MAX_CHANNEL_EVENTS);
    let (media_sender, media) = mpsc::channel(MAX_MEDIA);
    let dtls_wake = Arc::new(Notify::new());
    let wake = Arc::clone(&dtls_wake);
    let dtls = Dtls::spawn(
        &Handle::current(),
        config.dtls,
        Arc::new(move || wake.notify_one()),
    );
    let now = config.clock.now();
    let kinds = config.peer.session.tracks.iter().map(|t| t.kind).collect();
    Connection {
        handle: PeerHandle::new(command_sender),
        events,
        channels,
        media,
        driver: Driver::new(run::Parts {
            peer: Peer::new(now, config.peer, config.seed),
            kinds,
            socket: config.socket,
            clock: config.clock,
            dtls,
            dtls_wake,
            commands,
            events: event_sender,
            channels: channel_sender,
            media: media_sender,
        }),
    }
}
