use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Sleep, sleep_until};
use transom_rtc_dtls::Dtls;
use transom_rtc_proto::channel::ChannelEvent;
use transom_rtc_proto::ice::Path;
use transom_rtc_proto::peer::{
    CloseReason, DropReason, Event, Frame, Peer, Received, SendError, TrackId,
};
use transom_rtc_proto::sdp::MediaKind;
use transom_rtc_proto::time::Instant;
use transom_rtc_udp::RecvBatch;

use super::handle::{Command, OutgoingMessage};
use super::outbox::Outbox;
use super::{Lost, MediaPacket, OutgoingFrame, PeerStats};
use crate::{Clock, Socket};

/// Messages that one receive takes.
const RECV_MESSAGES: usize = 16;

/// Receives in a row before the others have their turn.
const MAX_RECEIVES: usize = 8;

/// Commands in a row, likewise.
const MAX_COMMANDS_A_TURN: usize = 32;

/// Longest that the farewell (BYE, close_notify) is waited for.
const FAREWELL: Duration = Duration::from_millis(300);

/// How long to sleep when the peer waits for nothing.
const IDLE: Duration = Duration::from_secs(3600);

pub(super) struct Parts {
    pub(super) peer: Peer,
    /// Of the session's tracks, in order.
    pub(super) kinds: Vec<MediaKind>,
    pub(super) socket: Socket,
    pub(super) clock: Clock,
    pub(super) dtls: Dtls,
    pub(super) dtls_wake: Arc<Notify>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) channels: mpsc::Sender<ChannelEvent>,
    pub(super) media: mpsc::Sender<MediaPacket>,
}

