//! One WHIP session, from its offer to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use transom_rtc_proto::id::MediaTime;
use transom_rtc_proto::peer::{CloseReason, Event, TrackId};
use transom_rtc_proto::sdp::{Direction, MediaKind};
use transom_rtc_tokio::Clock;
use transom_rtc_tokio::call::{CallConfig, place};
use transom_rtc_tokio::client::{ClientError, Retry, Session as Whip};
use transom_rtc_tokio::driver::{Connection, Driver, FrameRefused, OutgoingFrame, PeerHandle};

use super::driving::{Driving, Shown};
use super::encoding::EncodingFigures;
use super::figures::{Follower, PublishCount, PublishFigures, PublisherState};
use super::loss::LossWindow;
use super::{SessionError, until_set};
use crate::clock::Capture;
use crate::control::ActuatorLink;
use crate::publish::{FeedControl, FeedCount, MediaFeed};
use crate::rate::RateController;

/// The server gives a sign of life (feedback on what we send) many times a
/// second. After this long without, it is asked whether the session stands.
const SILENCE: Duration = Duration::from_secs(1);

/// Between two such questions.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How often the figures are logged.
const FIGURES_EVERY: Duration = Duration::from_secs(10);

/// Round trip assumed until a report tells it.
const DEFAULT_RTT: Duration = Duration::from_millis(100);

/// What the figures of a session that ends may take: its driver answers at once,
/// or has ended.
const LAST_LOOK: Duration = Duration::from_millis(50);

/// A goodbye takes at most this long.
const GOODBYE: Duration = Duration::from_millis(1500);

/// Where each kind of frame goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracks {
    pub(super) video: Option<TrackId>,
    pub(super) audio: Option<TrackId>,
}

/// A session that the server has accepted.
pub(super) struct Session {
    whip: Arc<Whip>,
    handle: PeerHandle,
    events: mpsc::Receiver<Event>,
    driver: Driver,
    driving: Option<Driving>,
    pictures: watch::Sender<Option<Shown>>,
    tracks: Tracks,
    clock: Clock,
}

impl Session {
    /// Offers what there is and takes the answer.
    pub(super) async fn open(
        call: &CallConfig,
        actuator: Option<ActuatorLink>,
    ) -> Result<Self, SessionError> {
        let answered = place(call).await?;
        let tracks = Tracks {
            video: answered.track(MediaKind::Video, Direction::Send),
            audio: answered.track(MediaKind::Audio, Direction::Send),
        };
        let codecs = answered.negotiated.tracks.iter().filter_map(|t| t.codec());
        let codecs: Vec<_> = codecs.map(|c| c.codec.to_string()).collect();
        tracing::info!(
            "published session={} codec={}",
            tag(&answered.session),
            codecs.join("+")
        );
        let clock = Clock::new();
        let (whip, connection) = answered.connect(clock);
        let Connection {
            handle,
            events,
            driver,
            channels,
            ..
        } = connection;
        let (pictures, shown) = watch::channel(None);
        let driving = actuator.map(|link| Driving::new(handle.clone(), channels, link, shown));
        Ok(Self {
            whip: Arc::new(whip),
            handle,
            events,
            driver,
            driving,
            pictures,
            tracks,
            clock,
        })
    }

