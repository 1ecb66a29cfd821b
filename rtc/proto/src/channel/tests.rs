//! Two ends over a stand-in for SCTP that loses nothing.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::string::String;

use super::{
    ChannelConfig, ChannelEvent, ChannelId, ChannelLimits, ChannelSendError, Channels,
    ChannelsConfig, Dcep, MessageKind, OpenChannelError,
};
use crate::id::Mid;
use crate::port::{
    Delivery, DtlsRole, Ppid, Reliability, Sctp, SctpConfig, SctpError, SctpEvent, SctpFactory,
    SctpFailure, SctpStats, StreamId,
};
use crate::sdp::DataChannelParams;
use crate::time::Instant;

const NOW: Instant = Instant::from_millis(1);

/// Packets are an opcode, a stream, a PPID and data.
#[derive(Default)]
struct Pipe {
    up: bool,
    outgoing: VecDeque<Vec<u8>>,
    events: VecDeque<SctpEvent>,
    streams: BTreeMap<StreamId, usize>,
    resetting: BTreeSet<StreamId>,
}

const HELLO: u8 = 0;
const DATA: u8 = 1;
const RESET: u8 = 2;
const DONE: u8 = 3;
const ABORT: u8 = 4;
const ACK: u8 = 5;

impl Pipe {
    fn put(&mut self, op: u8, stream: StreamId, ppid: u32, data: &[u8]) {
        let mut packet = Vec::from([op]);
        packet.extend(stream.0.to_be_bytes());
        packet.extend(ppid.to_be_bytes());
        packet.extend(data);
        self.outgoing.push_back(packet);
    }
}

impl Sctp for Pipe {
    fn handle_packet(&mut self, _: Instant, packet: &[u8]) {
        let stream = StreamId(u16::from_be_bytes([packet[1], packet[2]]));
        let ppid = u32::from_be_bytes([packet[3], packet[4], packet[5], packet[6]]);
        let data = packet[7..].to_vec();
        match packet[0] {
            HELLO if !self.up => {
                self.up = true;
                self.events.push_back(SctpEvent::Connected);
                self.put(HELLO, stream, 0, b"");
            }
            HELLO => {}
            DATA => {
                let len = u32::try_from(data.len()).unwrap();
                self.put(ACK, stream, len, b"");
                let ppid = Ppid(ppid);
                self.events
                    .push_back(SctpEvent::Message { stream, ppid, data });
            }
            ACK => {
                let waiting = self.streams.entry(stream).or_default();
                *waiting -= ppid as usize;
                if *waiting == 0 {
                    self.events.push_back(SctpEvent::BufferedLow(stream));
                }
            }
            RESET => {
                self.events.push_back(SctpEvent::Reset(stream));
                if self.resetting.insert(stream) {
                    self.put(RESET, stream, 0, b"");
                }
                self.put(DONE, stream, 0, b"");
            }
            DONE => {
                self.resetting.remove(&stream);
                self.events.push_back(SctpEvent::ResetComplete(stream));
            }
            ABORT => self
                .events
                .push_back(SctpEvent::Closed(SctpFailure::Remote)),
            other => panic!("{other}"),
        }
    }
    fn handle_timeout(&mut self, _: Instant) {}
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    fn poll_transmit(&mut self, _: Instant) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }
    fn poll_event(&mut self) -> Option<SctpEvent> {
        self.events.pop_front()
    }
    fn configure(&mut self, stream: StreamId, _: Delivery, _: usize) -> Result<(), SctpError> {
        self.streams.entry(stream).or_default();
        Ok(())
    }
    fn send(&mut self, stream: StreamId, ppid: Ppid, data: &[u8]) -> Result<(), SctpError> {
        if self.resetting.contains(&stream) {
            return Err(SctpError::NoStream);
        }
        *self.streams.entry(stream).or_default() += data.len();
        self.put(DATA, stream, ppid.0, data);
        Ok(())
    }
    fn reset(&mut self, stream: StreamId) {
        self.resetting.insert(stream);
        self.put(RESET, stream, 0, b"");
    }
    fn buffered(&mut self) -> usize {
        self.streams.values().sum()
    }
    fn stream_buffered(&mut self, stream: StreamId) -> usize {
        self.streams.get(&stream).copied().unwrap_or_default()
    }
    fn abort(&mut self) {
        self.outgoing.clear();
        self.put(ABORT, StreamId(0), 0, b"");
    }
    fn stats(&self) -> SctpStats {
        SctpStats::default()
    }
}

