use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sctp_proto::{
    Association as Proto, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig,
    Event, Payload, PayloadProtocolIdentifier, ReliabilityType, ServerConfig, StreamEvent,
    TransportConfig,
};
use transom_rtc_proto::port::{
    Delivery, Ppid, Reliability, Sctp, SctpConfig, SctpError, SctpEvent, SctpFailure, SctpStats,
    StreamId,
};
use transom_rtc_proto::time::Instant;

use crate::clock::Clock;
use crate::guard::{Guard, Refusal};
use crate::packet::{Header, Writer, chunk, push_param};

/// How long the DTLS server waits for the other end's INIT before it sends one:
/// most begin at once, and two that begin need more packets.
const PATIENCE: Duration = Duration::from_millis(200);
/// After this the DTLS client gives way to an INIT of the other end, which
/// then does not answer ours.
const STUBBORN: Duration = Duration::from_secs(1);

/// Retransmission timeouts: RFC 9260 section 16 has 1 s at first and at least,
/// for networks of another age and no lease on a robot.
const RTO_INITIAL_MS: u64 = 400;
const RTO_MIN_MS: u64 = 100;
const RTO_MAX_MS: u64 = 2000;
/// INITs without an answer before we give up: half a minute.
const MAX_INIT_RETRANSMITS: usize = 16;

/// What sctp-proto reckons less than it writes: it counts neither the header of
/// the chunk that it adds to a packet nor padding, three bytes for 17 at worst.
const fn max_payload(max_packet: usize) -> u32 {
    const HEADERS: usize = 12 + 16;
    #[allow(clippy::cast_possible_truncation)] // a packet's length
    let payload = (max_packet.saturating_sub(16) * 17 / 20).saturating_sub(HEADERS) as u32;
    if payload < 64 { 64 } else { payload }
}

/// One association, behind its guard. Whatever panics below ends it.
pub(crate) struct Association {
    config: SctpConfig,
    clock: Clock,
    guard: Guard,
    state: State,
    began: Instant,
    /// When we begin, where we wait for the other end.
    begin_at: Option<Instant>,
    /// Streams that may have messages.
    readable: VecDeque<StreamId>,
    events: VecDeque<SctpEvent>,
    outgoing: VecDeque<Bytes>,
    stats: SctpStats,
}

enum State {
    /// For the other end's INIT, or for ours to be due.
    Idle(Box<Endpoint>),
    Live(Box<Live>),
    Over,
}

struct Live {
    endpoint: Endpoint,
    handle: AssociationHandle,
    association: Proto,
    /// We sent the INIT.
    ours: bool,
    connected: bool,
}

impl Association {
    pub(crate) fn new(now: Instant, config: SctpConfig) -> Self {
        let mut association = Self {
            config,
            clock: Clock::new(now),
            guard: Guard::new(&config),
            state: State::Over,
            began: now,
            begin_at: Some(if config.initiate { now } else { now + PATIENCE }),
            readable: VecDeque::new(),
            events: VecDeque::new(),
            outgoing: VecDeque::new(),
            stats: SctpStats::default(),
        };
        association.idle();
        if config.initiate {
            association.begin(now);
        }
        association
    }

    /// Forgets what was begun: ready for the other end's INIT.
    fn idle(&mut self) {
        self.guard = Guard::new(&self.config);
        self.state = State::Idle(Box::new(endpoint(&self.config)));
    }

    /// Sends our INIT.
    fn begin(&mut self, now: Instant) {
        self.begin_at = None;
        self.began = now;
        // It asks the clock of the machine when it begins: that is to be now.
        self.clock = Clock::new(now);
        let State::Idle(mut endpoint) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        let mut config = ClientConfig::new();
        config.transport = transport(&self.config);
        let begun = contained(move || {
            let (handle, association) = endpoint.connect(config, anybody()).ok()?;
            Some(Live {
                endpoint: *endpoint,
                handle,
                association,
                ours: true,
                connected: false,
            })
        });
        match begun {
            Ok(Some(live)) => self.state = State::Live(Box::new(live)),
            Ok(None) => self.end(SctpFailure::Hostile), // a port of zero
            Err(Panicked) => self.on_panic(),
        }
    }

