//! An entry on the disk: a marker, a length and a checksum around it.
//!
//! ```text
//!  0  marker, `TR`                       2 bytes
//!  2  length of the payload              u16
//!  4  CRC-32 of bytes 2 to 4 and of all behind it (that of zlib, ISO-HDLC)
//!  8  sequence number                    u64
//! 16  CLOCK_MONOTONIC, microseconds      u64
//! 24  since 1970, microseconds           i64
//! 32  kind                               u8
//! 33  payload
//! ```
//!
//! Numbers have their highest byte first.

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::event::{Entry, Event};
use crate::field::{Decode, Encode};

/// What a frame begins with.
pub const MARKER: [u8; 2] = *b"TR";
/// Before the payload.
pub const PREFIX: usize = 33;
/// The longest payload; a longer one is none.
pub const MAX_PAYLOAD: usize = 1024;

const SUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Its checksum, as readers in other languages have it in their libraries.
pub fn checksum(parts: &[&[u8]]) -> u32 {
    let mut digest = SUM.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

/// Appends an entry to `to`.
pub fn emit(entry: &mut Entry, to: &mut Vec<u8>) {
    let begin = to.len();
    to.extend_from_slice(&MARKER);
    to.extend_from_slice(&[0; 6]);
    to.extend_from_slice(&entry.seq.to_be_bytes());
    to.extend_from_slice(&entry.mono_us.to_be_bytes());
    to.extend_from_slice(&entry.wall_us.to_be_bytes());
    to.push(entry.event.code());
    entry.event.visit(&mut Encode(to));
    let Some((head, body)) = to
        .get_mut(begin..)
        .and_then(|frame| frame.split_at_mut_checked(8))
    else {
        return;
    };
    // The longest event has some 600 bytes.
    let len = body.len().saturating_sub(PREFIX - 8);
    let len = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    let sum = checksum(&[&len, body]).to_be_bytes();
    for (to, from) in head.iter_mut().skip(2).zip(len.into_iter().chain(sum)) {
        *to = from;
    }
}

/// Reads the entry that begins at the start of `bytes`, and how long its frame is; `None` where there is no
/// whole one.
pub fn parse(bytes: &[u8]) -> Option<(Entry, usize)> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let [m0, m1, l0, l1, sum @ ..] = *head;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if [m0, m1] != MARKER || len > MAX_PAYLOAD {
        return None;
    }
    let body = rest.get(..PREFIX - 8 + len)?;
    if checksum(&[&[l0, l1], body]) != u32::from_be_bytes(sum) {
        return None;
    }
    let (seq, body) = body.split_first_chunk()?;
    let (mono, body) = body.split_first_chunk()?;
    let (wall, body) = body.split_first_chunk()?;
    let (kind, payload) = body.split_first()?;
    let entry = Entry {
        seq: u64::from_be_bytes(*seq),
        mono_us: u64::from_be_bytes(*mono),
        wall_us: i64::from_be_bytes(*wall),
        event: event(*kind, payload),
    };
    Some((entry, PREFIX + len))
}

/// What is longer than this version knows is of a later one, whose new fields stand behind ours.
fn event(kind: u8, payload: &[u8]) -> Event {
    let unknown = Event::Unknown {
        kind,
        len: u16::try_from(payload.len()).unwrap_or(u16::MAX),
    };
    let Some(mut event) = Event::blank(kind) else {
        return unknown;
    };
    let mut decode = Decode {
        rest: payload,
        short: false,
    };
    event.visit(&mut decode);
    match decode.short {
        true => unknown,
        false => event,
    }
}

/// What stands at a place of a file.
#[derive(Debug)]
pub enum Scan {
    /// An entry, and where the next may begin.
    Entry(Box<Entry>, usize),
    /// None until the one that begins there.
    Damage(usize),
    /// Nothing whole any more: the end, or what a crash has torn.
    End,
}

/// Looks at `bytes` from `at` on.
pub fn scan(bytes: &[u8], at: usize) -> Scan {
    let rest = bytes.get(at..).unwrap_or_default();
    if let Some((entry, len)) = parse(rest) {
        return Scan::Entry(Box::new(entry), at + len);
    }
    let markers = rest.windows(2).enumerate().skip(1);
    let mut markers = markers.filter(|(_, window)| **window == MARKER);
    let next = markers.find(|(skip, _)| rest.get(*skip..).and_then(parse).is_some());
    next.map_or(Scan::End, |(skip, _)| Scan::Damage(at + skip))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CommandSeen, Setpoint, Summary};

    fn entry(seq: u64, event: Event) -> Entry {
        Entry {
            seq,
            mono_us: 5_000_000 + seq,
            wall_us: -7,
            event,
        }
    }

    #[test]
    fn entries_are_read_as_they_were_written() {
        let mut events = Event::kinds();
        events.push(Event::Setpoint(Setpoint {
            seq: 9,
            age_us: Some(7),
            axes: [1, 0, -32767, 0, 0, 0, 0, 5],
        }));
        events.push(Event::Command(CommandSeen {
            command: 4,
            reason: 1,
            lease: 3,
            ..CommandSeen::default()
        }));
        events.push(Event::Summary(Summary {
            age_max_us: Some(80_000),
            heading_mrad: -5,
            ..Summary::default()
        }));
        for event in events {
            let mut written = entry(1, event);
            let mut bytes = Vec::new();
            emit(&mut written, &mut bytes);
            let (read, len) = parse(&bytes).expect("a frame");
            assert_eq!((read, len), (written, bytes.len()));
        }
    }

    #[test]
    fn a_long_text_is_cut_within_a_character() {
        let text = "ä".repeat(400);
        let mut written = entry(
            1,
            Event::Output {
                output: text.clone(),
                state: text,
            },
        );
        let mut bytes = Vec::new();
        emit(&mut written, &mut bytes);
        let (read, _) = parse(&bytes).expect("a frame");
        let Event::Output { output, .. } = read.event else {
            panic!("an output");
        };
        assert_eq!(output, "ä".repeat(127));
    }

    #[test]
    fn what_later_versions_write_is_passed_over() {
        let (mut stop, mut later) = (
            entry(1, Event::Stop { reason: 2 }),
            entry(2, Event::Unknown { kind: 99, len: 0 }),
        );
        let mut bytes = Vec::new();
        emit(&mut stop, &mut bytes);
        // A field more than we know.
        bytes.push(7);
        bytes[3] = 2;
        let sum = checksum(&[&bytes[2..4], &bytes[8..]]).to_be_bytes();
        bytes[4..8].copy_from_slice(&sum);
        emit(&mut later, &mut bytes);
        let Scan::Entry(first, next) = scan(&bytes, 0) else {
            panic!("an entry");
        };
        assert_eq!(*first, stop);
        assert!(matches!(scan(&bytes, next), Scan::Entry(read, _) if *read == later));
    }

    #[test]
    fn damage_costs_what_it_hit_and_no_more() {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for seq in 0..10 {
            starts.push(bytes.len());
            emit(&mut entry(seq, Event::Stop { reason: 1 }), &mut bytes);
        }
        bytes[starts[4] + 20] ^= 1;
        // A length that points beyond the end.
        bytes[starts[7] + 2] = 0xff;
        bytes.truncate(bytes.len() - 1);
        let (mut at, mut seqs) = (0, Vec::new());
        loop {
            match scan(&bytes, at) {
                Scan::Entry(entry, next) => {
                    seqs.push(entry.seq);
                    at = next;
                }
                Scan::Damage(next) => at = next,
                Scan::End => break,
            }
        }
        assert_eq!(seqs, [0, 1, 2, 3, 5, 6, 8]);
    }
}
