use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::dcep::{Dcep, MAX_NAME_LEN};
use super::message::{DCEP, MessageKind, unwire, wire};
use super::{
    ChannelConfig, ChannelEvent, ChannelId, ChannelInfo, ChannelLimits, ChannelSendError,
    ChannelStats, MAX_MESSAGE_SIZE, MAX_SENT_MESSAGE_SIZE, OpenChannelError,
};
use crate::port::{DtlsRole, Ppid, Sctp, SctpConfig, SctpEvent, SctpFactory, SctpStats, StreamId};
use crate::sdp::DataChannelParams;
use crate::time::Instant;

/// Events that may wait here. What does not fit waits in the layer below,
/// which then takes nothing more from the other end.
const MAX_EVENTS: usize = 64;

/// Streams that are being reset besides those of channels: refused ones.
const SPARE_STREAMS: usize = 32;

/// 65535 is no stream of a channel (RFC 8832 section 5).
const NO_STREAM: u16 = 65_535;

/// What a peer's channels are made of.
pub(crate) struct ChannelsConfig {
    pub(crate) factory: Arc<dyn SctpFactory>,
    pub(crate) params: DataChannelParams,
    pub(crate) limits: ChannelLimits,
    pub(crate) role: DtlsRole,
    /// Largest SCTP packet, bytes.
    pub(crate) max_packet: usize,
    pub(crate) seed: [u8; 32],
}

/// A peer's channels and the association that carries them.
pub(crate) struct Channels {
    config: ChannelsConfig,
    /// DTLS is up.
    connected: bool,
    pub(super) association: Association,
    channels: BTreeMap<StreamId, Channel>,
    pub(super) events: VecDeque<ChannelEvent>,
    generation: u16,
    stats: ChannelStats,
}

pub(super) enum Association {
    /// Nobody has needed it yet.
    None,
    Connecting(Box<dyn Sctp>),
    Up(Box<dyn Sctp>),
    Over(SctpStats),
}

struct Channel {
    generation: u16,
    info: Box<ChannelInfo>,
    buffered_low: usize,
    negotiated: bool,
    /// A message was sent since the mark was last told of.
    sent: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// For the association.
    Waiting,
    /// For the ACK.
    Opening,
    Open,
    /// We have reset our half; the other end's is to follow.
    Closing,
    /// Closed; the number is not free yet.
    Resetting,
}

impl Channels {
    pub(crate) fn new(config: ChannelsConfig) -> Self {
        Self {
            config,
            connected: false,
            association: Association::None,
            channels: BTreeMap::new(),
            events: VecDeque::new(),
            generation: 0,
            stats: ChannelStats::default(),
        }
    }

    // --- What happens ---

    /// DTLS is up. Who is its client begins; the server of two that wait would
    /// wait in vain.
    pub(crate) fn on_connected(&mut self, now: Instant) {
        self.connected = true;
        if self.config.role == DtlsRole::Client || !self.channels.is_empty() {
            self.associate(now);
        }
    }

