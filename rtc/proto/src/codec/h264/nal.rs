//! NAL units in a byte stream (ITU-T H.264 annex B) and with length prefixes
//! (ISO/IEC 14496-15, "AVCC").

use super::TYPE_MASK;

/// What a byte stream puts before each NAL unit.
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Kind of a NAL unit (ITU-T H.264 table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NalType {
    /// Slice of a picture that is not IDR.
    Slice,
    /// Slice data partition A, which begins with a slice header.
    PartitionA,
    /// Slice of an IDR picture.
    Idr,
    /// Supplemental enhancement information.
    Sei,
    /// Sequence parameter set.
    Sps,
    /// Picture parameter set.
    Pps,
    /// Access unit delimiter.
    Delimiter,
    /// End of sequence.
    EndOfSequence,
    /// End of stream.
    EndOfStream,
    /// Filler data.
    Filler,
    /// Any other, or one of RFC 6184's payload structures.
    Other(u8),
}

impl NalType {
    /// The kind in the first byte of a NAL unit.
    pub const fn of_header(header: u8) -> Self {
        match header & TYPE_MASK {
            1 => Self::Slice,
            2 => Self::PartitionA,
            5 => Self::Idr,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::Delimiter,
            10 => Self::EndOfSequence,
            11 => Self::EndOfStream,
            12 => Self::Filler,
            other => Self::Other(other),
        }
    }

    /// The kind of `nal`; `None` if it is empty.
    pub fn of(nal: &[u8]) -> Option<Self> {
        nal.first().map(|header| Self::of_header(*header))
    }
}

/// The NAL units of a byte stream, without start codes and the zeros around
/// them. What comes before the first start code is passed over.
#[derive(Clone, Debug)]
pub struct AnnexB<'a> {
    /// Begins right after a start code.
    rest: Option<&'a [u8]>,
}

impl<'a> AnnexB<'a> {
    /// Iterates over `stream`.
    pub fn new(stream: &'a [u8]) -> Self {
        Self {
            rest: split_at_start_code(stream).1,
        }
    }
}

impl<'a> Iterator for AnnexB<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let (nal, rest) = split_at_start_code(self.rest?);
            self.rest = rest;
            // A NAL unit ends in a one bit: zeros behind it are the stream's.
            let len = nal.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
            if let Some(nal) = nal.get(..len).filter(|nal| !nal.is_empty()) {
                return Some(nal);
            }
        }
    }
}

/// What is before the first 00 00 01, and what is after it, if there is one.
fn split_at_start_code(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut i = 2;
    while let Some(byte) = bytes.get(i) {
        match byte {
            0 => i += 1,
            1 if bytes.get(i - 2..i) == Some(&[0, 0]) => {
                return (bytes.get(..i - 2).unwrap_or_default(), bytes.get(i + 1..));
            }
            // A start code that holds this byte would have been found: go on behind it.
            _ => i += 3,
        }
    }
    (bytes, None)
}

/// NAL units that each follow a big-endian length, as in MP4 samples.
#[derive(Clone, Debug)]
pub struct Avcc<'a> {
    rest: &'a [u8],
    length_size: usize,
}

impl<'a> Avcc<'a> {
    /// Iterates over `sample`, whose lengths are `length_size` bytes: 1 to 4.
    pub fn new(sample: &'a [u8], length_size: u8) -> Self {
        Self {
            rest: sample,
            length_size: usize::from(length_size.clamp(1, 4)),
        }
    }

    /// What is left. When the iterator ended and this is not empty, the sample is damaged.
    pub const fn remainder(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Avcc<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let (length, after) = self.rest.split_at_checked(self.length_size)?;
            let length = length.iter().fold(0, |n: u32, b| (n << 8) | u32::from(*b));
            let (nal, rest) = after.split_at_checked(usize::try_from(length).ok()?)?;
            self.rest = rest;
            if !nal.is_empty() {
                return Some(nal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn annex_b(stream: &[u8]) -> Vec<&[u8]> {
        AnnexB::new(stream).collect()
    }

    #[test]
    fn byte_streams() {
        assert_eq!(
            annex_b(&[
                0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 0, 0, 3, 2, 0, 0, 0, 0, 1, 0x65
            ]),
            [&[0x67, 1][..], &[0x68, 0, 0, 3, 2], &[0x65]]
        );
        assert_eq!(annex_b(&[9, 9, 0, 0, 1, 0x41, 0, 0]), [&[0x41]]);
        for empty in [
            &[][..],
            &[0, 0, 1],
            &[0, 0, 0, 1, 0, 0, 1],
            &[1, 2, 3],
            &[0; 9],
        ] {
            assert!(annex_b(empty).is_empty(), "{empty:?}");
        }
    }

    #[test]
    fn samples_of_mp4() {
        let sample = [0, 2, 0x67, 1, 0, 0, 0, 1, 0x65, 0, 9, 1];
        let mut nals = Avcc::new(&sample, 2);
        assert_eq!(nals.by_ref().collect::<Vec<_>>(), [&[0x67, 1][..], &[0x65]]);
        assert_eq!(nals.remainder(), [0, 9, 1], "a length past the end");
    }

    proptest! {
        #[test]
        fn start_codes_are_found_as_by_the_naive_search(
            stream in proptest::collection::vec(0u8..3, 0..60)
        ) {
            let mut expected = Vec::new();
            let starts: Vec<usize> = (0..stream.len().saturating_sub(2))
                .filter(|i| stream[*i..*i + 3] == [0, 0, 1])
                .collect();
            for (k, start) in starts.iter().enumerate() {
                let end = starts.get(k + 1).copied().unwrap_or(stream.len());
                let mut nal = &stream[start + 3..end.max(start + 3)];
                while let [head @ .., 0] = nal { nal = head; }
                if !nal.is_empty() { expected.push(nal); }
            }
            prop_assert_eq!(annex_b(&stream), expected);
        }

        #[test]
        fn no_sample_panics(sample: Vec<u8>, length_size: u8) {
            let mut nals = Avcc::new(&sample, length_size);
            let total: usize = nals.by_ref().map(<[u8]>::len).sum();
            prop_assert!(total + nals.remainder().len() <= sample.len());
        }
    }
}