    /// Hands a packet of the guard's to sctp-proto.
    fn feed(&mut self, now: Instant, packet: Bytes) {
        let at = self.clock.theirs(now);
        match &mut self.state {
            State::Live(live) => {
                let fed = contained(|| {
                    let taken = live.endpoint.handle(at, anybody(), None, None, packet);
                    if let Some((handle, DatagramEvent::AssociationEvent(event))) = taken
                        && handle == live.handle
                    {
                        live.association.handle_event(event);
                    }
                });
                if fed.is_err() {
                    self.on_panic();
                }
            }
            State::Idle(endpoint) => {
                let taken = contained(|| endpoint.handle(at, anybody(), None, None, packet));
                match taken {
                    Ok(Some((handle, DatagramEvent::NewAssociation(association)))) => {
                        self.accept(handle, association);
                    }
                    Ok(_) => self.stats.packets_refused += 1,
                    Err(Panicked) => self.on_panic(),
                }
            }
            State::Over => {}
        }
    }

    /// The other end has begun.
    fn accept(&mut self, handle: AssociationHandle, association: Proto) {
        self.begin_at = None;
        if let State::Idle(mut endpoint) = std::mem::replace(&mut self.state, State::Over) {
            // One association a peer.
            endpoint.reject_new_associations();
            self.state = State::Live(Box::new(Live {
                endpoint: *endpoint,
                handle,
                association,
                ours: false,
                connected: false,
            }));
        }
    }

    /// Whether an INIT of the other end's is to be heard though we sent one
    /// (RFC 9260 section 5.2.1 has both answer both; one is enough). The DTLS
    /// server gives way at once, the client once it waited in vain.
    fn gives_way(&self, now: Instant) -> bool {
        match &self.state {
            State::Live(live) if live.ours => {
                !live.connected
                    && self.guard.peer_tag().is_none()
                    && (!self.config.initiate || now.since(self.began) >= STUBBORN)
            }
            _ => false,
        }
    }

    fn call<T>(&mut self, f: impl FnOnce(&mut Proto) -> T) -> Option<T> {
        let State::Live(live) = &mut self.state else {
            return None;
        };
        match contained(|| f(&mut live.association)) {
            Ok(value) => Some(value),
            Err(Panicked) => {
                self.on_panic();
                None
            }
        }
    }

    fn is_connected(&self) -> bool {
        matches!(&self.state, State::Live(live) if live.connected)
    }

    fn on_panic(&mut self) {
        self.stats.panics += 1;
        self.end(SctpFailure::Panicked);
    }

    /// Ends the association, with a word to the other end where that does not
    /// know it yet.
    fn end(&mut self, failure: SctpFailure) {
        if matches!(self.state, State::Over) && self.events.back().is_some_and(is_end) {
            return;
        }
        if let State::Live(live) = std::mem::replace(&mut self.state, State::Over) {
            // What a panic left behind may panic again.
            let _ = contained(move || drop(live));
        }
        if !matches!(failure, SctpFailure::Remote | SctpFailure::NoAnswer) {
            self.outgoing.clear();
            self.outgoing.extend(self.abort_packet(failure));
        }
        self.begin_at = None;
        self.readable.clear();
        self.events.push_back(SctpEvent::Closed(failure));
    }

    /// ABORT (RFC 9260 section 3.3.7) with its cause.
    fn abort_packet(&self, failure: SctpFailure) -> Option<Bytes> {
        const USER_INITIATED: u16 = 12;
        const PROTOCOL_VIOLATION: u16 = 13;
        let cause = match failure {
            SctpFailure::Local => USER_INITIATED,
            _ => PROTOCOL_VIOLATION,
        };
        let mut value = Vec::new();
        push_param(&mut value, cause, &[]);
        let mut writer = Writer::new(Header {
            source: self.config.local_port,
            destination: self.config.remote_port,
            tag: self.guard.peer_tag()?,
        });
        writer.chunk(chunk::ABORT, 0, &value);
        Some(writer.finish())
    }

    /// Takes from sctp-proto what is ready to leave.
    fn gather(&mut self, now: Instant) {
        let at = self.clock.theirs(now);
        let gathered = self.call(|a| {
            while a.poll_endpoint_event().is_some() {}
            a.poll_transmit(at)
        });
        if let Some(Some(transmit)) = gathered
            && let Payload::RawEncode(packets) = transmit.payload
        {
            for packet in &packets {
                self.guard.on_sent(packet, self.config.receive_buffer);
            }
            self.outgoing.extend(packets);
        }
    }

