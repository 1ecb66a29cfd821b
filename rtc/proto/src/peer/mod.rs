//! A WebRTC peer as one value.
//!
//! This file demultiplexes (RFC 7983), drains its parts and translates between
//! them, nothing else; every part owns its timers:
//!
//! - [`IceAgent`] finds a path and keeps consent,
//! - `secure` is the DTLS handshake seen from here, and the SRTP layer,
//! - `receive` and `send` are the tracks,
//! - `channels` are the data channels, over SCTP in DTLS.
//!
//! # Use
//!
//! Feed datagrams ([`Peer::handle_datagram`]), what the DTLS neighbour says
//! ([`Peer::handle_dtls`]) and the passing of time ([`Peer::handle_timeout`]).
//! After each, drain [`Peer::poll_transmit`], [`Peer::poll_dtls`] and
//! [`Peer::poll_event`], and set one timer to [`Peer::poll_timeout`].

mod channels;
mod config;
mod event;
mod keys;
mod pacer;
mod payload;
mod prefetch;
mod receive;
mod report;
mod secure;
mod send;
mod timer;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

pub use config::{DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MTU, PeerConfig, SendMode};
pub use event::{CloseReason, DropReason, Event, Received, RtpInfo, TrackId};
pub use prefetch::PrefetchStep;
pub use receive::ReceiveTrackStats;
pub use send::{ClockReference, Forwarder, Frame, Outgoing, SendError, SendTrackStats};
pub use timer::Timer;

use crate::channel::Channels;
use crate::ice::{IceAgent, IceConfig, IceEvent, IceStats, IceTimers, Path};
use crate::id::Ssrc;
use crate::port::{DtlsAction, DtlsEvent, MAX_SRTP_OVERHEAD, SrtpProfile};
use crate::rtcp::{Packet, Packets, ReportBlock};
use crate::rtp::{PacketKind, classify, validate_header};
use crate::time::Instant;
use receive::ReceiveSide;
use secure::{Outcome, Secure};
use send::SendSide;
use timer::TimerTable;

/// Events that may wait; past them the oldest gives way. An owner polls after
/// each input, so that this is never reached.
const MAX_EVENTS: usize = 128;

/// Transport feedback digested of one datagram. Each may tell of a thousand
/// packets in a few bytes; who is honest sends one or two together.
const MAX_TRANSPORT_FEEDBACK: usize = 4;

/// One or several datagrams for one path, appended to the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Which way they go.
    pub path: Path,
    /// Bytes appended.
    pub len: usize,
    /// Size of each datagram but the last, where there are several.
    pub segment_size: Option<usize>,
}

/// One end of a WebRTC session.
pub struct Peer {
    ice: IceAgent,
    secure: Secure,
    receive: ReceiveSide,
    send: SendSide,
    channels: Option<Box<Channels>>,
    channels_held: bool,
    timers: TimerTable,
    events: VecDeque<Event>,
    handshake_timeout: Duration,
    /// Both ends take RTCP of reduced size, on every track.
    rtcp_rsize: bool,
    closed: Option<CloseReason>,
    /// A plain RTCP compound under construction.
    rtcp: Vec<u8>,
}

impl Peer {
    /// A peer that begins now. The seed makes everything random about it and
    /// is used for nothing else.
    pub fn new(now: Instant, config: PeerConfig, seed: [u8; 32]) -> Self {
        let session = &config.session;
        let mut ice = IceAgent::new(now, ice_config(&config), seed);
        for candidate in &config.local_candidates {
            // What a bound or a family excludes is excluded; the rest is tried.
            let _ = ice.add_local_candidate(now, *candidate);
        }
        for candidate in &session.remote_candidates {
            let _ = ice.add_remote_candidate(now, *candidate);
        }
        let send = SendSide::new(session, config.send_mode, config.mtu, &seed);
        let receive = ReceiveSide::new(session, send.rtcp_ssrc());
        let rtcp_rsize = session.tracks.iter().all(|t| t.rtcp_rsize);
        let channels = channels::channels(&config, seed);
        let mut peer = Self {
            channels,
            channels_held: false,
            secure: Secure::new(session, config.srtp),
            ice,
            receive,
            send,
            timers: TimerTable::default(),
            events: VecDeque::new(),
            handshake_timeout: config.handshake_timeout,
            rtcp_rsize,
            closed: None,
            rtcp: Vec::new(),
        };
        peer.after_ice(now);
        peer
    }