    pub(crate) fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        self.associate(now);
        if let Some(sctp) = self.association.layer() {
            sctp.handle_packet(now, packet);
        }
        self.pump();
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now)
            && let Some(sctp) = self.association.layer()
        {
            sctp.handle_timeout(now);
            self.pump();
        }
    }

    // --- What the application wants ---

    pub(crate) fn open(
        &mut self,
        now: Instant,
        config: ChannelConfig,
    ) -> Result<ChannelId, OpenChannelError> {
        if matches!(self.association, Association::Over(_)) {
            return Err(OpenChannelError::Closed);
        }
        if self.channels.len() >= self.config.limits.max_channels {
            return Err(OpenChannelError::TooMany);
        }
        if config.info.label.len() > MAX_NAME_LEN || config.info.protocol.len() > MAX_NAME_LEN {
            return Err(OpenChannelError::NameTooLong);
        }
        let stream = match config.negotiated {
            Some(stream) if stream.0 == NO_STREAM || self.channels.contains_key(&stream) => {
                return Err(OpenChannelError::NumberTaken);
            }
            Some(stream) => stream,
            None => self.free_stream().ok_or(OpenChannelError::TooMany)?,
        };
        let channel = Channel {
            generation: self.next_generation(),
            info: Box::new(config.info),
            buffered_low: config.buffered_low,
            negotiated: config.negotiated.is_some(),
            sent: false,
            state: State::Waiting,
        };
        let id = channel.id(stream);
        self.channels.insert(stream, channel);
        if self.connected {
            self.associate(now);
        }
        if matches!(self.association, Association::Up(_)) {
            self.establish(stream);
        }
        Ok(id)
    }

    pub(crate) fn send(
        &mut self,
        id: ChannelId,
        kind: MessageKind,
        data: &[u8],
    ) -> Result<(), ChannelSendError> {
        match self.state(id) {
            Some(State::Open) => {}
            Some(State::Waiting | State::Opening) => return Err(ChannelSendError::NotOpen),
            Some(State::Closing | State::Resetting) | None => {
                return Err(ChannelSendError::NoChannel);
            }
        }
        let max = self.max_send_message();
        let len = data.len();
        if len > max {
            return Err(ChannelSendError::TooLarge { len, max });
        }
        let sctp = self.association.layer().ok_or(ChannelSendError::NotOpen)?;
        let buffered = sctp.buffered();
        // An empty queue takes any message that the other end does.
        if buffered > 0 && buffered.saturating_add(len) > self.config.limits.max_buffered {
            self.stats.would_block += 1;
            return Err(ChannelSendError::WouldBlock);
        }
        let (ppid, data) = wire(kind, data);
        sctp.send(id.stream, ppid, data)
            .map_err(|_| ChannelSendError::NoChannel)?;
        if let Some(channel) = self.channels.get_mut(&id.stream) {
            channel.sent = true;
        }
        self.stats.messages_sent += 1;
        Ok(())
    }

    /// Closes a channel: what was sent on it still arrives.
    pub(crate) fn close(&mut self, id: ChannelId) {
        match self.state(id) {
            Some(State::Waiting) => {
                self.channels.remove(&id.stream);
                self.events.push_back(ChannelEvent::Closed { channel: id });
            }
            Some(State::Opening | State::Open) => {
                if let Some(channel) = self.channels.get_mut(&id.stream) {
                    channel.state = State::Closing;
                }
                self.reset(id.stream);
            }
            Some(State::Closing | State::Resetting) | None => {}
        }
    }

    /// Ends everything, with a word to the other end.
    pub(crate) fn abort(&mut self) {
        if let Some(sctp) = self.association.layer() {
            sctp.abort();
        }
        self.channels.clear();
        self.events.clear();
    }

    pub(crate) fn info(&self, id: ChannelId) -> Option<&ChannelInfo> {
        self.state(id)?;
        self.channels.get(&id.stream).map(|c| &*c.info)
    }

    pub(crate) fn buffered_amount(&mut self, id: ChannelId) -> usize {
        let state = self.state(id);
        match (&mut self.association, state) {
            (Association::Up(sctp), Some(_)) => sctp.stream_buffered(id.stream),
            _ => 0,
        }
    }

    /// Largest message that the other end takes, bytes.
    pub(crate) fn max_send_message(&self) -> usize {
        let theirs = self.config.params.max_message_size;
        theirs
            .unwrap_or(MAX_SENT_MESSAGE_SIZE)
            .min(MAX_SENT_MESSAGE_SIZE) as usize
    }

    pub(crate) fn stats(&self) -> ChannelStats {
        ChannelStats {
            channels: self.channels.len(),
            sctp: match &self.association {
                Association::None => SctpStats::default(),
                Association::Connecting(sctp) | Association::Up(sctp) => sctp.stats(),
                Association::Over(stats) => *stats,
            },
            ..self.stats
        }
    }

    // --- What is polled ---

    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.association.layer()?.poll_transmit(now)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.association {
            Association::Connecting(sctp) | Association::Up(sctp) => sctp.poll_timeout(),
            Association::None | Association::Over(_) => None,
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<ChannelEvent> {
        if self.events.is_empty() {
            self.pump();
        }
        self.events.pop_front()
    }

    // --- Inside ---

    fn associate(&mut self, now: Instant) {
        if !matches!(self.association, Association::None) || !self.connected {
            return;
        }
        let ChannelsConfig { params, limits, .. } = &self.config;
        let config = SctpConfig {
            initiate: self.config.role == DtlsRole::Client,
            local_port: params.local_port,
            remote_port: params.remote_port,
            max_receive_message: MAX_MESSAGE_SIZE as usize,
            max_send_message: self.max_send_message(),
            receive_buffer: limits.receive_buffer.max(MAX_MESSAGE_SIZE as usize),
            max_streams: limits.max_channels.saturating_add(SPARE_STREAMS),
            max_packet: self.config.max_packet,
        };
        let sctp = self.config.factory.create(now, config, self.config.seed);
        self.association = Association::Connecting(sctp);
    }

    /// Takes what the association says, as far as there is room for what
    /// follows from it.
    fn pump(&mut self) {
        while self.events.len() < MAX_EVENTS
            && let Some(event) = self.association.layer().and_then(|s| s.poll_event())
        {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: SctpEvent) {
        match event {
            SctpEvent::Connected => self.on_association(),
            SctpEvent::Message { stream, ppid, data } if ppid == DCEP => {
                self.on_dcep(stream, &data);
            }
            SctpEvent::Message { stream, ppid, data } => self.on_message(stream, ppid, data),
            SctpEvent::Reset(stream) => self.on_reset(stream),
            SctpEvent::ResetComplete(stream) => {
                self.on_reset(stream);
                self.channels.remove(&stream);
            }
            SctpEvent::BufferedLow(stream) => {
                // What setting the channel up took is nobody's business.
                if let Some(channel) = self.channels.get_mut(&stream)
                    && channel.state == State::Open
                    && core::mem::take(&mut channel.sent)
                {
                    let channel = channel.id(stream);
                    self.events.push_back(ChannelEvent::BufferedLow { channel });
                }
            }
            SctpEvent::Closed(_) => self.on_end(),
        }
    }

    fn on_association(&mut self) {
        self.association = match core::mem::replace(&mut self.association, Association::None) {
            Association::Connecting(sctp) => Association::Up(sctp),
            other => other,
        };
        let streams: Vec<StreamId> = self.channels.keys().copied().collect();
        for stream in streams {
            self.establish(stream);
        }
    }

    /// Sets up a channel of ours, now that messages can be sent.
    fn establish(&mut self, stream: StreamId) {
        let (Some(sctp), Some(channel)) = (
            self.association.layer(),
            self.channels
                .get_mut(&stream)
                .filter(|c| c.state == State::Waiting),
        ) else {
            return;
        };
        let mut done = sctp.configure(stream, channel.info.delivery, channel.buffered_low);
        if !channel.negotiated {
            let open = Dcep::Open((*channel.info).clone()).emit();
            done = done.and_then(|()| sctp.send(stream, DCEP, &open));
        }
        match (done, channel.negotiated) {
            (Ok(()), true) => self.opened(stream, false),
            (Ok(()), false) => channel.state = State::Opening,
            (Err(_), _) => {
                let channel = channel.id(stream);
                self.channels.remove(&stream);
                self.events.push_back(ChannelEvent::Closed { channel });
            }
        }
    }

    fn opened(&mut self, stream: StreamId, by_peer: bool) {
        if let Some(channel) = self.channels.get_mut(&stream) {
            channel.state = State::Open;
            self.events.push_back(ChannelEvent::Opened {
                channel: channel.id(stream),
                by_peer,
                info: channel.info.clone(),
            });
        }
    }

    fn on_dcep(&mut self, stream: StreamId, data: &[u8]) {
        let state = self.channels.get(&stream).map(|c| c.state);
        match (Dcep::parse(data), state) {
            (Ok(Dcep::Ack), Some(State::Opening)) => self.opened(stream, false),
            (Ok(Dcep::Open(info)), None) => self.on_open(stream, info),
            // An OPEN that crosses our close, or says again what is open.
            (Ok(_), Some(_)) => self.stats.dropped += 1,
            (Ok(Dcep::Ack), None) => self.stats.dropped += 1,
            (Err(_), None) => {
                self.stats.dropped += 1;
                self.reset(stream);
            }
            (Err(_), Some(_)) => {
                self.stats.dropped += 1;
                if let Some(id) = self.channels.get(&stream).map(|c| c.id(stream)) {
                    self.close(id);
                }
            }
        }
    }

    /// The other end opens a channel.
    fn on_open(&mut self, stream: StreamId, info: ChannelInfo) {
        // Each end has numbers of its own (RFC 8832 section 6).
        let theirs = stream.0 % 2 != self.parity() && stream.0 != NO_STREAM;
        if !theirs || self.channels.len() >= self.config.limits.max_channels {
            self.stats.refused += 1;
            self.reset(stream);
            return;
        }
        let Some(sctp) = self.association.layer() else {
            return;
        };
        let answered = sctp
            .configure(stream, info.delivery, 0)
            .and_then(|()| sctp.send(stream, DCEP, &Dcep::Ack.emit()));
        if answered.is_err() {
            self.stats.refused += 1;
            self.reset(stream);
            return;
        }
        let channel = Channel {
            generation: self.next_generation(),
            info: Box::new(info),
            buffered_low: 0,
            negotiated: false,
            sent: false,
            state: State::Open,
        };
        self.channels.insert(stream, channel);
        self.opened(stream, true);
    }

    pub(super) fn on_message(&mut self, stream: StreamId, ppid: Ppid, mut data: Vec<u8>) {
        let (Some(channel), Some((kind, empty))) = (self.channels.get(&stream), unwire(ppid))
        else {
            self.stats.dropped += 1;
            return;
        };
        let (state, channel) = (channel.state, channel.id(stream));
        if empty {
            data.clear();
        }
        if kind == MessageKind::Text && core::str::from_utf8(&data).is_err() {
            self.stats.dropped += 1;
            return;
        }
        match state {
            State::Open => {}
            // Unordered, it overtook the ACK.
            State::Opening => self.opened(stream, false),
            State::Waiting | State::Closing | State::Resetting => return,
        }
        self.stats.messages_received += 1;
        self.events.push_back(ChannelEvent::Message {
            channel,
            kind,
            data,
        });
    }

    /// Nothing more comes of the stream.
    fn on_reset(&mut self, stream: StreamId) {
        if let Some(channel) = self.channels.get_mut(&stream)
            && channel.state != State::Resetting
        {
            channel.state = State::Resetting;
            let channel = channel.id(stream);
            self.events.push_back(ChannelEvent::Closed { channel });
        }
    }

    fn on_end(&mut self) {
        let stats = self.stats().sctp;
        self.association = Association::Over(stats);
        for (stream, channel) in core::mem::take(&mut self.channels) {
            if channel.state != State::Resetting {
                let channel = channel.id(stream);
                self.events.push_back(ChannelEvent::Closed { channel });
            }
        }
    }

    fn reset(&mut self, stream: StreamId) {
        if let Some(sctp) = self.association.layer() {
            sctp.reset(stream);
        }
    }

    fn state(&self, id: ChannelId) -> Option<State> {
        let channel = self.channels.get(&id.stream)?;
        (channel.generation == id.generation).then_some(channel.state)
    }

    /// Our numbers: even for the DTLS client, odd for the server.
    const fn parity(&self) -> u16 {
        match self.config.role {
            DtlsRole::Client => 0,
            DtlsRole::Server => 1,
        }
    }

    fn free_stream(&self) -> Option<StreamId> {
        let ours = (self.parity()..NO_STREAM).step_by(2).map(StreamId);
        ours.take(self.channels.len() + 1)
            .find(|stream| !self.channels.contains_key(stream))
    }

    fn next_generation(&mut self) -> u16 {
        self.generation = self.generation.wrapping_add(1);
        self.generation
    }
}

impl Association {
    pub(super) fn layer(&mut self) -> Option<&mut Box<dyn Sctp>> {
        match self {
            Self::Connecting(sctp) | Self::Up(sctp) => Some(sctp),
            Self::None | Self::Over(_) => None,
        }
    }
}

impl Channel {
    const fn id(&self, stream: StreamId) -> ChannelId {
        ChannelId {
            stream,
            generation: self.generation,
        }
    }
}