    /// The next message of a stream that may have some. Data may overtake the
    /// COOKIE ACK; it waits until we can answer.
    fn read(&mut self) -> Option<SctpEvent> {
        if !self.is_connected() {
            return None;
        }
        while let Some(stream) = self.readable.front().copied() {
            let message = self.call(|a| {
                let chunks = a.stream(stream.0).ok()?.read_sctp().ok()??;
                let mut data = vec![0; chunks.len()];
                chunks.read(&mut data).ok()?;
                Some((ppid(chunks.ppi), data, chunks.chunks.len()))
            });
            match message {
                Some(Some((ppid, data, chunks))) => {
                    self.guard.delivered(chunks);
                    return Some(SctpEvent::Message { stream, ppid, data });
                }
                Some(None) => {
                    self.readable.pop_front();
                }
                None => return None,
            }
        }
        None
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Connected => {
                if let State::Live(live) = &mut self.state {
                    live.connected = true;
                }
                self.events.push_back(SctpEvent::Connected);
            }
            Event::HandshakeFailed { .. } => self.end(SctpFailure::NoAnswer),
            Event::AssociationLost { .. } if self.guard.too_large => {
                self.end(SctpFailure::MessageTooLarge);
            }
            Event::AssociationLost { .. } => self.end(SctpFailure::Hostile),
            Event::Stream(event) => self.on_stream_event(event),
            _ => {}
        }
    }

    fn on_stream_event(&mut self, event: &StreamEvent) {
        match *event {
            StreamEvent::Opened { id } | StreamEvent::Readable { id } => {
                let stream = StreamId(id);
                if !self.readable.contains(&stream) {
                    self.readable.push_back(stream);
                }
            }
            StreamEvent::Finished { id } => {
                self.guard.forget(StreamId(id));
                self.events.push_back(SctpEvent::Reset(StreamId(id)));
            }
            StreamEvent::ResetComplete { id } => {
                self.guard.reset_over();
                let done = SctpEvent::ResetComplete(StreamId(id));
                self.events.push_back(done);
            }
            // The number stays unusable.
            StreamEvent::ResetFailed { id, .. } => {
                self.guard.reset_over();
                self.events.push_back(SctpEvent::Reset(StreamId(id)));
            }
            StreamEvent::BufferedAmountLow { id } => {
                self.events.push_back(SctpEvent::BufferedLow(StreamId(id)));
            }
            _ => {}
        }
    }
}

impl Sctp for Association {
    fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        self.stats.packets_received += 1;
        if matches!(self.state, State::Over) {
            return;
        }
        if is_init(packet) && self.gives_way(now) {
            self.idle();
        }
        // An INIT that crosses ours is for the other end to give way to.
        let deaf = matches!(&self.state, State::Live(live) if live.ours) && is_init(packet);
        let connected = self.is_connected();
        let admitted = match self.guard.admit(packet, connected || deaf) {
            Ok(admitted) => admitted,
            Err(Refusal::Packet) => {
                self.stats.packets_refused += 1;
                return;
            }
            Err(Refusal::Hostile) => {
                self.stats.packets_refused += 1;
                return self.end(SctpFailure::Hostile);
            }
        };
        self.stats.chunks_ignored += admitted.ignored;
        for packet in admitted.packets {
            self.feed(now, packet);
        }
        if admitted.goodbye {
            self.gather(now); // SHUTDOWN ACK
            self.end(SctpFailure::Remote);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.begin_at.is_some_and(|at| at <= now) {
            return self.begin(now);
        }
        let at = self.clock.theirs(now);
        self.call(|a| a.handle_timeout(at));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let next = match &self.state {
            // Reads a table of times.
            State::Live(live) => live.association.poll_timeout(),
            State::Idle(_) | State::Over => None,
        };
        let next = next.map(|at| self.clock.ours(at));
        self.begin_at.into_iter().chain(next).min()
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.outgoing.is_empty() {
            self.gather(now);
        }
        let packet = self.outgoing.pop_front()?;
        self.stats.packets_sent += 1;
        Some(packet.to_vec())
    }