    // --- What the owner asks ---

    /// The path that datagrams take, once there is one.
    pub fn path(&self) -> Option<Path> {
        self.ice.selected()
    }

    /// Whether `path` was validated by a connectivity check.
    pub fn is_validated(&self, path: &Path) -> bool {
        self.ice.is_validated(path)
    }

    /// Whether media can flow.
    pub fn is_connected(&self) -> bool {
        self.closed.is_none() && self.secure.is_connected()
    }

    /// Why the peer ended, if it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.closed
    }

    /// The negotiated SRTP profile.
    pub fn srtp_profile(&self) -> Option<SrtpProfile> {
        self.secure.profile()
    }

    /// Round-trip time: from reports where there are any, else from checks.
    pub fn rtt(&self) -> Option<Duration> {
        self.send.rtt().or_else(|| self.ice.rtt())
    }

    /// Counters of connectivity checks.
    pub fn ice_stats(&self) -> IceStats {
        self.ice.stats()
    }

    /// How a track that we receive fares.
    pub fn receive_stats(&self, track: TrackId) -> Option<ReceiveTrackStats> {
        self.receive.stats(track)
    }

    /// How a track that we send fares.
    pub fn send_stats(&self, track: TrackId) -> Option<SendTrackStats> {
        self.send.stats(track)
    }

    // --- What happens to the peer ---

    /// Takes a datagram that came by `path`. Media is opened in place.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &mut [u8]) -> Received {
        if self.closed.is_some() {
            return Received::Dropped(DropReason::Closed);
        }
        let result = match classify(datagram) {
            PacketKind::Stun => self.on_stun(now, path, datagram),
            PacketKind::Dtls => self.on_dtls_datagram(now, path, datagram),
            PacketKind::Rtp => self.on_rtp(now, path, datagram),
            PacketKind::Rtcp => self.on_rtcp(now, path, datagram),
            PacketKind::Unknown => Err(DropReason::Unknown),
        };
        result.unwrap_or_else(Received::Dropped)
    }

    /// Takes what the DTLS neighbour says.
    pub fn handle_dtls(&mut self, now: Instant, event: DtlsEvent) {
        match self.secure.on_event(event) {
            Outcome::Nothing => {}
            Outcome::Connected => self.on_connected(now),
            Outcome::Data(data) => {
                if let Some(channels) = &mut self.channels {
                    channels.handle_packet(now, &data);
                }
            }
            Outcome::Closed(reason) => self.end(now, reason),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        if self.timers.take_due(Timer::Handshake, now) && self.secure.is_handshaking() {
            return self.end(now, CloseReason::HandshakeTimeout);
        }
        if self.timers.take_due(Timer::Ice, now) {
            self.ice.handle_timeout(now);
            self.after_ice(now);
        }
        if self.timers.take_due(Timer::Report, now) {
            self.send.want_report();
            self.receive.want_report();
        }
        if self.timers.take_due(Timer::Nack, now) {
            self.receive.want_nack();
        }
        // These are asked when the peer is drained.
        for timer in [Timer::TransportFeedback, Timer::KeyFrame, Timer::Pacer] {
            self.timers.take_due(timer, now);
        }
        if let Some(channels) = &mut self.channels {
            channels.handle_timeout(now);
        }
    }

    /// Ends the peer: says goodbye to the other end; poll for the farewell.
    pub fn close(&mut self, now: Instant) {
        self.end(now, CloseReason::Local);
    }

    // --- What the owner wants ---

    /// Queues a frame of a track that we packetize.
    pub fn send_frame(
        &mut self,
        now: Instant,
        track: TrackId,
        frame: &Frame<'_>,
    ) -> Result<(), SendError> {
        if !self.is_connected() {
            return Err(SendError::NotConnected);
        }
        self.send.push_frame(now, track, frame)?;
        self.arm_report(now);
        Ok(())
    }

    /// Asks for the memory of this peer that [`Peer::forwarder`] and sealing will
    /// read. Where many peers are served one after the other, each begins with
    /// misses of the cache that wait for one another. Call this some peers
    /// ahead, a step at a time and some peers apart, and none is waited for.
    pub fn prefetch(&self, step: PrefetchStep) {
        match step {
            PrefetchStep::Peer => {
                self.send.prefetch();
                self.secure.prefetch();
            }
            PrefetchStep::Srtp => self.secure.prefetch_srtp(None),
            PrefetchStep::Track(track) => self.send.prefetch_track(track),
            PrefetchStep::Keys(track) => {
                if let Some(ssrc) = self.send.ssrc_of(track) {
                    self.secure.prefetch_srtp(Some(ssrc));
                }
            }
        }
    }

    /// Seals ready packets of `track`, as many as there are.
    ///
    /// # Errors
    /// Where there are no keys yet, or no such track.
    pub fn forwarder(&mut self, now: Instant, track: TrackId) -> Result<Forwarder<'_>, SendError> {
        let srtp = self.secure.srtp().ok_or(SendError::NotConnected)?;
        self.send
            .forwarder(now, track, srtp.as_mut(), &mut self.timers)
    }

    /// Seals one ready packet and appends it to `buf`, as [`Forwarder::forward`] does.
    ///
    /// # Errors
    /// Those of [`Peer::forwarder`] and of [`Forwarder::forward`].
    pub fn forward(
        &mut self,
        now: Instant,
        track: TrackId,
        packet: &Outgoing<'_>,
        buf: &mut Vec<u8>,
    ) -> Result<usize, SendError> {
        self.forwarder(now, track)?.forward(packet, buf)
    }

    /// Seals a repair of a forwarded packet in the retransmission stream
    /// (RFC 4588) and appends it to `buf`; returns its length.
    pub fn forward_repair(
        &mut self,
        track: TrackId,
        packet: &Outgoing<'_>,
        buf: &mut Vec<u8>,
    ) -> Result<usize, SendError> {
        let srtp = self.secure.srtp().ok_or(SendError::NotConnected)?;
        self.send.forward_repair(track, packet, srtp.as_mut(), buf)
    }

    /// Ties the media time of a forwarded track to its publisher's wall clock,
    /// for the sender reports.
    pub fn set_clock(&mut self, track: TrackId, clock: ClockReference) {
        self.send.set_clock(track, clock);
    }

    /// Asks the sender of `track` for a key frame, repeatedly until one comes.
    /// Requests in quick succession are one.
    pub fn request_key_frame(&mut self, now: Instant, track: TrackId) {
        if self.receive.request_key_frame(now, track) {
            self.timers
                .set(Timer::KeyFrame, self.receive.next_key_frame_request());
        }
    }

    // --- What the owner polls ---

    /// Appends the next datagrams to `buf`: one, or up to `max_segments` of
    /// equal size for the same path. Call until `None`.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        max_segments: usize,
    ) -> Option<Transmit> {
        if let Some(sent) = self.ice.poll_transmit(now, buf) {
            self.timers.set(Timer::Ice, self.ice.poll_timeout());
            return Some(Transmit {
                path: sent.path,
                len: sent.len,
                segment_size: None,
            });
        }
        let path = self.ice.selected()?;
        if let Some(datagram) = self.secure.poll_datagram() {
            buf.extend_from_slice(&datagram);
            return Some(Transmit {
                path,
                len: datagram.len(),
                segment_size: None,
            });
        }
        if let Some(len) = self.poll_rtcp(now, buf) {
            return Some(Transmit {
                path,
                len,
                segment_size: None,
            });
        }
        if self.closed.is_some() {
            return None;
        }
        let overhead = self.secure.profile()?.rtp_overhead();
        let srtp = self.secure.srtp()?;
        let sent = self
            .send
            .poll_media(now, srtp.as_mut(), buf, max_segments, overhead);
        self.timers.set(Timer::Pacer, self.send.poll_timeout());
        let (len, segment_size) = sent?;
        Some(Transmit {
            path,
            len,
            segment_size,
        })
    }

    /// The next thing to tell the DTLS neighbour. Call until `None`.
    pub fn poll_dtls(&mut self, now: Instant) -> Option<DtlsAction> {
        let action = self.secure.poll_action();
        // What would find no room once it is sealed waits in its association.
        action.or_else(|| match self.secure.has_room() {
            true => self.poll_channel_packet(now),
            false => None,
        })
    }

    /// The next event. Call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        event.or_else(|| self.poll_channel_event())
    }

    /// When to call [`Peer::handle_timeout`], and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        if self.closed.is_some() {
            return None;
        }
        let channels = self.channels.as_ref().and_then(|c| c.poll_timeout());
        let channels = channels.map(|at| (at, Timer::Channels));
        let next = self.timers.next().into_iter().chain(channels);
        next.min_by_key(|(at, _)| *at)
    }

    // --- Inside ---

    fn on_stun(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
    ) -> Result<Received, DropReason> {
        let taken = self.ice.handle_stun(now, path, datagram);
        self.after_ice(now);
        taken
            .map(|()| Received::Handled)
            .map_err(|_| DropReason::Stun)
    }

    fn on_dtls_datagram(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
    ) -> Result<Received, DropReason> {
        if !self.ice.is_validated(&path) {
            return Err(DropReason::UnvalidatedPath);
        }
        // A lite agent learns of a pair from the peer's check, and the peer's
        // first flight may be right behind it.
        self.start_handshake(now);
        self.secure.on_datagram(datagram)?;
        Ok(Received::Handled)
    }

    fn on_rtp(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &mut [u8],
    ) -> Result<Received, DropReason> {
        let srtp = self.secure.srtp().ok_or(DropReason::NoKeys)?;
        if !self.ice.is_validated(&path) {
            return Err(DropReason::UnvalidatedPath);
        }
        let header = validate_header(datagram).map_err(|_| DropReason::Malformed)?;
        if !self.receive.expects(header.pt) {
            return Err(DropReason::UnknownPayloadType);
        }
        let len = srtp.unprotect_rtp(datagram)?;
        self.ice.note_authenticated(now, &path);
        let plain = datagram.get(..len).ok_or(DropReason::Malformed)?;
        let received = self.receive.on_rtp(now, plain)?;
        self.arm_receive_timers(now);
        Ok(received)
    }

    fn on_rtcp(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &mut [u8],
    ) -> Result<Received, DropReason> {
        let srtp = self.secure.srtp().ok_or(DropReason::NoKeys)?;
        if !self.ice.is_validated(&path) {
            return Err(DropReason::UnvalidatedPath);
        }
        let len = srtp.unprotect_rtcp(datagram)?;
        self.ice.note_authenticated(now, &path);
        let plain = datagram.get(..len).ok_or(DropReason::Malformed)?;
        let packets = Packets::parse(plain).map_err(|_| DropReason::Malformed)?;
        let mut gone = false;
        let mut digested = 0;
        for packet in packets {
            if matches!(packet, Packet::Twcc(_)) {
                digested += 1;
                if digested > MAX_TRANSPORT_FEEDBACK {
                    continue;
                }
            }
            gone |= self.on_rtcp_packet(now, &packet);
        }
        if gone {
            self.end(now, CloseReason::Remote);
        }
        Ok(Received::Handled)
    }

    /// Returns whether the peer has left altogether.
    fn on_rtcp_packet(&mut self, now: Instant, packet: &Packet<'_>) -> bool {
        match packet {
            Packet::SenderReport(report) => {
                if let Some(event) = self.receive.on_sender_report(now, &report.info) {
                    self.push(event);
                }
                self.on_report_blocks(now, report.blocks());
            }
            Packet::ReceiverReport(report) => self.on_report_blocks(now, report.blocks()),
            Packet::Bye(bye) => return self.receive.on_bye(bye.sources()),
            Packet::Nack(nack) => {
                if let Some(event) = self.send.on_nack(now, nack) {
                    self.push(event);
                }
            }
            Packet::Pli(pli) => self.on_key_frame_request(pli.media),
            Packet::Fir(fir) => {
                for entry in fir.entries() {
                    self.on_key_frame_request(entry.media);
                }
            }
            Packet::Twcc(feedback) => {
                if let Some(event) = self.send.on_transport_feedback(now, feedback) {
                    self.push(event);
                }
            }
            Packet::Sdes(_) | Packet::Remb(_) | Packet::Unknown { .. } => {}
        }
        false
    }

    fn on_report_blocks(&mut self, now: Instant, blocks: impl Iterator<Item = ReportBlock>) {
        for block in blocks {
            if let Some(event) = self.send.on_report_block(now, &block) {
                self.push(event);
            }
        }
    }

    fn on_key_frame_request(&mut self, media: Ssrc) {
        if let Some(track) = self.send.track_of(media) {
            let event = Event::KeyFrameRequested { track };
            if self.events.back() != Some(&event) {
                self.push(event);
            }
        }
    }

    fn on_connected(&mut self, now: Instant) {
        self.timers.set(Timer::Handshake, None);
        if let Some(srtp) = self.secure.srtp() {
            for ssrc in self.receive.announced() {
                srtp.admit(ssrc);
            }
        }
        self.push(Event::Connected);
        if let Some(channels) = &mut self.channels {
            channels.on_connected(now);
        }
        self.arm_report(now);
    }

    /// Carries over what the ICE agent found.
    fn after_ice(&mut self, now: Instant) {
        while let Some(event) = self.ice.poll_event() {
            match event {
                IceEvent::PairValidated(_) => self.start_handshake(now),
                IceEvent::Nominated(path) => {
                    self.start_handshake(now);
                    self.push(Event::PathSelected(path));
                }
                IceEvent::ConsentLost => self.end(now, CloseReason::ConsentLost),
                IceEvent::Failed => self.end(now, CloseReason::IceFailed),
            }
        }
        self.timers.set(Timer::Ice, self.ice.poll_timeout());
    }

    fn start_handshake(&mut self, now: Instant) {
        if self.secure.start() {
            self.timers
                .set(Timer::Handshake, Some(now + self.handshake_timeout));
        }
    }

    /// Reports are due only while there is something to report, so that an
    /// idle peer costs no wake-ups.
    fn arm_report(&mut self, now: Instant) {
        if let Some(after) = self.send.report_due_after() {
            self.timers.arm(Timer::Report, report::due(now, after));
        }
    }

    fn arm_receive_timers(&mut self, now: Instant) {
        let at = report::due(now, report::INTERVAL);
        self.timers.arm(Timer::Report, at);
        self.set_feedback_timers();
    }

    fn set_feedback_timers(&mut self) {
        self.timers.set(
            Timer::TransportFeedback,
            self.receive.next_transport_feedback(),
        );
        self.timers.set(Timer::Nack, self.receive.next_nack());
        self.timers
            .set(Timer::KeyFrame, self.receive.next_key_frame_request());
    }

    /// Appends one sealed RTCP compound, if there is anything to say.
    fn poll_rtcp(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        if !self.secure.has_keys() {
            return None;
        }
        let rtt = self.rtt();
        self.rtcp.clear();
        report::compose(
            now,
            rtt,
            self.rtcp_rsize,
            &mut self.send,
            &mut self.receive,
            &mut self.rtcp,
        );
        self.set_feedback_timers();
        let srtp = self.secure.srtp()?;
        if self.rtcp.is_empty() {
            return None;
        }
        let start = buf.len();
        let plain_len = self.rtcp.len();
        buf.extend_from_slice(&self.rtcp);
        buf.resize(start + plain_len + MAX_SRTP_OVERHEAD, 0);
        let sealed = srtp.protect_rtcp(buf.get_mut(start..)?, plain_len);
        buf.truncate(start + sealed.as_ref().copied().unwrap_or(0));
        sealed.ok()
    }

    fn end(&mut self, now: Instant, reason: CloseReason) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(reason);
        if reason != CloseReason::Remote {
            self.send.say_goodbye();
        }
        self.end_channels(now);
        self.secure.close();
        self.push(Event::Closed(reason));
    }

    fn push(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("path", &self.path())
            .field("connected", &self.is_connected())
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

fn ice_config(config: &PeerConfig) -> IceConfig {
    let session = &config.session;
    IceConfig {
        role: config.ice_role,
        lite: config.ice_lite,
        local: session.local_ice.clone(),
        remote: session.remote_ice.clone(),
        remote_lite: session.remote_lite,
        timers: IceTimers::default(),
    }
}