    /// Carries frames until the session ends (`Err`) or `shutdown` is set
    /// (`Ok`). Tells besides whether media ever flowed.
    pub(super) async fn run(
        self,
        feed: &mut MediaFeed,
        rate: &mut RateController,
        figures: &PublishFigures,
        shutdown: &mut watch::Receiver<bool>,
    ) -> (Result<(), SessionError>, bool) {
        let Self {
            whip,
            handle,
            events,
            driver,
            driving,
            pictures,
            tracks,
            clock,
        } = self;
        let (end_driving, mut ended_driving) = watch::channel(false);
        // Commands are dated by when the task that reads the socket turned last, so both are one task. No command
        // waits for a picture to be encoded: that is another's.
        let mut driver = tokio::spawn(async move {
            let driving = async move {
                let Some(driving) = driving else { return };
                tokio::select! {
                    () = driving.run() => {}
                    _ = ended_driving.wait_for(|ended| *ended) => {}
                }
            };
            tokio::join!(driver.run(), driving).0
        });
        let heard = Heard(watch::Sender::new(Instant::now()));
        let mut carrier = Carrier {
            handle: handle.clone(),
            events,
            tracks,
            heard: heard.clone(),
            figures,
            pictures,
            connected: false,
            clock,
            loss: LossWindow::default(),
            rtt: DEFAULT_RTT,
        };
        rate.restart();
        let mut follower = Follower::new(figures, tracks);
        let ended = tokio::select! {
            ended = carrier.carry(feed, rate) => ended,
            reason = &mut driver => Err(explain(&whip, driver_end(reason)).await),
            lost = watch_over(&whip, &heard) => Err(lost),
            never = follower.follow(&handle) => match never {},
            () = until_set(shutdown) => Ok(()),
        };
        // Before the goodbye, which takes its time: its end stops what moves.
        end_driving.send_replace(true);
        let _ = tokio::time::timeout(LAST_LOOK, follower.look(&handle)).await;
        handle.close().await;
        let _ = tokio::time::timeout(GOODBYE, async {
            // That the server has forgotten it already is no failure.
            let _ = whip.close().await;
            if !driver.is_finished() {
                let _ = (&mut driver).await;
            }
        })
        .await;
        driver.abort();
        (ended, carrier.connected)
    }
}

/// Carries frames to the peer and what comes back to the feed.
struct Carrier<'a> {
    handle: PeerHandle,
    events: mpsc::Receiver<Event>,
    tracks: Tracks,
    heard: Heard,
    figures: &'a PublishFigures,
    pictures: watch::Sender<Option<Shown>>,
    connected: bool,
    clock: Clock,
    loss: LossWindow,
    rtt: Duration,
}

impl Carrier<'_> {
    /// Ends only with an error: the source's end.
    async fn carry(
        &mut self,
        feed: &mut MediaFeed,
        rate: &mut RateController,
    ) -> Result<(), SessionError> {
        let mut encoding = EncodingFigures::new(&feed.control);
        let mut figures = interval(FIGURES_EVERY);
        figures.set_missed_tick_behavior(MissedTickBehavior::Delay);
        figures.reset();
        loop {
            let audio = async {
                match &mut feed.audio {
                    Some(packets) => packets.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.on_event(&event, feed, rate),
                    // The driver has ended, and its result tells why.
                    None => std::future::pending().await,
                },
                frame = feed.video.recv() => {
                    let frame = frame.ok_or(SessionError::SourceEnded)?;
                    self.pictures.send_replace(Some(Shown { at: frame.capture.at, timestamp: frame.timestamp }));
                    self.send(self.tracks.video, frame.data, frame.timestamp, frame.capture, Some(&feed.control));
                }
                packet = audio => match packet {
                    Some(frame) => self.send(self.tracks.audio, frame.packet, frame.timestamp, frame.capture, None),
                    // Sound has ended for good; the picture goes on.
                    None => feed.audio = None,
                },
                _ = figures.tick() => {
                    let encoding = encoding.since_last(&feed.control);
                    self.log_figures(feed, rate, &encoding).await;
                }
            }
        }
    }

    fn on_event(&mut self, event: &Event, feed: &mut MediaFeed, rate: &mut RateController) {
        self.heard.now();
        match event {
            Event::Connected => {
                tracing::info!("connected");
                self.connected = true;
                self.figures.add(PublishCount::Connected, 1);
                self.figures.set_state(PublisherState::Connected);
                feed.restart();
                feed.control.set_bitrate(rate.bitrate_bps());
            }
            Event::KeyFrameRequested { .. } => {
                self.figures.add(PublishCount::KeyFramesWanted, 1);
                feed.control.request_key_frame();
            }
            Event::Feedback {
                fraction_lost,
                packets,
                rtt,
                ..
            } => {
                self.rtt = rtt.unwrap_or(self.rtt);
                let now = self.clock.now();
                if let Some(loss) = self
                    .loss
                    .on_report(now, f64::from(*fraction_lost), *packets)
                {
                    let bps = rate.on_report(now, loss, self.rtt);
                    tracing::trace!(bps, loss, "bitrate");
                    feed.control.set_bitrate(bps);
                }
            }
            Event::PathSelected(path) => tracing::debug!(%path, "path selected"),
            _ => {}
        }
    }

    fn send(
        &self,
        track: Option<TrackId>,
        data: Vec<u8>,
        timestamp: u32,
        capture: Capture,
        picture: Option<&FeedControl>,
    ) {
        let Some(track) = track.filter(|_| self.connected) else {
            return;
        };
        let sent = self.handle.send_frame(OutgoingFrame {
            track,
            data,
            timestamp: MediaTime(timestamp),
            captured: capture.at,
            wall: capture.wall,
        });
        if sent == Err(FrameRefused::Full) {
            self.figures.add(PublishCount::FramesDriverBusy, 1);
            // The next picture refers to the one that was left out.
            if let Some(control) = picture {
                control.request_key_frame();
            }
        }
    }

    async fn log_figures(&self, feed: &MediaFeed, rate: &RateController, encoding: &str) {
        let Some(stats) = self.handle.stats().await else {
            return;
        };
        let of = |track: Option<TrackId>| {
            let found = stats.sent.iter().find(|(id, _)| Some(*id) == track);
            found.map(|(_, s)| *s).unwrap_or_default()
        };
        let (video, audio) = (of(self.tracks.video), of(self.tracks.audio));
        tracing::info!(
            "stats frames={} late={} video_packets={} video_bytes={} audio_packets={} repairs={} \
             lost_fraction={:.3} rtt_ms={} target_bps={} queue_full={} overruns={} {} {encoding}",
            feed.control.count(FeedCount::Frames),
            feed.control.count(FeedCount::EncoderBusy),
            video.packets,
            video.bytes,
            audio.packets,
            video.repairs,
            f64::from(video.fraction_lost) / 256.0,
            stats.rtt.map_or_else(
                || "-".into(),
                |rtt| format!("{:.1}", rtt.as_secs_f64() * 1e3)
            ),
            rate.bitrate_bps(),
            stats.lost.frames_queue_full,
            feed.control.count(FeedCount::SoundOverruns),
            feed.control.sound(),
        );
    }
}

