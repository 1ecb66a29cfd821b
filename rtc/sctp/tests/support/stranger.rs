//! The other end of an association as somebody who writes its packets by hand.
#![allow(dead_code, unreachable_pub)] // not every test uses all of it

use transom_rtc_proto::port::{Sctp, SctpConfig, SctpEvent, SctpFactory};
use transom_rtc_proto::time::Instant;
use transom_rtc_sctp::GuardedSctp;

pub const DATA: u8 = 0;
pub const INIT: u8 = 1;
pub const SACK: u8 = 3;
pub const COOKIE_ECHO: u8 = 10;
pub const RE_CONFIG: u8 = 130;
pub const FORWARD_TSN: u8 = 192;

/// The stranger's first TSN.
pub const TSN: u32 = 1000;

pub struct Stranger {
    pub now: Instant,
    pub end: Box<dyn Sctp>,
    pub events: Vec<SctpEvent>,
    /// Chunks that the end sent: type and value.
    pub heard: Vec<(u8, Vec<u8>)>,
    tag: u32,
}

impl Stranger {
    /// Shakes hands.
    pub fn connected(config: SctpConfig) -> Self {
        let now = Instant::from_millis(1000);
        let mut stranger = Self {
            now,
            end: GuardedSctp.create(now, config, [0; 32]),
            events: Vec::new(),
            heard: Vec::new(),
            tag: 0,
        };
        stranger.says(&[(INIT, 0, &init(77))]);
        let (kind, ack) = stranger.heard.pop().expect("an INIT ACK");
        assert_eq!(kind, 2);
        stranger.tag = u32::from_be_bytes(ack[..4].try_into().unwrap());
        let mut params = &ack[16..];
        let cookie = loop {
            let len = usize::from(u16::from_be_bytes([params[2], params[3]]));
            if params[..2] == [0, 7] {
                break params[4..len].to_vec();
            }
            params = &params[len.next_multiple_of(4)..];
        };
        stranger.says(&[(COOKIE_ECHO, 0, &cookie)]);
        assert_eq!(stranger.events, [SctpEvent::Connected]);
        stranger.events.clear();
        stranger.heard.clear();
        stranger
    }

    pub fn says(&mut self, chunks: &[(u8, u8, &[u8])]) {
        let packet = packet(self.tag, chunks);
        self.sends(&packet);
    }

    pub fn sends(&mut self, packet: &[u8]) {
        self.end.handle_packet(self.now, packet);
        self.drain();
    }

    pub fn drain(&mut self) {
        while let Some(event) = self.end.poll_event() {
            self.events.push(event);
        }
        while let Some(packet) = self.end.poll_transmit(self.now) {
            let mut rest = &packet[12..];
            while rest.len() >= 4 {
                let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
                self.heard.push((rest[0], rest[4..len].to_vec()));
                rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }

    /// Whether the end has given up, and said so.
    pub fn is_over(&self) -> bool {
        let closed = matches!(self.events.last(), Some(SctpEvent::Closed(_)));
        assert_eq!(self.end.stats().panics, 0);
        closed
    }
}

pub fn init(tag: u32) -> Vec<u8> {
    let mut value = Vec::new();
    value.extend(tag.to_be_bytes());
    value.extend(100_000_u32.to_be_bytes());
    value.extend([0xff, 0xff, 0xff, 0xff]);
    value.extend(TSN.to_be_bytes());
    value.extend([0xc0, 0, 0, 4]);
    value
}

pub fn data(tsn: u32, stream: u16, ssn: u16, bytes: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    value.extend(tsn.to_be_bytes());
    value.extend(stream.to_be_bytes());
    value.extend(ssn.to_be_bytes());
    value.extend(53_u32.to_be_bytes());
    value.extend(bytes);
    value
}

pub fn reset(request: u32, last_tsn: u32, stream: u16) -> Vec<u8> {
    let mut value = vec![0, 13, 0, 18];
    value.extend(request.to_be_bytes());
    value.extend(0_u32.to_be_bytes());
    value.extend(last_tsn.to_be_bytes());
    value.extend(stream.to_be_bytes());
    value
}

pub fn packet(tag: u32, chunks: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0x13, 0x88, 0x13, 0x88];
    bytes.extend(tag.to_be_bytes());
    bytes.extend([0; 4]);
    for (kind, flags, value) in chunks {
        let len = u16::try_from(value.len() + 4).expect("a chunk");
        bytes.extend([*kind, *flags]);
        bytes.extend(len.to_be_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&bytes);
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    bytes
}
