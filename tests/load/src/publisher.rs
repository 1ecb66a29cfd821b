//! The one WHIP publisher, on a thread of its own so that it keeps its schedule.

mod history;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use transom_rtc_dtls::Certificate;
use transom_rtc_proto::ice::Path;
use transom_rtc_proto::id::{MediaTime, SeqNo};
use transom_rtc_proto::peer::{ClockReference, CloseReason, Event, Outgoing, SendError, TrackId};
use transom_rtc_proto::port::SrtpProfile;
use transom_rtc_proto::sdp::{MediaKind, Session};
use transom_rtc_proto::time::Instant;
use transom_rtc_srtp::GuardedSrtp;
use transom_rtc_udp::{RecvBatch, Transmit};

use crate::call::Link;
use crate::clock::{Clock, wall};
use crate::connection::{Connection, ConnectionConfig, send};
use crate::payload;
use crate::schedule::{PublisherKind, Schedule, Slot};
use history::History;

/// A key frame comes at least this often, asked for or not.
const KEY_FRAME_INTERVAL: Duration = Duration::from_secs(2);

/// Longest sleep: until then the socket is not looked at. Shorter while
/// connecting.
const NAP: Duration = Duration::from_millis(4);
const SHORT_NAP: Duration = Duration::from_millis(1);

/// A sleep may last this much too long; the rest of the wait is spent awake.
const SLACK: Duration = Duration::from_micros(80);

const VIDEO_RATE: u32 = 90_000;
/// Units of an Opus packet of 20 ms.
const AUDIO_STEP: u32 = 960;

/// What is to be published.
pub(crate) struct PublisherConfig {
    pub(crate) kind: PublisherKind,
    /// So many times the picture packets of that kind.
    pub(crate) times: usize,
    pub(crate) certificate: Certificate,
}

/// What a publisher has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PublisherFigures {
    /// RTP packets sent, repairs left out.
    pub(crate) packets: u64,
    pub(crate) key_frames: u64,
    /// PLI and FIR that came.
    pub(crate) key_frames_asked: u64,
    /// Packets asked for again, and sent again.
    pub(crate) nacked: u64,
    pub(crate) repaired: u64,
    /// The latest that a packet left after its time.
    pub(crate) latest: Duration,
}

/// A publisher at work. Ends when told, or by itself when the server ends it.
pub(crate) struct Publisher {
    wishes: Arc<Wishes>,
    thread: JoinHandle<io::Result<Ended>>,
}

/// What the thread is asked to do, and what it tells.
#[derive(Debug, Default)]
struct Wishes {
    stop: AtomicBool,
    /// Connected, but sending no media.
    silence: AtomicBool,
    /// Datagrams sent that are no media.
    sent: AtomicU64,
    /// PLI and FIR that came.
    asked: AtomicU64,
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) figures: PublisherFigures,
    /// Why, where nobody here asked for it.
    pub(crate) closed: Option<CloseReason>,
}

/// Says when media flows and how it is sealed, or why it never did.
pub(crate) type Connected = oneshot::Receiver<Result<SrtpProfile, CloseReason>>;

impl Publisher {
    /// Begins to connect.
    pub(crate) fn start(
        runtime: Handle,
        clock: Clock,
        link: Link,
        config: PublisherConfig,
    ) -> io::Result<(Self, Connected)> {
        let wishes = Arc::new(Wishes::default());
        let (tell, connected) = oneshot::channel();
        let told = Arc::clone(&wishes);
        let thread = thread::Builder::new().name("publisher".into());
        let thread = thread.spawn(move || {
            let schedule = Schedule::of(config.kind).times(config.times);
            Work::new(&runtime, clock, link, config, tell).run(&schedule, &told)
        })?;
        Ok((Self { wishes, thread }, connected))
    }

    /// Whether it has ended by itself.
    pub(crate) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stays connected and sends no more media.
    pub(crate) fn fall_silent(&self) {
        self.wishes.silence.store(true, Ordering::Relaxed);
    }

    /// Datagrams sent until now that were no media: checks, DTLS and reports.
    pub(crate) fn sent(&self) -> u64 {
        self.wishes.sent.load(Ordering::Relaxed)
    }

    /// Key frames asked for until now.
    pub(crate) fn asked(&self) -> u64 {
        self.wishes.asked.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub(crate) fn end(self) -> io::Result<Ended> {
        self.wishes.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("the publisher's thread panicked")))
    }
}