struct Pipes;

impl SctpFactory for Pipes {
    fn create(&self, _: Instant, config: SctpConfig, _: [u8; 32]) -> Box<dyn Sctp> {
        let mut pipe = Pipe::default();
        if config.initiate {
            pipe.put(HELLO, StreamId(0), 0, b"");
        }
        Box::new(pipe)
    }
}

fn end(role: DtlsRole, max_message_size: Option<u32>, limits: ChannelLimits) -> Channels {
    Channels::new(ChannelsConfig {
        factory: Arc::new(Pipes),
        params: DataChannelParams {
            mid: Mid::from_number(0),
            mline: 0,
            local_port: 5000,
            remote_port: 5000,
            max_message_size,
        },
        limits,
        role,
        max_packet: 1163,
        seed: [0; 32],
    })
}

struct Two {
    client: Channels,
    server: Channels,
}

impl Two {
    fn new(limits: ChannelLimits) -> Self {
        Self {
            client: end(DtlsRole::Client, Some(1000), limits),
            server: end(DtlsRole::Server, None, limits),
        }
    }

    fn connected() -> Self {
        let mut two = Self::new(ChannelLimits::default());
        two.connect();
        two
    }

    fn connect(&mut self) {
        self.server.on_connected(NOW);
        self.client.on_connected(NOW);
        self.run();
    }

    fn run(&mut self) {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            while let Some(packet) = self.client.poll_transmit(NOW) {
                self.server.handle_packet(NOW, &packet);
                quiet = false;
            }
            while let Some(packet) = self.server.poll_transmit(NOW) {
                self.client.handle_packet(NOW, &packet);
                quiet = false;
            }
        }
    }

    /// Opens a channel from the client; both ends' ids.
    fn open(&mut self, label: &str) -> (ChannelId, ChannelId) {
        let ours = self.client.open(NOW, ChannelConfig::new(label)).unwrap();
        self.run();
        let (theirs, by_peer, name) = opened(&mut self.server);
        assert_eq!((by_peer, &*name), (true, label));
        let (id, by_peer, _) = opened(&mut self.client);
        assert_eq!((id, by_peer), (ours, false));
        (ours, theirs)
    }
}

fn opened(end: &mut Channels) -> (ChannelId, bool, String) {
    match end.poll_event() {
        Some(ChannelEvent::Opened {
            channel,
            by_peer,
            info,
        }) => (channel, by_peer, info.label),
        other => panic!("{other:?}"),
    }
}

fn message(channel: ChannelId, kind: MessageKind, data: &[u8]) -> Option<ChannelEvent> {
    let data = data.to_vec();
    Some(ChannelEvent::Message {
        channel,
        kind,
        data,
    })
}

