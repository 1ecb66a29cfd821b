//! Data channels of an authenticated peer with bad intentions.

use transom_rtc_proto::channel::Dcep;
use transom_rtc_proto::port::{Delivery, Ppid, Sctp, SctpConfig, SctpEvent, SctpFactory, StreamId};
use transom_rtc_proto::time::Instant;
use transom_rtc_sctp::GuardedSctp;

/// DCEP: what parses comes back as it was written.
pub fn dcep(data: &[u8]) -> bool {
    let Ok(message) = Dcep::parse(data) else {
        return false;
    };
    assert_eq!(Dcep::parse(&message.emit()), Ok(message));
    true
}

/// SCTP: the input is packets without their headers, each after two bytes of
/// length; they reach an association that is up and has something under way.
/// Nothing that the guard lets through makes sctp-proto panic. Taken is what
/// holds a packet that is not refused.
pub fn sctp(data: &[u8]) -> bool {
    let now = Instant::from_millis(1000);
    let (mut end, tag) = connected(now);
    let before = end.stats().packets_refused;
    let mut packets = 0;
    let mut rest = data;
    while let [high, low, more @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(more.len());
        let (chunks, after) = more.split_at(len);
        rest = after;
        packets += 1;
        end.handle_packet(now, &packet(tag, chunks));
        drain(&mut *end, now);
    }
    // And once more when its timers are due.
    for _ in 0..20 {
        let Some(at) = end.poll_timeout() else { break };
        end.handle_timeout(at);
        drain(&mut *end, at);
    }
    let stats = end.stats();
    assert_eq!(
        stats.panics, 0,
        "the guard let through what makes sctp-proto panic"
    );
    stats.packets_refused - before < packets
}

fn connected(now: Instant) -> (Box<dyn Sctp>, u32) {
    let config = SctpConfig {
        initiate: false,
        local_port: 5000,
        remote_port: 5000,
        max_receive_message: 65_536,
        max_send_message: 65_536,
        receive_buffer: 256 * 1024,
        max_streams: 64,
        max_packet: 1163,
    };
    let mut end = GuardedSctp.create(now, config, [0; 32]);
    let mut init = vec![1, 0, 0, 24, 0, 0, 0, 77, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff];
    init.extend(1000_u32.to_be_bytes());
    init.extend([0xc0, 0, 0, 4]);
    end.handle_packet(now, &packet(0, &init));
    let ack = end.poll_transmit(now).expect("an INIT ACK");
    let tag = u32::from_be_bytes([ack[16], ack[17], ack[18], ack[19]]);
    // The cookie is the first parameter.
    let len = usize::from(u16::from_be_bytes([ack[34], ack[35]]));
    let mut echo = vec![10, 0];
    echo.extend_from_slice(&ack[34..32 + len]);
    end.handle_packet(now, &packet(tag, &echo));
    assert_eq!(end.poll_event(), Some(SctpEvent::Connected));
    let stream = StreamId(1);
    end.configure(stream, Delivery::default(), 0).expect("up");
    end.send(stream, Ppid(53), &[7; 3000]).expect("up");
    drain(&mut *end, now);
    (end, tag)
}

fn drain(end: &mut dyn Sctp, now: Instant) {
    while end.poll_event().is_some() {}
    while end.poll_transmit(now).is_some() {}
}

fn packet(tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x13, 0x88, 0x13, 0x88];
    bytes.extend(tag.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend_from_slice(chunks);
    let sum = crc32c(&bytes).to_le_bytes();
    bytes[8..12].copy_from_slice(&sum);
    bytes
}

/// CRC32c (RFC 9260 appendix A), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}