/// What the thread owns.
struct Work {
    clock: Clock,
    connection: Connection,
    /// Each packet in a call of its own.
    singly: bool,
    audio: Option<Outlet>,
    video: Option<Outlet>,
    tell: Option<oneshot::Sender<Result<SrtpProfile, CloseReason>>>,
    closed: Option<CloseReason>,
    key_frame_wanted: bool,
    key_frame_at: Option<Instant>,
    /// The frame that is being sent is a key frame.
    in_key_frame: bool,
    number: u32,
    history: History,
    figures: PublisherFigures,
    payload: Vec<u8>,
    buf: Vec<u8>,
    transmits: Vec<Transmit>,
}

/// A track, and where its numbers are.
#[derive(Clone, Copy)]
struct Outlet {
    track: TrackId,
    seq: SeqNo,
    timestamp: u32,
}

impl Work {
    fn new(
        runtime: &Handle,
        clock: Clock,
        link: Link,
        config: PublisherConfig,
        tell: oneshot::Sender<Result<SrtpProfile, CloseReason>>,
    ) -> Self {
        let [a, b, c, d, ..] = link.seed;
        // The lower half, so that no rollover hides in a loss at the beginning.
        let seq = SeqNo(u16::from_be_bytes([a & 0x3f, b]));
        let outlet = |session: &Session, kind| {
            let at = session.tracks.iter().position(|t| t.kind == kind)?;
            Some(Outlet {
                track: TrackId(u8::try_from(at).ok()?),
                seq,
                timestamp: u32::from_be_bytes([a, b, c, d]),
            })
        };
        let (audio, video) = (
            outlet(&link.session, MediaKind::Audio),
            outlet(&link.session, MediaKind::Video),
        );
        let connection_config = ConnectionConfig {
            certificate: config.certificate,
            profiles: vec![SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80],
            srtp: Arc::new(GuardedSrtp),
            // Looked at every millisecond until it is connected.
            wake: Arc::new(|| {}),
        };
        Self {
            connection: Connection::new(clock.now(), runtime, link, connection_config),
            clock,
            singly: config.kind != PublisherKind::Burst,
            audio,
            video,
            tell: Some(tell),
            closed: None,
            key_frame_wanted: true,
            key_frame_at: None,
            in_key_frame: false,
            number: 0,
            history: History::default(),
            figures: PublisherFigures::default(),
            payload: Vec::new(),
            buf: Vec::new(),
            transmits: Vec::new(),
        }
    }

    fn run(mut self, schedule: &Schedule, wishes: &Wishes) -> io::Result<Ended> {
        let mut walk = schedule.walk();
        let mut begun: Option<Instant> = None;
        let mut batch = RecvBatch::new(16, 2048);
        while self.closed.is_none() && !wishes.stop.load(Ordering::Relaxed) {
            let now = self.clock.now();
            self.receive(now, &mut batch)?;
            self.connection.settle(now)?;
            wishes.sent.store(self.connection.sent, Ordering::Relaxed);
            self.take_events(now);
            let asked = self.figures.key_frames_asked;
            wishes.asked.store(asked, Ordering::Relaxed);
            let path = self.connection.peer.path();
            let (true, Some(path)) = (self.connection.peer.is_connected(), path) else {
                thread::sleep(SHORT_NAP);
                continue;
            };
            if wishes.silence.load(Ordering::Relaxed) {
                thread::sleep(NAP);
                continue;
            }
            let begun = *begun.get_or_insert(now);
            let due = now.since(begun);
            while let Some(slot) = walk.take(due) {
                self.figures.latest = self.figures.latest.max(due.saturating_sub(slot.at));
                self.send_packet(begun, slot, path)?;
            }
            self.flush()?;
            self.sleep_until(begun + walk.next_at());
        }
        if self.closed.is_none() {
            self.connection.peer.close(self.clock.now());
            self.connection.settle(self.clock.now())?;
        }
        Ok(Ended {
            figures: self.figures,
            closed: self.closed,
        })
    }