#[test]
fn a_channel_opens_carries_and_closes() {
    let mut two = Two::connected();
    let delivery = Delivery {
        ordered: false,
        reliability: Reliability::MaxRetransmits(0),
    };
    let config = ChannelConfig::new("control").delivery(delivery);
    let ours = two.client.open(NOW, config).unwrap();
    assert_eq!(
        two.client.send(ours, MessageKind::Text, b"early"),
        Err(ChannelSendError::NotOpen)
    );
    two.run();
    let (theirs, ..) = opened(&mut two.server);
    opened(&mut two.client);
    assert_eq!(two.server.info(theirs).unwrap().delivery, delivery);
    assert_eq!(ours.stream(), StreamId(0));

    for (kind, data) in [
        (MessageKind::Text, &b"go"[..]),
        (MessageKind::Binary, b"\xff\x00"),
        (MessageKind::Text, b""),
        (MessageKind::Binary, b""),
    ] {
        two.client.send(ours, kind, data).unwrap();
        two.server.send(theirs, kind, data).unwrap();
        assert!(two.client.buffered_amount(ours) > 0);
        two.run();
        assert_eq!(two.server.poll_event(), message(theirs, kind, data));
        assert_eq!(two.client.poll_event(), message(ours, kind, data));
        for end in [&mut two.client, &mut two.server] {
            let low = end.poll_event();
            assert!(matches!(low, Some(ChannelEvent::BufferedLow { .. })));
        }
        assert_eq!(two.client.buffered_amount(ours), 0);
    }

    two.server.send(theirs, MessageKind::Text, b"last").unwrap();
    two.server.close(theirs);
    assert_eq!(
        two.server.send(theirs, MessageKind::Text, b"late"),
        Err(ChannelSendError::NoChannel)
    );
    two.run();
    assert_eq!(
        two.client.poll_event(),
        message(ours, MessageKind::Text, b"last")
    );
    let closed = |channel| Some(ChannelEvent::Closed { channel });
    assert_eq!(two.client.poll_event(), closed(ours));
    assert_eq!(two.server.poll_event(), closed(theirs));
    assert_eq!(two.client.poll_event(), None);

    // The number is used anew, and the old id does not mean the new channel.
    let (again, _) = two.open("again");
    assert_eq!(again.stream(), ours.stream());
    assert_ne!(again, ours);
    assert_eq!(two.client.info(ours), None);
    assert_eq!(
        two.client.send(ours, MessageKind::Text, b"stale"),
        Err(ChannelSendError::NoChannel)
    );
}

#[test]
fn each_end_has_numbers_of_its_own() {
    let mut two = Two::new(ChannelLimits::default());
    // Before anything is connected.
    let a = two.client.open(NOW, ChannelConfig::new("a")).unwrap();
    let b = two.server.open(NOW, ChannelConfig::new("b")).unwrap();
    let c = two.client.open(NOW, ChannelConfig::new("c")).unwrap();
    let numbers = [a, b, c].map(|id| id.stream().0);
    assert_eq!(numbers, [0, 1, 2]);
    two.connect();
    assert_eq!(two.client.stats().channels, 3);
    assert_eq!(two.server.stats().channels, 3);

    // An OPEN on a number of ours is refused.
    let open = Dcep::Open(ChannelConfig::new("x").info).emit();
    let sctp = two.client.association.layer().unwrap();
    sctp.send(StreamId(7), Ppid(50), &open).unwrap();
    two.run();
    assert_eq!(two.server.stats().refused, 1);
    assert_eq!(two.server.stats().channels, 3);
}

#[test]
fn agreed_numbers_need_no_words() {
    let mut two = Two::connected();
    let config = ChannelConfig {
        negotiated: Some(StreamId(100)),
        ..ChannelConfig::new("agreed")
    };
    let ours = two.client.open(NOW, config.clone()).unwrap();
    let theirs = two.server.open(NOW, config.clone()).unwrap();
    assert_eq!(
        two.server.open(NOW, config),
        Err(OpenChannelError::NumberTaken)
    );
    assert_eq!(opened(&mut two.client).0, ours);
    assert_eq!(opened(&mut two.server).0, theirs);
    two.client.send(ours, MessageKind::Text, b"hello").unwrap();
    two.run();
    assert_eq!(
        two.server.poll_event(),
        message(theirs, MessageKind::Text, b"hello")
    );
    let none = ChannelConfig {
        negotiated: Some(StreamId(65_535)),
        ..ChannelConfig::new("none")
    };
    assert_eq!(
        two.client.open(NOW, none),
        Err(OpenChannelError::NumberTaken)
    );
}

