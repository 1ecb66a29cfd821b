//! The first fields of a slice header (ITU-T H.264 section 7.3.3).

use super::bits::BitReader;
use super::nal::NalType;

/// How the macroblocks of a slice are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SliceType {
    /// From pictures before.
    P,
    /// From pictures before and after: it needs reordering, which WebRTC receivers do not do.
    B,
    /// From itself.
    I,
    /// Switching P.
    Sp,
    /// Switching I.
    Si,
}

/// What a slice header begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SliceHeader {
    /// Address of the first macroblock; zero begins a picture.
    pub first_macroblock: u32,
    /// The slice's type.
    pub slice_type: SliceType,
}

impl SliceHeader {
    /// Reads the header of `nal`; `None` if it is no slice, or is damaged.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        let (header, body) = nal.split_first()?;
        if !matches!(
            NalType::of_header(*header),
            NalType::Slice | NalType::PartitionA | NalType::Idr
        ) {
            return None;
        }
        let mut r = BitReader::new(body);
        let first_macroblock = r.ue()?;
        // 5 to 9 say that all slices of the picture are of that type (table 7-6).
        let slice_type = match r.ue()? {
            0 | 5 => SliceType::P,
            1 | 6 => SliceType::B,
            2 | 7 => SliceType::I,
            3 | 8 => SliceType::Sp,
            4 | 9 => SliceType::Si,
            _ => return None,
        };
        Some(Self {
            first_macroblock,
            slice_type,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind(nal: &[u8]) -> Option<SliceType> {
        SliceHeader::parse(nal).map(|h| h.slice_type)
    }

    #[test]
    fn slices_of_a_real_encoder() {
        // The beginnings of five pictures from libx264 with two B-frames, in stream order.
        assert_eq!(kind(&[0x65, 0x88, 0x84, 0x00]), Some(SliceType::I));
        assert_eq!(kind(&[0x41, 0x9a, 0x23, 0x6c]), Some(SliceType::P));
        assert_eq!(kind(&[0x41, 0x9e, 0x41, 0x78]), Some(SliceType::B));
        assert_eq!(kind(&[0x01, 0x9e, 0x62, 0x6a]), Some(SliceType::B));
    }

    #[test]
    fn first_macroblock() {
        let header = SliceHeader::parse(&[0x41, 0b0001_0111, 0b0000_0000]).unwrap();
        assert_eq!(header.first_macroblock, 10);
        assert_eq!(header.slice_type, SliceType::P);
    }

    #[test]
    fn what_is_no_slice() {
        for nal in [
            &[][..],
            &[0x67, 0x88],
            &[0x41],
            &[0x41, 0b1000_0101, 0b1000_0000],
        ] {
            assert_eq!(SliceHeader::parse(nal), None, "{nal:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(nal: std::vec::Vec<u8>) {
            if SliceHeader::parse(&nal).is_some() {
                prop_assert!(matches!(nal[0] & 0x1f, 1 | 2 | 5));
            }
        }
    }
}