    fn receive(&mut self, now: Instant, batch: &mut RecvBatch) -> io::Result<()> {
        loop {
            match self.connection.socket.recv(batch) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
            for datagram in batch.datagrams() {
                let path = Path {
                    local: datagram.local,
                    remote: datagram.remote,
                };
                let peer = &mut self.connection.peer;
                peer.handle_datagram(now, path, datagram.payload);
            }
            if !batch.is_full() {
                return Ok(());
            }
        }
    }

    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Connected => {
                    let profile = self.connection.peer.srtp_profile();
                    if let (Some(tell), Some(profile)) = (self.tell.take(), profile) {
                        let _ = tell.send(Ok(profile));
                    }
                }
                Event::Closed(reason) => {
                    if let Some(tell) = self.tell.take() {
                        let _ = tell.send(Err(reason));
                    }
                    self.closed = Some(reason);
                }
                Event::KeyFrameRequested { .. } => {
                    self.figures.key_frames_asked += 1;
                    self.key_frame_wanted = true;
                }
                Event::Nacked { track, seqs } => self.repair(now, track, &seqs),
                _ => {}
            }
        }
    }

    /// Sends again what the server misses.
    fn repair(&mut self, _now: Instant, track: TrackId, seqs: &[SeqNo]) {
        self.figures.nacked += seqs.len() as u64;
        let Some(path) = self.connection.peer.path() else {
            return;
        };
        for seq in seqs {
            let Some(packet) = self.history.get(track, *seq) else {
                continue;
            };
            let mut buf = Vec::new();
            let peer = &mut self.connection.peer;
            if peer.forward_repair(track, &packet, &mut buf).is_ok()
                && send(&self.connection.socket, path, &buf, None).is_ok()
            {
                self.figures.repaired += 1;
            }
        }
    }

    /// Seals a packet, and sends it unless others may leave with it.
    fn send_packet(&mut self, begun: Instant, slot: Slot, path: Path) -> io::Result<()> {
        let now = self.clock.now();
        let outlet = match slot.kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        };
        let Some(outlet) = outlet else {
            return Ok(()); // the server does not take this kind
        };
        let captured = begun + slot.captured;
        let timestamp = match slot.kind {
            MediaKind::Audio => {
                outlet.timestamp = outlet.timestamp.wrapping_add(AUDIO_STEP);
                outlet.timestamp
            }
            MediaKind::Video => outlet.timestamp.wrapping_add(video_units(slot.captured)),
        };
        let timestamp = MediaTime(timestamp);
        let seq = outlet.seq;
        outlet.seq = seq.add(1);
        let track = outlet.track;
        if slot.index == 0 {
            let clock = ClockReference {
                at: captured,
                ntp: wall().to_ntp(),
                timestamp,
            };
            self.connection.peer.set_clock(track, clock);
            if slot.kind == MediaKind::Video {
                self.begin_frame(now);
            }
        }
        let spec = payload::Spec {
            kind: slot.kind,
            len: slot.len,
            index: slot.index,
            of: slot.of,
            key: self.in_key_frame,
        };
        payload::write(&mut self.payload, spec, self.number, now);
        self.number = self.number.wrapping_add(1);
        let packet = Outgoing {
            seq,
            timestamp,
            marker: slot.marker(),
            payload: &self.payload,
            padding: 0,
        };
        let start = self.buf.len();
        let peer = &mut self.connection.peer;
        match peer.forward(now, track, &packet, &mut self.buf) {
            Ok(_) => {}
            Err(SendError::NotConnected) => return Ok(()), // the server has just ended it
            Err(error) => return Err(io::Error::other(error)),
        }
        self.history.push(track, &packet);
        self.figures.packets += 1;
        self.commit(path, start);
        if self.singly {
            self.flush()?;
        }
        Ok(())
    }

    fn begin_frame(&mut self, now: Instant) {
        let old = |at| now.since(at) >= KEY_FRAME_INTERVAL;
        self.in_key_frame =
            mem::take(&mut self.key_frame_wanted) || self.key_frame_at.is_none_or(old);
        if self.in_key_frame {
            self.key_frame_at = Some(now);
            self.figures.key_frames += 1;
        }
    }

    /// What was appended from `start` on is one datagram. Equal ones leave together.
    fn commit(&mut self, path: Path, start: usize) {
        let end = self.buf.len();
        if let Some(last) = self.transmits.last_mut() {
            let size = last.segment_size.unwrap_or(last.range.len());
            if size == end - start {
                last.segment_size = Some(size);
                last.range.end = end;
                return;
            }
        }
        self.transmits.push(Transmit {
            local: path.local,
            remote: path.remote,
            range: start..end,
            segment_size: None,
        });
    }

    /// Sends what is sealed. What a full socket does not take is lost.
    fn flush(&mut self) -> io::Result<()> {
        if self.transmits.is_empty() {
            return Ok(());
        }
        let sent = self
            .connection
            .socket
            .send_batch(&mut self.transmits, &self.buf);
        self.transmits.clear();
        self.buf.clear();
        match sent {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(e),
            _ => Ok(()),
        }
    }

    fn sleep_until(&self, packet: Instant) {
        let now = self.clock.now();
        let timeout = self.connection.next_timeout();
        let wake = timeout.unwrap_or(packet).min(packet).min(now + NAP);
        let wait = wake.since(now);
        if wait > SLACK {
            thread::sleep(wait - SLACK);
        }
        if wake == packet {
            while self.clock.now() < packet {
                std::hint::spin_loop();
            }
        }
    }
}

fn video_units(captured: Duration) -> u32 {
    let units = captured.as_micros() * u128::from(VIDEO_RATE) / 1_000_000;
    #[allow(clippy::cast_possible_truncation)] // the clock wraps
    let units = units as u32;
    units
}