#[test]
fn what_is_too_much_is_refused() {
    let mut two = Two::new(ChannelLimits {
        max_channels: 2,
        max_buffered: 1500,
        ..ChannelLimits::default()
    });
    two.connect();
    let (ours, theirs) = two.open("a");
    two.open("b");
    assert_eq!(
        two.client.open(NOW, ChannelConfig::new("c")),
        Err(OpenChannelError::TooMany)
    );
    let long = ChannelConfig::new("x".repeat(257));
    assert_eq!(
        two.server.open(NOW, long.clone()),
        Err(OpenChannelError::TooMany)
    );
    assert_eq!(
        Two::connected().server.open(NOW, long),
        Err(OpenChannelError::NameTooLong)
    );
    assert_eq!(
        two.client.send(ours, MessageKind::Binary, &[0; 1001]),
        Err(ChannelSendError::TooLarge {
            len: 1001,
            max: 1000
        })
    );
    two.client
        .send(ours, MessageKind::Binary, &[0; 1000])
        .unwrap();
    assert_eq!(
        two.client.send(ours, MessageKind::Binary, &[0; 501]),
        Err(ChannelSendError::WouldBlock)
    );
    assert_eq!(two.client.stats().would_block, 1);
    // An empty queue takes what is larger than itself.
    two.server
        .send(theirs, MessageKind::Binary, &[0; 60_000])
        .unwrap();
    // The other end opens one too many.
    let open = Dcep::Open(ChannelConfig::new("d").info).emit();
    let sctp = two.client.association.layer().unwrap();
    sctp.send(StreamId(8), Ppid(50), &open).unwrap();
    two.run();
    assert_eq!(two.server.stats().refused, 1);
    assert_eq!(two.server.stats().channels, 2);
}

#[test]
fn nonsense_is_dropped_and_counted() {
    let mut two = Two::connected();
    let (ours, theirs) = two.open("a");
    let mut say = |stream, ppid, data: &[u8]| {
        let sctp = two.client.association.layer().unwrap();
        sctp.send(StreamId(stream), Ppid(ppid), data).unwrap();
        two.run();
        two.server.stats().dropped
    };
    assert_eq!(say(6, 51, b"of no channel"), 1);
    assert_eq!(say(0, 99, b"of no kind"), 2);
    assert_eq!(say(0, 51, b"\xff"), 3);
    assert_eq!(say(0, 50, &[2]), 4);
    assert_eq!(say(6, 50, &[2]), 5);
    assert_eq!(say(6, 50, b"\x03nonsense"), 6);
    assert_eq!(two.server.poll_event(), None);
    // On a channel it ends the channel.
    let sctp = two.client.association.layer().unwrap();
    sctp.send(StreamId(0), Ppid(50), b"\x07").unwrap();
    two.run();
    let closed = Some(ChannelEvent::Closed { channel: theirs });
    assert_eq!(two.server.poll_event(), closed);
    assert_eq!(two.client.info(ours), None);
}

#[test]
fn a_message_may_overtake_the_ack() {
    let mut two = Two::connected();
    let ours = two.client.open(NOW, ChannelConfig::new("fast")).unwrap();
    two.client
        .on_message(ours.stream(), Ppid(51), b"1".to_vec());
    assert_eq!(opened(&mut two.client).0, ours);
    assert_eq!(
        two.client.poll_event(),
        message(ours, MessageKind::Text, b"1")
    );
}

#[test]
fn events_that_nobody_takes_make_the_other_end_wait() {
    let mut two = Two::connected();
    let (ours, _) = two.open("a");
    for _ in 0..500 {
        two.client.send(ours, MessageKind::Text, b"x").unwrap();
    }
    two.run();
    assert!(two.server.events.len() <= 64);
    let taken = core::iter::from_fn(|| two.server.poll_event()).count();
    assert_eq!(taken, 500);
}

#[test]
fn the_end_of_the_association_closes_all() {
    let mut two = Two::connected();
    let (_, theirs) = two.open("a");
    let (_, also) = two.open("b");
    two.client.abort();
    two.run();
    let closed = |channel| Some(ChannelEvent::Closed { channel });
    assert_eq!(two.server.poll_event(), closed(theirs));
    assert_eq!(two.server.poll_event(), closed(also));
    assert_eq!(two.server.poll_event(), None);
    assert_eq!(
        two.server.open(NOW, ChannelConfig::new("late")),
        Err(OpenChannelError::Closed)
    );
}

#[test]
fn nothing_is_made_before_it_is_needed() {
    let mut server = end(DtlsRole::Server, None, ChannelLimits::default());
    server.on_connected(NOW);
    assert!(matches!(
        server.association,
        super::table::Association::None
    ));
    assert!(server.poll_timeout().is_none() && server.poll_transmit(NOW).is_none());
}