/// When the server was heard of last.
#[derive(Clone, Debug)]
struct Heard(watch::Sender<Instant>);

impl Heard {
    fn now(&self) {
        self.0.send_replace(Instant::now());
    }

    fn silence(&self) -> Duration {
        self.0.borrow().elapsed()
    }
}

/// Asks the server, when it has gone silent, whether the session stands.
/// Returns why it does not.
async fn watch_over(whip: &Whip, heard: &Heard) -> SessionError {
    let mut ticks = interval(SILENCE / 4);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = false;
    loop {
        ticks.tick().await;
        if heard.silence() < SILENCE {
            told = false;
            continue;
        }
        match whip.check().await {
            Ok(()) => {
                told = false;
                tokio::time::sleep(ASK_EVERY).await;
            }
            Err(ClientError::NotFound { .. }) => return SessionError::Forgotten,
            Err(error) if error.retry() == Retry::Slowly => return error.into(),
            // It may be starting again; ICE decides how long we wait.
            Err(error) if !told => {
                tracing::warn!("silent: {error}; asking until it answers");
                told = true;
            }
            Err(error) => tracing::debug!(%error, "the server does not answer"),
        }
    }
}

/// A goodbye does not say why. That another publisher has the stream decides
/// how soon we may knock again, so the server is asked.
async fn explain(whip: &Whip, error: SessionError) -> SessionError {
    if !matches!(error, SessionError::Peer(_)) {
        return error;
    }
    match tokio::time::timeout(GOODBYE, whip.check()).await {
        Ok(Err(told @ ClientError::TakenOver)) => told.into(),
        _ => error,
    }
}

fn driver_end(ended: Result<std::io::Result<CloseReason>, tokio::task::JoinError>) -> SessionError {
    match ended {
        Ok(Ok(reason)) => SessionError::Peer(reason),
        Ok(Err(error)) => SessionError::Socket(error),
        Err(_) => SessionError::Peer(CloseReason::Srtp),
    }
}

/// What of the session's address may be shown: whoever knows all of it can end
/// the session.
fn tag(whip: &Whip) -> String {
    let target = whip.url().target();
    let last = target.rsplit('/').next().unwrap_or_default();
    last.chars().take(8).collect()
}
