//! Bits of a NAL unit's payload (ITU-T H.264 sections 7.2 and 9.1).

/// Reads bits, leaving out the emulation prevention bytes.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Zero bytes read in a row.
    zeros: u8,
    current: u8,
    /// Bits of `current` not read yet.
    left: u8,
}

impl<'a> BitReader<'a> {
    /// Reads `bytes`, which follow the NAL unit's header.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            zeros: 0,
            current: 0,
            left: 0,
        }
    }

    /// u(1). Like all that follow: `None` past the end.
    pub(super) fn bit(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.current = self.next_byte()?;
            self.left = 8;
        }
        self.left -= 1;
        Some((self.current >> self.left) & 1 != 0)
    }

    /// u(n), n at most 32.
    pub(super) fn bits(&mut self, n: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..n {
            value = (value << 1) | u32::from(self.bit()?);
        }
        Some(value)
    }

    /// ue(v): at most 2^32 - 2, so no more than 31 leading zeros.
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// se(v).
    pub(super) fn se(&mut self) -> Option<i32> {
        let k = self.ue()?;
        let magnitude = (k / 2 + k % 2).cast_signed();
        Some(if k % 2 == 0 { -magnitude } else { magnitude })
    }

    fn next_byte(&mut self) -> Option<u8> {
        let (mut byte, mut rest) = self.bytes.split_first()?;
        if self.zeros >= 2 && *byte == 3 {
            (byte, rest) = rest.split_first()?;
            self.zeros = 0;
        }
        self.bytes = rest;
        self.zeros = if *byte == 0 {
            self.zeros.saturating_add(1)
        } else {
            0
        };
        Some(*byte)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exp_golomb_of_table_9_2() {
        // 1 010 011 00100 00101 00110 00111 0001000
        let bytes = [
            0b1010_0110,
            0b0100_0010,
            0b1001_1000,
            0b1110_0010,
            0b0000_0000,
        ];
        let mut r = BitReader::new(&bytes);
        for expected in 0..8 {
            assert_eq!(r.ue(), Some(expected));
        }
        let mut r = BitReader::new(&bytes);
        for expected in [0, 1, -1, 2, -2, 3, -3, 4] {
            assert_eq!(r.se(), Some(expected));
        }
    }

    #[test]
    fn emulation_prevention_is_left_out() {
        let mut r = BitReader::new(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 0xff]);
        assert_eq!(r.bits(32), Some(0x0000_0100));
        assert_eq!(r.bits(24), Some(0));
        assert_eq!(r.bits(8), Some(0xff));
        assert_eq!(r.bit(), None);
    }

    #[test]
    fn the_longest_codes() {
        let bytes = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(BitReader::new(&bytes).ue(), Some(u32::MAX - 1));
        assert_eq!(BitReader::new(&[0, 0, 0, 0, 0xff]).ue(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, kinds: Vec<u8>) {
            let mut r = BitReader::new(&bytes);
            for kind in kinds {
                match kind % 3 {
                    0 => { r.ue(); }
                    1 => { r.se(); }
                    _ => { r.bits(u32::from(kind) % 33); }
                }
            }
            prop_assert!(r.bytes.len() <= bytes.len());
        }
    }
}
