//! Payloads that a server takes for H.264 and Opus, and that the subscriber
//! can check and time.
//!
//! ```text
//! | what the codec's payload format puts in front | pattern ... | stamp |
//! stamp: magic (4), number (4), time of sending in microseconds (8)
//! ```
//!
//! A payload too short for the stamp is all pattern.

use transom_rtc_proto::sdp::MediaKind;
use transom_rtc_proto::time::Instant;

/// Constrained baseline, level 3.1, 640x480: what the offer says.
const SPS: [u8; 14] = [
    0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0xd0, 0x0f, 0x08, 0x84, 0x6a,
];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

/// STAP-A and FU-A (RFC 6184 sections 5.7.1 and 5.8), with `nal_ref_idc` 3 and 2.
const STAP_A: u8 = 0x78;
const FU_A_IDR: u8 = 0x7c;
const FU_A_SLICE: u8 = 0x5c;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
const IDR: u8 = 5;
const SLICE: u8 = 1;
const SEI: u8 = 6;
/// First macroblock 0, slice type I or P, picture parameter set 0.
const IDR_SLICE_HEADER: u8 = 0x88;
const P_SLICE_HEADER: u8 = 0x9a;
/// Opus: 20 ms of full-band CELT, one frame (RFC 6716 section 3.1).
const OPUS_TOC: u8 = 0xf8;

const MAGIC: [u8; 4] = *b"door";
const STAMP: usize = 16;

/// What the codec puts before the pattern of a STAP-A: its own header, the
/// parameter sets with their sizes, and the size of the third unit.
const STAP_HEAD: usize = 1 + 2 + SPS.len() + 2 + PPS.len() + 2 + 1;

/// One payload to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    /// Sound or picture.
    pub(crate) kind: MediaKind,
    /// Bytes wanted.
    pub(crate) len: usize,
    /// Place among the packets of its frame, and how many those are.
    pub(crate) index: usize,
    pub(crate) of: usize,
    /// Of a key frame.
    pub(crate) key: bool,
}

/// What a checked payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// When it was sent; `None` where it is too short to say.
    pub(crate) sent: Option<Instant>,
    /// A decoder can begin with it.
    pub(crate) key_frame: bool,
}

/// Writes a payload into `out`, which it replaces. It has the wanted length,
/// unless that does not even hold what the codec puts in front.
pub(crate) fn write(out: &mut Vec<u8>, spec: Spec, number: u32, now: Instant) {
    out.clear();
    write_head(out, spec);
    let head = out.len();
    let len = spec.len.max(head);
    let body = len - head;
    let stamped = body >= STAMP;
    let pattern = if stamped { body - STAMP } else { body };
    let seed = if stamped { seed_of(number) } else { 0 };
    out.extend((0..pattern).map(|i| pattern_byte(seed, i)));
    if stamped {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&now.as_micros().to_be_bytes());
    }
}

/// Checks an opened payload; `None` where it is not what was sent.
pub(crate) fn check(kind: MediaKind, payload: &[u8]) -> Option<Checked> {
    let key_frame = kind == MediaKind::Video && payload.first()? & 0x1f == STAP_A & 0x1f;
    let body = payload.get(head_len(kind, payload)?..)?;
    let (pattern, seed, sent) = match body.split_last_chunk::<STAMP>() {
        Some((pattern, stamp)) => {
            let (magic, rest) = stamp.split_first_chunk::<4>()?;
            let (number, time) = rest.split_first_chunk::<4>()?;
            let time: [u8; 8] = time.try_into().ok()?;
            if *magic != MAGIC {
                return None;
            }
            let sent = Instant::from_micros(u64::from_be_bytes(time));
            (pattern, seed_of(u32::from_be_bytes(*number)), Some(sent))
        }
        None => (body, 0, None),
    };
    let intact = pattern
        .iter()
        .enumerate()
        .all(|(i, byte)| *byte == pattern_byte(seed, i));
    intact.then_some(Checked { sent, key_frame })
}

