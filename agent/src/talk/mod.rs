//! Talking back: the sound of a stream that somebody else publishes, played on
//! the board.
//!
//! The agent watches that stream by WHEP, its sound alone. While nobody
//! publishes it, the server says so, and is asked again after a moment.

mod decoder;

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use transom_rtc_proto::peer::{CloseReason, Event};
use transom_rtc_proto::sdp::{Codec, Direction, MediaKind};
use transom_rtc_tokio::Clock;
use transom_rtc_tokio::address::AddressPolicy;
use transom_rtc_tokio::call::{Answered, CallConfig, CallError, CallTrack, place};
use transom_rtc_tokio::client::{Backoff, BackoffConfig, ClientError, Endpoint, Retry};
use transom_rtc_tokio::driver::{Connection, MediaPacket};

use crate::sound::play::PlayHandle;
use decoder::TalkDecoder;

/// Who begins to talk is heard within two seconds or so.
const BACKOFF: BackoffConfig = BackoffConfig {
    first: Duration::from_millis(250),
    ceiling: Duration::from_secs(1),
    slow: Duration::from_secs(120),
};
/// How often it is looked whether a missing packet has been waited for enough.
const TICK: Duration = Duration::from_millis(10);
/// A goodbye takes at most this long.
const GOODBYE: Duration = Duration::from_millis(1500);

/// Whom to listen to.
#[derive(Clone, Debug)]
pub struct TalkConfig {
    /// The WHEP endpoint.
    pub endpoint: Endpoint,
    /// Which of our addresses to offer.
    pub addresses: AddressPolicy,
}

/// Plays who talks back until `shutdown` is set.
pub async fn run(config: TalkConfig, play: PlayHandle, mut shutdown: watch::Receiver<bool>) {
    let seed = RandomState::new().hash_one(std::process::id());
    let mut backoff = Backoff::new(BACKOFF, seed);
    let mut complained = false;
    loop {
        let delay = match session(&config, &play, &mut shutdown).await {
            Ok(None) => return,
            Ok(Some(reason)) => {
                tracing::info!("who talks back is gone: {reason}");
                backoff.reset();
                complained = false;
                backoff.next_delay()
            }
            Err(error) => {
                match &error {
                    // Most of the time nobody talks.
                    CallError::Client(ClientError::NotLive { .. }) => {
                        tracing::debug!("nobody talks back: {error}");
                        complained = false;
                    }
                    _ if complained => tracing::debug!("no talking back: {error}"),
                    _ => {
                        tracing::warn!(
                            "no talking back: {error} ({}); tried again",
                            config.endpoint.url()
                        );
                        complained = true;
                    }
                }
                match &error {
                    CallError::Client(error) if error.retry() != Retry::Soon => {
                        backoff.next_delay_after(error)
                    }
                    _ => backoff.next_delay(),
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = shutdown.wait_for(|ended| *ended) => return,
        }
    }
}

/// One session: why it ended, or nothing at shutdown.
async fn session(
    config: &TalkConfig,
    play: &PlayHandle,
    shutdown: &mut watch::Receiver<bool>,
) -> Result<Option<CloseReason>, CallError> {
    let call = CallConfig {
        endpoint: config.endpoint.clone(),
        addresses: config.addresses.clone(),
        tracks: vec![CallTrack {
            kind: MediaKind::Audio,
            codecs: vec![Codec::Opus {
                stereo: false,
                fec: true,
            }],
            direction: Direction::Receive,
        }],
        data_channels: false,
    };
    let answered = tokio::select! {
        answered = place(&call) => answered?,
        _ = shutdown.wait_for(|ended| *ended) => return Ok(None),
    };
    Ok(listen(answered, play, shutdown).await)
}

async fn listen(
    answered: Answered,
    play: &PlayHandle,
    shutdown: &mut watch::Receiver<bool>,
) -> Option<CloseReason> {
    let clock = Clock::new();
    let (whep, connection) = answered.connect(clock);
    let Connection {
        handle,
        events,
        media,
        driver,
        ..
    } = connection;
    let mut driver = tokio::spawn(driver.run());
    let ended = tokio::select! {
        ended = &mut driver => match ended {
            Ok(Ok(reason)) => Some(reason),
            Ok(Err(_)) | Err(_) => Some(CloseReason::Srtp),
        },
        () = take(media, play, clock) => None,
        () = watch(events) => None,
        _ = shutdown.wait_for(|ended| *ended) => None,
    };
    handle.close().await;
    let _ = tokio::time::timeout(GOODBYE, async {
        // That the server has forgotten it already is no failure.
        let _ = whep.close().await;
        if !driver.is_finished() {
            let _ = (&mut driver).await;
        }
    })
    .await;
    driver.abort();
    ended
}

/// Decodes what comes and hands it to the speaker. Never ends.
async fn take(mut media: mpsc::Receiver<MediaPacket>, play: &PlayHandle, clock: Clock) {
    let mut decoder = match TalkDecoder::new() {
        Ok(decoder) => decoder,
        Err(error) => {
            tracing::warn!("no talking back: {error}");
            return std::future::pending().await;
        }
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            packet = media.recv() => match packet {
                Some(packet) => decoder.push(clock.now(), packet.info.seq, packet.payload),
                // The driver has ended, and tells why.
                None => return std::future::pending().await,
            },
            _ = ticks.tick(), if decoder.waits() => {}
        }
        decoder.poll(clock.now(), play.figures(), |frames| {
            play.talk().push(frames)
        });
    }
}

async fn watch(mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        if matches!(event, Event::Connected) {
            tracing::info!("somebody talks back");
        }
    }
    std::future::pending().await
}
