//! What the agent must know of an H.264 stream: where units begin, which are
//! key frames, and whether there are B-slices (ITU-T H.264 sections 7.3 and B.1).

/// Coded slice of a picture that is not an IDR.
pub const SLICE: u8 = 1;
/// First partition of a slice (extended profile).
pub const PARTITION_A: u8 = 2;
/// Coded slice of an IDR picture.
pub const IDR: u8 = 5;
/// Supplemental enhancement information.
pub const SEI: u8 = 6;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;
/// Access unit delimiter.
pub const DELIMITER: u8 = 9;

/// The NAL units of an Annex-B stream, without start codes and trailing zeros.
pub fn nals(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(annex_b).map(|(_, after)| after);
    std::iter::from_fn(move || {
        loop {
            let unit = rest?;
            let end = match start_code(unit) {
                Some((end, after)) => {
                    rest = Some(after);
                    end
                }
                None => {
                    rest = None;
                    unit.len()
                }
            };
            let unit = trim_zeros(unit.get(..end)?);
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    })
}

/// The offset of the first `00 00 01` and what follows it.
fn start_code(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let at = find_start_code(bytes)?;
    Some((at, bytes.get(at + 3..)?))
}

/// The offset of the first `00 00 01`.
pub fn find_start_code(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match bytes.get(at..at + 3)? {
            [0, 0, 1] => return Some(at),
            [_, _, 0] => at += 1,
            [_, _, 1] => at += 3,
            _ => at += 3,
        }
    }
}

fn trim_zeros(unit: &[u8]) -> &[u8] {
    let end = unit
        .iter()
        .rposition(|&b| b != 0)
        .map_or(0, |last| last + 1);
    unit.get(..end).unwrap_or_default()
}

/// `nal_unit_type`; 0 (unspecified) for an empty unit.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

/// Whether a unit is a slice of a picture.
pub fn is_slice(nal: &[u8]) -> bool {
    matches!(nal_type(nal), SLICE | PARTITION_A | IDR)
}

/// Appends a unit with a four-byte start code.
pub fn append(out: &mut Vec<u8>, nal: &[u8]) {
    out.extend_from_slice(&[0, 0, 0, 1]);
    out.extend_from_slice(nal);
}

/// The three bytes after the header of an SPS: `profile-level-id` of RFC 6184
/// section 8.1. `None` where this is no SPS.
pub fn profile_level_id(sps: &[u8]) -> Option<u32> {
    match sps {
        [header, profile, constraints, level, ..] if header & 0x1f == SPS => {
            Some(u32::from_be_bytes([0, *profile, *constraints, *level]))
        }
        _ => None,
    }
}

/// The start of a slice header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceStart {
    /// `first_mb_in_slice`: 0 begins a picture.
    pub first_macroblock: u32,
    /// Whether the slice may predict from two directions (a B-frame).
    pub bidirectional: bool,
}

/// Reads the start of a slice header; `None` where this is no slice.
pub fn slice_start(nal: &[u8]) -> Option<SliceStart> {
    if !is_slice(nal) {
        return None;
    }
    let mut bits = Bits::new(nal.get(1..)?);
    let first_macroblock = bits.exp_golomb()?;
    let slice_type = bits.exp_golomb()?;
    Some(SliceStart {
        first_macroblock,
        // Table 7-6: 1 and 6 are B.
        bidirectional: slice_type % 5 == 1 && slice_type < 10,
    })
}

/// The first bits of a unit's payload, emulation prevention bytes removed.
///
/// Enough for two Exp-Golomb numbers; nothing of the rest is looked at.
struct Bits {
    value: u128,
    left: u32,
}

impl Bits {
    fn new(payload: &[u8]) -> Self {
        let (mut value, mut left, mut zeros) = (0_u128, 0, 0);
        for &byte in payload {
            if left > 120 {
                break;
            }
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            value = value << 8 | u128::from(byte);
            left += 8;
        }
        Self { value, left }
    }

    fn bit(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        Some(u32::from(self.value >> self.left & 1 == 1))
    }

    /// `ue(v)` of section 9.1, at most 32 bits.
    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let mut value = 1_u64;
        for _ in 0..zeros {
            value = value << 1 | u64::from(self.bit()?);
        }
        u32::try_from(value - 1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_behind_both_start_codes() {
        let stream = [
            0xff, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 0, 1, 0x65, 0, 0, 3, 1, 0,
        ];
        let units: Vec<&[u8]> = nals(&stream).collect();
        assert_eq!(units, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 0, 0, 3, 1]]);
    }

    #[test]
    fn odd_streams_do_no_harm() {
        for stream in [
            &[][..],
            &[0],
            &[0, 0, 1],
            &[0, 0, 1, 0, 0, 1],
            &[1, 2, 3, 4],
        ] {
            assert_eq!(nals(stream).count(), 0);
        }
    }

    #[test]
    fn start_codes_are_found_at_every_offset() {
        for offset in 0..12 {
            for filler in [0xff, 0x01, 0x02] {
                let mut bytes = vec![filler; offset];
                bytes.extend([0, 0, 1, 9, 9, 9]);
                assert_eq!(find_start_code(&bytes), Some(offset), "{bytes:?}");
            }
        }
        assert_eq!(find_start_code(&[0, 0, 0, 0, 1]), Some(2));
        assert_eq!(find_start_code(&[0, 0]), None);
    }

    #[test]
    fn slice_headers_are_read() {
        // first_mb 0 (1), slice_type 5 = P (00110)
        let p = slice_start(&[0x41, 0b1001_1000, 0]).expect("a slice");
        assert_eq!((p.first_macroblock, p.bidirectional), (0, false));
        // first_mb 0 (1), slice_type 6 = B (00111)
        let b = slice_start(&[0x01, 0b1001_1100, 0]).expect("a slice");
        assert!(b.bidirectional);
        // first_mb 1 (010), slice_type 1 = B (010)
        let b = slice_start(&[0x01, 0b0100_1000]).expect("a slice");
        assert_eq!((b.first_macroblock, b.bidirectional), (1, true));
        assert_eq!(slice_start(&[0x67, 0x42, 0, 0x1e]), None);
        assert_eq!(slice_start(&[0x41]), None);
        assert_eq!(slice_start(&[0x41, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn the_profile_is_that_of_the_sps() {
        assert_eq!(
            profile_level_id(&[0x67, 0x42, 0xe0, 0x1f, 0]),
            Some(0x42_e01f)
        );
        assert_eq!(profile_level_id(&[0x68, 0x42, 0xe0, 0x1f]), None);
        assert_eq!(profile_level_id(&[0x67, 0x42]), None);
    }
}
