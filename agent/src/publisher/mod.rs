//! Publishes a feed by WHIP, for ever: opens a session, carries frames into
//! it, and opens another when it ends.

mod complaint;
mod driving;
mod encoding;
mod figures;
mod loss;
mod offer;
mod session;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use transom_rtc_proto::peer::CloseReason;
use transom_rtc_tokio::address::AddressPolicy;
use transom_rtc_tokio::call::{CallConfig, CallError};
use transom_rtc_tokio::client::{Backoff, BackoffConfig, ClientError, Endpoint};

use crate::control::ActuatorLink;
use crate::publish::MediaFeed;
use crate::rate::{RateConfig, RateController};
use complaint::Complaint;
pub use figures::{PublishCount, PublishFigures, PublisherState};
use session::Session;

/// How to publish.
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// Where to.
    pub endpoint: Endpoint,
    /// Which of our addresses to offer.
    pub addresses: AddressPolicy,
    /// Bounds of the picture's bitrate.
    pub rate: RateConfig,
    /// The way to the actuator, where there is one: its commands come by data channels.
    pub actuator: Option<ActuatorLink>,
    /// Where it is told how it goes.
    pub figures: Arc<PublishFigures>,
}

/// Why a session did not begin, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no session.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The server answered a question about the session in a way that ends it.
    #[error(transparent)]
    Whip(#[from] ClientError),
    /// The socket failed.
    #[error("the UDP socket failed: {0}")]
    Socket(#[source] io::Error),
    /// The peer ended.
    #[error("{0}")]
    Peer(CloseReason),
    /// The server does not know the session any more.
    #[error("the server has forgotten the session")]
    Forgotten,
    /// The feed has ended: nothing is left to publish.
    #[error("the source has ended")]
    SourceEnded,
}

/// Publishes until `shutdown` is set (`Ok`) or the source has ended.
///
/// # Errors
/// Only [`SessionError::SourceEnded`]: everything else is tried again.
pub async fn run(
    config: PublisherConfig,
    mut feed: MediaFeed,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), SessionError> {
    let mut backoff = Backoff::new(BackoffConfig::default(), jitter_seed());
    let mut rate = RateController::new(config.rate);
    let url = complaint::shown(config.endpoint.url());
    tracing::info!("connecting to {url}");
    let figures = &*config.figures;
    loop {
        figures.set_state(PublisherState::Connecting);
        let (ended, connected) = match open(&config, &mut feed, &mut shutdown).await {
            Some(Ok(session)) => {
                figures.add(PublishCount::Accepted, 1);
                session
                    .run(&mut feed, &mut rate, figures, &mut shutdown)
                    .await
            }
            Some(Err(error)) => (Err(error), false),
            None => return Ok(()),
        };
        let error = match ended {
            Ok(()) => return Ok(()),
            Err(error @ SessionError::SourceEnded) => return Err(error),
            Err(error) => error,
        };
        figures.add(PublishCount::Failed, 1);
        figures.set_state(PublisherState::Waiting);
        feed.control.pause();
        // However short it was, it worked: a server that starts again and
        // again is found again each time.
        if connected {
            backoff.reset();
        }
        let delay = match &error {
            SessionError::Whip(error) | SessionError::Call(CallError::Client(error)) => {
                backoff.next_delay_after(error)
            }
            _ => backoff.next_delay(),
        };
        let complaint = Complaint {
            error: &error,
            url: &url,
        };
        let over = async {
            tokio::select! {
                () = complaint.wait(delay) => false,
                () = until_set(&mut shutdown) => true,
            }
        };
        if drain_until(&mut feed, over).await {
            return Ok(());
        }
    }
}

/// Opens a session, while frames are thrown away; `None` at shutdown.
async fn open(
    config: &PublisherConfig,
    feed: &mut MediaFeed,
    shutdown: &mut watch::Receiver<bool>,
) -> Option<Result<Session, SessionError>> {
    let call = CallConfig {
        endpoint: config.endpoint.clone(),
        addresses: config.addresses.clone(),
        tracks: offer::tracks(feed),
        data_channels: config.actuator.is_some(),
    };
    let opened = async {
        tokio::select! {
            opened = Session::open(&call, config.actuator.clone()) => Some(opened),
            () = until_set(shutdown) => None,
        }
    };
    drain_until(feed, opened).await
}

/// Waits until `shutdown` is set, or nobody is left to set it.
async fn until_set(shutdown: &mut watch::Receiver<bool>) {
    // What it returns must not be held across another wait.
    let _ = shutdown.wait_for(|set| *set).await;
}

/// Throws frames away until `end`: a session begins with what is new.
async fn drain_until<T>(feed: &mut MediaFeed, end: impl Future<Output = T>) -> T {
    tokio::pin!(end);
    loop {
        let audio = async {
            match &mut feed.audio {
                Some(packets) => packets.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = &mut end => return ended,
            Some(_) = feed.video.recv() => {}
            Some(_) = audio => {}
            else => return end.await,
        }
    }
}

/// Jitter need not be unpredictable, only different from device to device;
/// the standard library's hash keys are.
fn jitter_seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