/// Drives a peer: [`Self::run`] is the task.
pub struct Driver {
    parts: Parts,
    batch: RecvBatch,
    outbox: Outbox,
    dropped: HashMap<DropReason, u64>,
    lost: Lost,
    /// Set when the peer is over: until then the farewell may leave.
    farewell_until: Option<Instant>,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            parts,
            batch: RecvBatch::new(RECV_MESSAGES, RecvBatch::GRO_BUFFER),
            outbox: Outbox::default(),
            dropped: HashMap::new(),
            lost: Lost::default(),
            farewell_until: None,
        }
    }

    /// Drives the peer to its end and returns why it ended. Dropping the
    /// future ends it at once, without a farewell.
    ///
    /// # Errors
    /// Where the socket failed as a whole.
    pub async fn run(mut self) -> io::Result<CloseReason> {
        let timer = sleep_until(tokio::time::Instant::now());
        tokio::pin!(timer);
        loop {
            let now = self.parts.clock.now();
            // Asked before the events are taken, so that the last ones are.
            let finished = self.parts.dtls.is_finished();
            self.settle(now)?;
            if let Some(reason) = self.is_over(now, finished) {
                return Ok(reason);
            }
            // It said goodbye just now, of which nobody wakes us.
            if self.farewell_until.is_some() && !finished && self.parts.dtls.is_finished() {
                continue;
            }
            self.set(timer.as_mut(), now);
            let Parts {
                socket,
                dtls_wake,
                commands,
                channels,
                ..
            } = &mut self.parts;
            // Nobody tells us that the application has taken some, unless we wait for it.
            let crowded = channels.capacity() == 0 && !channels.is_closed();
            tokio::select! {
                ready = socket.readable() => {
                    ready?;
                    self.receive()?;
                }
                ready = socket.writable(), if self.outbox.is_waiting() => ready?,
                () = dtls_wake.notified() => {}
                () = &mut timer => {}
                () = has_room(channels), if crowded => {}
                command = commands.recv(), if self.farewell_until.is_none() => {
                    // All handles are gone: nobody wants the peer any more.
                    self.obey(command.unwrap_or(Command::Close));
                    self.obey_waiting();
                }
            }
        }
    }

    /// Lets everything follow from what has happened until now.
    fn settle(&mut self, now: Instant) -> io::Result<()> {
        let Parts { peer, dtls, .. } = &mut self.parts;
        dtls.exchange(now, peer);
        if peer.poll_timeout().is_some_and(|(at, _)| at <= now) {
            peer.handle_timeout(now);
        }
        // Sending and telling may make events and actions, for which nobody wakes us.
        loop {
            self.tell_all(now);
            let Parts {
                peer, dtls, socket, ..
            } = &mut self.parts;
            dtls.exchange(now, peer);
            self.outbox.pump(now, peer, socket)?;
            self.tell_all(now);
            let Parts { peer, dtls, .. } = &mut self.parts;
            if !dtls.exchange(now, peer) {
                return Ok(());
            }
        }
    }

    fn tell_all(&mut self, now: Instant) {
        loop {
            let Parts { peer, channels, .. } = &mut self.parts;
            peer.hold_channels(channels.capacity() == 0);
            match peer.poll_event() {
                Some(event) => self.tell(now, event),
                None => return,
            }
        }
    }

    fn tell(&mut self, now: Instant, event: Event) {
        if let Event::Channel(event) = event {
            // There is room, or nobody listens.
            let _ = self.parts.channels.try_send(event);
            return;
        }
        if let Event::Closed(reason) = event {
            tracing::debug!(%reason, "peer closed");
            self.farewell_until = Some(now + FAREWELL);
        }
        if let Err(TrySendError::Full(_)) = self.parts.events.try_send(event) {
            self.lost.events += 1;
        }
    }

    /// Why the peer ended, once its farewell has left or had its time.
    fn is_over(&self, now: Instant, finished: bool) -> Option<CloseReason> {
        let until = self.farewell_until?;
        let said = finished && !self.outbox.is_waiting();
        if said || now >= until {
            return self.parts.peer.close_reason();
        }
        None
    }

    fn set(&self, timer: std::pin::Pin<&mut Sleep>, now: Instant) {
        let next = match (self.farewell_until, self.parts.peer.poll_timeout()) {
            (Some(until), _) => until,
            (None, Some((at, _))) => at,
            (None, None) => now + IDLE,
        };
        let deadline = self.parts.clock.runtime(next);
        if timer.deadline() != deadline || timer.is_elapsed() {
            timer.reset(deadline);
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        for _ in 0..MAX_RECEIVES {
            match self.parts.socket.try_recv(&mut self.batch) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
            let now = self.parts.clock.now();
            for datagram in self.batch.datagrams() {
                let path = Path {
                    local: datagram.local,
                    remote: datagram.remote,
                };
                let peer = &mut self.parts.peer;
                match peer.handle_datagram(now, path, datagram.payload) {
                    Received::Handled => {}
                    Received::Dropped(reason) => *self.dropped.entry(reason).or_default() += 1,
                    Received::Rtp(info) => {
                        let payload = datagram.payload.get(info.payload.clone());
                        let packet = MediaPacket {
                            payload: payload.unwrap_or_default().to_vec(),
                            info,
                        };
                        if let Err(TrySendError::Full(_)) = self.parts.media.try_send(packet) {
                            self.lost.media += 1;
                        }
                    }
                }
            }
            // Answers leave, and the neighbour hears, before more is taken.
            self.settle(now)?;
        }
        Ok(())
    }

    fn obey_waiting(&mut self) {
        for _ in 0..MAX_COMMANDS_A_TURN {
            match self.parts.commands.try_recv() {
                Ok(command) => self.obey(command),
                Err(_) => return,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.parts.clock.now();
        match command {
            Command::Frame(frame) => self.send(now, &frame),
            Command::RequestKeyFrame(track) => self.parts.peer.request_key_frame(now, track),
            Command::OpenChannel(config, reply) => {
                let _ = reply.send(self.parts.peer.open_channel(now, config));
            }
            Command::Message(message) => self.send_message(message),
            Command::CloseChannel(channel) => self.parts.peer.close_channel(channel),
            Command::Stats(reply) => {
                // Who asked may have gone.
                let _ = reply.send(self.stats());
            }
            Command::Close => self.parts.peer.close(now),
        }
    }

    fn send(&mut self, now: Instant, outgoing: &OutgoingFrame) {
        let track = outgoing.track;
        let frame = Frame {
            data: &outgoing.data,
            timestamp: outgoing.timestamp,
            captured: self.parts.clock.at(outgoing.captured),
            wall: outgoing.wall,
        };
        match self.parts.peer.send_frame(now, track, &frame) {
            Ok(()) => {}
            Err(SendError::NotConnected) => self.lost.frames_early += 1,
            Err(SendError::QueueFull) => {
                self.lost.frames_queue_full += 1;
                // What comes next refers to what was left out.
                if self.parts.kinds.get(usize::from(track.0)) == Some(&MediaKind::Video) {
                    self.tell(now, Event::KeyFrameRequested { track });
                }
            }
            Err(error) => {
                tracing::debug!(?track, %error, "frame left out");
                self.lost.frames_unusable += 1;
            }
        }
    }

    fn send_message(&mut self, message: OutgoingMessage) {
        let OutgoingMessage {
            channel,
            kind,
            data,
            sent,
        } = message;
        let result = self.parts.peer.send_message(channel, kind, &data);
        match (sent, result) {
            (Some(sent), result) => {
                let _ = sent.send(result);
            }
            (None, Ok(())) => {}
            (None, Err(error)) => {
                tracing::trace!(%channel, %error, "message left out");
                self.lost.messages += 1;
            }
        }
    }

    fn stats(&self) -> PeerStats {
        let Parts {
            peer, dtls, socket, ..
        } = &self.parts;
        let tracks = || {
            (0..=u8::MAX)
                .zip(&self.parts.kinds)
                .map(|(i, _)| TrackId(i))
        };
        PeerStats {
            connected: peer.is_connected(),
            path: peer.path(),
            srtp_profile: peer.srtp_profile(),
            rtt: peer.rtt(),
            sent: tracks()
                .filter_map(|t| Some((t, peer.send_stats(t)?)))
                .collect(),
            received: tracks()
                .filter_map(|t| Some((t, peer.receive_stats(t)?)))
                .collect(),
            channels: peer.channel_stats(),
            ice: peer.ice_stats(),
            dtls: dtls.stats(),
            socket: socket.counters(),
            gso_in_use: socket.gso_in_use(),
            dropped: self.dropped.clone(),
            lost: self.lost,
        }
    }
}

/// Waits until the application has taken an event, or listens no more.
async fn has_room(channels: &mpsc::Sender<ChannelEvent>) {
    let _ = channels.reserve().await;
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("peer", &self.parts.peer)
            .finish_non_exhaustive()
    }
}