    fn poll_event(&mut self) -> Option<SctpEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if let Some(message) = self.read() {
                return Some(message);
            }
            let event = self.call(|a| {
                // Its queue of streams nobody asks for by this way.
                while a.accept_stream().is_some() {}
                a.poll()
            });
            match event {
                Some(Some(event)) => self.on_event(&event),
                // Nothing, or an end that is told next time.
                Some(None) | None if self.events.is_empty() => return None,
                Some(None) | None => {}
            }
        }
    }

    fn configure(
        &mut self,
        stream: StreamId,
        delivery: Delivery,
        low: usize,
    ) -> Result<(), SctpError> {
        if !self.is_connected() {
            return Err(SctpError::NotConnected);
        }
        let known = self.guard.has(stream);
        if !self.guard.add(stream) {
            return Err(SctpError::TooManyStreams);
        }
        let (kind, value) = match delivery.reliability {
            Reliability::Reliable => (ReliabilityType::Reliable, 0),
            Reliability::MaxRetransmits(n) => (ReliabilityType::Rexmit, n.into()),
            Reliability::MaxLifetime(d) => (
                ReliabilityType::Timed,
                u32::try_from(d.as_millis()).unwrap_or(u32::MAX),
            ),
        };
        let configured = self.call(|a| {
            let mut stream = match a.stream(stream.0) {
                Ok(stream) => stream,
                Err(_) => a.open_stream(stream.0, PayloadProtocolIdentifier::Binary)?,
            };
            stream.set_reliability_params(!delivery.ordered, kind, value)?;
            stream.set_buffered_amount_low_threshold(low)
        });
        if !known && !matches!(configured, Some(Ok(()))) {
            self.guard.forget(stream);
        }
        configured
            .ok_or(SctpError::NotConnected)?
            .map_err(|_| SctpError::NoStream)
    }

    fn send(&mut self, stream: StreamId, ppid: Ppid, data: &[u8]) -> Result<(), SctpError> {
        if !self.is_connected() {
            return Err(SctpError::NotConnected);
        }
        let kind = PayloadProtocolIdentifier::from(ppid.0);
        let sent = self.call(|a| a.stream(stream.0)?.write_with_ppi(data, kind));
        sent.ok_or(SctpError::NotConnected)?
            .map_err(|_| SctpError::NoStream)?;
        Ok(())
    }

    fn reset(&mut self, stream: StreamId) {
        self.call(|a| a.stream(stream.0).and_then(|mut s| s.close()));
    }

    fn buffered(&mut self) -> usize {
        let streams: Vec<StreamId> = self.guard.streams().collect();
        let amounts = self.call(|a| {
            let amount = |s: &StreamId| a.stream(s.0).and_then(|s| s.buffered_amount());
            streams.iter().flat_map(amount).sum()
        });
        amounts.unwrap_or_default()
    }

    fn stream_buffered(&mut self, stream: StreamId) -> usize {
        let amount = self.call(|a| a.stream(stream.0).and_then(|s| s.buffered_amount()));
        amount.and_then(Result::ok).unwrap_or_default()
    }

    fn abort(&mut self) {
        if !matches!(self.state, State::Over) {
            self.end(SctpFailure::Local);
        }
    }

    fn stats(&self) -> SctpStats {
        self.stats
    }
}

fn endpoint(config: &SctpConfig) -> Endpoint {
    let mut server = ServerConfig::new();
    server.transport = transport(config);
    let mut endpoint = EndpointConfig::new();
    endpoint.max_payload_size(max_payload(config.max_packet));
    Endpoint::new(Arc::new(endpoint), Some(Arc::new(server)))
}

fn transport(config: &SctpConfig) -> Arc<TransportConfig> {
    let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let transport = TransportConfig::default()
        .with_local_port(config.local_port)
        .with_remote_port(config.remote_port)
        .with_max_receive_buffer_size(size(config.receive_buffer))
        .with_max_receive_message_size(size(config.max_receive_message))
        .with_max_send_message_size(size(config.max_send_message))
        .with_max_init_retransmits(Some(MAX_INIT_RETRANSMITS))
        .with_rto_initial_ms(RTO_INITIAL_MS)
        .with_rto_min_ms(RTO_MIN_MS)
        .with_rto_max_ms(RTO_MAX_MS);
    Arc::new(transport)
}

/// The address of a peer means nothing here, but must be one.
fn anybody() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 1).into()
}

fn ppid(kind: PayloadProtocolIdentifier) -> Ppid {
    Ppid(match kind {
        PayloadProtocolIdentifier::Unknown => 0,
        kind => kind as u32,
    })
}

fn is_init(packet: &[u8]) -> bool {
    packet.get(crate::packet::HEADER_LEN) == Some(&chunk::INIT)
}

const fn is_end(event: &SctpEvent) -> bool {
    matches!(event, SctpEvent::Closed(_))
}

/// Something panicked, and what it borrowed is not used again.
struct Panicked;

fn contained<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|_| Panicked)
}