fn write_head(out: &mut Vec<u8>, spec: Spec) {
    if spec.kind == MediaKind::Audio {
        out.push(OPUS_TOC);
        return;
    }
    let (slice, fu, first) = match spec.key {
        true => (IDR, FU_A_IDR, IDR_SLICE_HEADER),
        false => (SLICE, FU_A_SLICE, P_SLICE_HEADER),
    };
    if spec.key && spec.index == 0 {
        out.push(STAP_A);
        for unit in [&SPS[..], &PPS] {
            push_size(out, unit.len());
            out.extend_from_slice(unit);
        }
        // Where the frame is this one packet, it holds the picture too.
        let third = if spec.of == 1 { 0x60 | IDR } else { SEI };
        push_size(out, spec.len.saturating_sub(STAP_HEAD) + 1);
        out.push(third);
        return;
    }
    // The picture begins behind the parameter sets.
    let begin = usize::from(spec.key);
    let fragments = spec.of.saturating_sub(begin);
    if fragments <= 1 {
        out.extend_from_slice(&[fu & 0x60 | slice, first]);
    } else if spec.index == begin {
        out.extend_from_slice(&[fu, FU_START | slice, first]);
    } else if spec.index + 1 == spec.of {
        out.extend_from_slice(&[fu, FU_END | slice]);
    } else {
        out.extend_from_slice(&[fu, slice]);
    }
}

/// How long what [`write_head`] wrote is.
fn head_len(kind: MediaKind, payload: &[u8]) -> Option<usize> {
    if kind == MediaKind::Audio {
        return Some(1);
    }
    Some(match (payload.first()? & 0x1f, payload.get(1)?) {
        (24, _) => STAP_HEAD,
        (28, fu) if fu & FU_START != 0 => 3,
        _ => 2,
    })
}

fn push_size(out: &mut Vec<u8>, len: usize) {
    let len = u16::try_from(len).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
}

const fn seed_of(number: u32) -> u8 {
    number.to_be_bytes()[3]
}

/// Never zero, so that no start code comes about.
#[allow(clippy::cast_possible_truncation)] // the low byte is meant
const fn pattern_byte(seed: u8, i: usize) -> u8 {
    seed.wrapping_add(i as u8) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_proto::codec::h264::{Depacketizer, Sps};
    use transom_rtc_proto::id::{ExtSeq, MediaTime};

    fn written(spec: Spec) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, spec, 70_000, Instant::from_micros(123));
        out
    }

    fn picture(len: usize, index: usize, of: usize, key: bool) -> Spec {
        Spec {
            kind: MediaKind::Video,
            len,
            index,
            of,
            key,
        }
    }

    #[test]
    fn what_is_written_checks() {
        for key in [false, true] {
            for (of, len) in [(1, 142), (2, 500), (8, 1040)] {
                for index in 0..of {
                    let payload = written(picture(len, index, of, key));
                    assert_eq!(payload.len(), len);
                    let checked = check(MediaKind::Video, &payload).expect("intact");
                    assert_eq!(checked.sent, Some(Instant::from_micros(123)));
                    assert_eq!(checked.key_frame, key && index == 0);
                }
            }
        }
        let sound = Spec {
            kind: MediaKind::Audio,
            ..picture(80, 0, 1, false)
        };
        assert!(check(MediaKind::Audio, &written(sound)).is_some());
    }

    #[test]
    fn what_is_too_short_for_a_stamp_is_pattern() {
        for len in [1, 3, 10] {
            let sound = Spec {
                kind: MediaKind::Audio,
                ..picture(len, 0, 1, false)
            };
            let payload = written(sound);
            assert_eq!(payload.len(), len);
            let checked = check(MediaKind::Audio, &payload);
            assert_eq!(checked.expect("intact").sent, None);
        }
    }

    #[test]
    fn a_byte_that_changed_is_found() {
        let payload = written(picture(300, 3, 8, false));
        for at in 2..payload.len() - 12 {
            let mut changed = payload.clone();
            changed[at] ^= 4;
            assert_eq!(check(MediaKind::Video, &changed), None, "{at}");
        }
        assert_eq!(check(MediaKind::Video, &[]), None);
        assert_eq!(check(MediaKind::Video, &payload[..1]), None);
        assert_eq!(check(MediaKind::Audio, &payload), None);
    }

    #[test]
    fn the_depacketizer_finds_the_frames() {
        assert_eq!(
            Sps::parse(&SPS).map(|s| (s.width, s.height)),
            Ok((640, 480))
        );
        let mut depacketizer = Depacketizer::new(1 << 20);
        let mut seq = 0;
        for (frame, of) in [(0, 8), (1, 8), (2, 1), (3, 2)] {
            for key in [true, false] {
                for index in 0..of {
                    let payload = written(picture(600, index, of, key));
                    let time = MediaTime(2 * frame * 3000 + u32::from(key));
                    let marker = index + 1 == of;
                    let taken = depacketizer.push(ExtSeq(seq), time, marker, &payload);
                    assert!(taken.is_ok(), "{taken:?}");
                    seq += 1;
                }
                let unit = depacketizer.poll().expect("a frame");
                assert_eq!(unit.key_frame, key, "{frame}");
            }
        }
    }
}
