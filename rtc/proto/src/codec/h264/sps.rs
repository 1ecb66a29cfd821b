//! Sequence parameter set (ITU-T H.264 sections 7.3.2.1.1 and E.1.1).

use super::bits::BitReader;
use super::nal::NalType;

/// Largest width or height taken seriously, pixels.
const MAX_SIDE: u32 = 16_384;

/// Why a NAL unit is not a usable SPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SpsError {
    /// Another kind of NAL unit.
    #[error("NAL unit is not an SPS")]
    NotSps,
    /// It ends early, or a value is out of its range.
    #[error("malformed SPS")]
    Malformed,
}

/// What a peer wants to know of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sps {
    /// profile_idc.
    pub profile_idc: u8,
    /// constraint_set0_flag (uppermost) to constraint_set5_flag and two reserved bits.
    pub constraint_flags: u8,
    /// level_idc.
    pub level_idc: u8,
    /// Width after cropping, pixels.
    pub width: u32,
    /// Height after cropping, pixels.
    pub height: u32,
    /// Whether all pictures are progressive.
    pub progressive: bool,
    /// pic_order_cnt_type; 2 rules reordering out.
    pub pic_order_cnt_type: u8,
    /// max_num_reorder_frames, where the VUI restricts it.
    pub max_num_reorder_frames: Option<u32>,
    /// Frames a second as a fraction, where the VUI tells it.
    pub frame_rate: Option<(u32, u32)>,
}

impl Sps {
    /// Reads an SPS; `nal` begins with the NAL unit header.
    pub fn parse(nal: &[u8]) -> Result<Self, SpsError> {
        match nal.split_first() {
            Some((header, body)) if NalType::of_header(*header) == NalType::Sps => {
                parse(BitReader::new(body)).ok_or(SpsError::Malformed)
            }
            _ => Err(SpsError::NotSps),
        }
    }

    /// The value of `profile-level-id` (RFC 6184 section 8.1): profile_idc,
    /// constraint flags and level_idc.
    pub const fn profile_level_id(&self) -> u32 {
        u32::from_be_bytes([0, self.profile_idc, self.constraint_flags, self.level_idc])
    }

    /// Whether pictures may leave the decoder in another order than they
    /// enter it, as B-frames make necessary. Where the SPS leaves it open,
    /// look at the slices: [`super::SliceHeader`].
    pub fn may_reorder(&self) -> bool {
        const BASELINE: u8 = 66;
        self.profile_idc != BASELINE
            && self.pic_order_cnt_type != 2
            && self.max_num_reorder_frames != Some(0)
    }
}

fn parse(mut r: BitReader<'_>) -> Option<Sps> {
    let profile_idc = r.bits(8)? as u8;
    let constraint_flags = r.bits(8)? as u8;
    let level_idc = r.bits(8)? as u8;
    r.ue().filter(|id| *id < 32)?; // seq_parameter_set_id

    let mut chroma_array_type = 1;
    if has_chroma_format(profile_idc) {
        chroma_array_type = parse_chroma_format(&mut r)?;
    }

    r.ue().filter(|n| *n <= 12)?; // log2_max_frame_num_minus4
    let pic_order_cnt_type = r.ue().filter(|n| *n <= 2)? as u8;
    match pic_order_cnt_type {
        0 => {
            r.ue().filter(|n| *n <= 12)?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            r.bit()?; // delta_pic_order_always_zero_flag
            r.se()?; // offset_for_non_ref_pic
            r.se()?; // offset_for_top_to_bottom_field
            for _ in 0..r.ue().filter(|n| *n <= 255)? {
                r.se()?; // offset_for_ref_frame
            }
        }
        _ => {}
    }
    r.ue()?; // max_num_ref_frames
    r.bit()?; // gaps_in_frame_num_value_allowed_flag

    let width = r.ue().filter(|n| *n < MAX_SIDE / 16)? * 16 + 16;
    let map_height = r.ue().filter(|n| *n < MAX_SIDE / 16)? * 16 + 16;
    let progressive = r.bit()?; // frame_mbs_only_flag
    let height = if progressive {
        map_height
    } else {
        map_height * 2
    };
    if !progressive {
        r.bit()?; // mb_adaptive_frame_field_flag
    }
    r.bit()?; // direct_8x8_inference_flag
    let (crop_x, crop_y) = if r.bit()? {
        parse_cropping(&mut r, chroma_array_type, progressive)?
    } else {
        (0, 0)
    };

    // Encoders are known to write a VUI that ends early; the rest stands without it.
    let vui = r
        .bit()
        .filter(|present| *present)
        .map(|_| Vui::parse(r))
        .unwrap_or_default();
    Some(Sps {
        profile_idc,
        constraint_flags,
        level_idc,
        width: width.checked_sub(crop_x).filter(|w| *w > 0)?,
        height: height.checked_sub(crop_y).filter(|h| *h > 0)?,
        progressive,
        pic_order_cnt_type,
        max_num_reorder_frames: vui.max_num_reorder_frames,
        frame_rate: vui.frame_rate,
    })
}

const fn has_chroma_format(profile_idc: u8) -> bool {
    matches!(
        profile_idc,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    )
}

/// chroma_format_idc up to the scaling matrices; ChromaArrayType.
fn parse_chroma_format(r: &mut BitReader<'_>) -> Option<u32> {
    let chroma_format = r.ue().filter(|n| *n <= 3)?;
    let separate_planes = chroma_format == 3 && r.bit()?;
    r.ue().filter(|n| *n <= 6)?; // bit_depth_luma_minus8
    r.ue().filter(|n| *n <= 6)?; // bit_depth_chroma_minus8
    r.bit()?; // qpprime_y_zero_transform_bypass_flag
    if r.bit()? {
        let lists = if chroma_format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if r.bit()? {
                skip_scaling_list(r, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(if separate_planes { 0 } else { chroma_format })
}

/// Section 7.3.2.1.1.1.
fn skip_scaling_list(r: &mut BitReader<'_>, size: u32) -> Option<()> {
    let mut last = 8;
    for _ in 0..size {
        let delta = r.se().filter(|d| (-128..=127).contains(d))?;
        let next = (last + delta + 256) % 256;
        if next == 0 {
            break; // the rest repeats the last one
        }
        last = next;
    }
    Some(())
}

/// Pixels cropped from width and height (section 7.4.2.1.1, equations 7-19 to 7-22).
fn parse_cropping(
    r: &mut BitReader<'_>,
    chroma_array_type: u32,
    progressive: bool,
) -> Option<(u32, u32)> {
    let unit_x = if matches!(chroma_array_type, 1 | 2) {
        2
    } else {
        1
    };
    let unit_y = if chroma_array_type == 1 { 2 } else { 1 } * if progressive { 1 } else { 2 };
    let mut offset = || r.ue().filter(|n| *n < MAX_SIDE);
    let (left, right, top, bottom) = (offset()?, offset()?, offset()?, offset()?);
    Some(((left + right) * unit_x, (top + bottom) * unit_y))
}

#[derive(Clone, Copy, Debug, Default)]
struct Vui {
    frame_rate: Option<(u32, u32)>,
    max_num_reorder_frames: Option<u32>,
}

impl Vui {
    fn parse(mut r: BitReader<'_>) -> Self {
        let mut vui = Self::default();
        vui.read(&mut r);
        vui
    }

    /// Reads as far as it goes; `None` says that it did not go to the end.
    fn read(&mut self, r: &mut BitReader<'_>) -> Option<()> {
        const EXTENDED_SAR: u32 = 255;
        if r.bit()? && r.bits(8)? == EXTENDED_SAR {
            r.bits(32)?;
        }
        if r.bit()? {
            r.bit()?; // overscan_appropriate_flag
        }
        if r.bit()? {
            r.bits(4)?; // video_format, video_full_range_flag
            if r.bit()? {
                r.bits(24)?; // colour description
            }
        }
        if r.bit()? {
            r.ue()?; // chroma_sample_loc_type_top_field
            r.ue()?; // chroma_sample_loc_type_bottom_field
        }
        if r.bit()? {
            let units_in_tick = r.bits(32)?;
            let time_scale = r.bits(32)?;
            r.bit()?; // fixed_frame_rate_flag
            // A tick is a field: two make a frame.
            self.frame_rate = units_in_tick
                .checked_mul(2)
                .filter(|n| *n > 0 && time_scale > 0)
                .map(|n| (time_scale, n));
        }
        let nal_hrd = r.bit()?;
        if nal_hrd {
            skip_hrd(r)?;
        }
        let vcl_hrd = r.bit()?;
        if vcl_hrd {
            skip_hrd(r)?;
        }
        if nal_hrd || vcl_hrd {
            r.bit()?; // low_delay_hrd_flag
        }
        r.bit()?; // pic_struct_present_flag
        if r.bit()? {
            r.bit()?; // motion_vectors_over_pic_boundaries_flag
            for _ in 0..4 {
                r.ue()?; // bytes a picture, bits a macroblock, motion vector lengths
            }
            self.max_num_reorder_frames = Some(r.ue()?);
        }
        Some(())
    }
}

/// Section E.1.2.
fn skip_hrd(r: &mut BitReader<'_>) -> Option<()> {
    let count = r.ue().filter(|n| *n < 32)? + 1;
    r.bits(8)?; // scales
    for _ in 0..count {
        r.ue()?; // bit_rate_value_minus1
        r.ue()?; // cpb_size_value_minus1
        r.bit()?; // cbr_flag
    }
    r.bits(20)?; // lengths of delays and offsets
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by FFmpeg 9 with libx264 from its test picture.
    const BASELINE_640X480: &[u8] = &[
        0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xf6, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04,
        0x00, 0x00, 0x03, 0x00, 0xf2, 0x3c, 0x58, 0xba, 0x80,
    ];
    const HIGH_1080P25_B_FRAMES: &[u8] = &[
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00,
        0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x60, 0xc6, 0x58,
    ];
    const HIGH_422_WITH_MATRICES: &[u8] = &[
        0x67, 0x7a, 0x00, 0x0d, 0xbc, 0xd9, 0x41, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00,
        0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0x99, 0x60,
    ];
    const MAIN_HRD: &[u8] = &[
        0x67, 0x4d, 0x40, 0x0d, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
        0x00, 0x00, 0x03, 0x03, 0xc6, 0x02, 0x00, 0x1e, 0x84, 0x00, 0x07, 0xa1, 0x39, 0x30, 0xc0,
        0x1e, 0x28, 0x54, 0x90,
    ];
    const MAIN_INTERLACED_322X244: &[u8] = &[
        0x67, 0x4d, 0x40, 0x15, 0xf4, 0x0a, 0x88, 0x78, 0x89, 0x30, 0x11, 0x00, 0x00, 0x03, 0x00,
        0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x1f, 0x14, 0x2a, 0xa0,
    ];

    #[test]
    fn constrained_baseline() {
        assert_eq!(
            Sps::parse(BASELINE_640X480),
            Ok(Sps {
                profile_idc: 66,
                constraint_flags: 0xc0,
                level_idc: 30,
                width: 640,
                height: 480,
                progressive: true,
                pic_order_cnt_type: 2,
                max_num_reorder_frames: Some(0),
                frame_rate: Some((60, 2)),
            })
        );
        let sps = Sps::parse(BASELINE_640X480).unwrap();
        assert_eq!(sps.profile_level_id(), 0x42_c01e);
        assert!(!sps.may_reorder());
    }

    #[test]
    fn high_profile_with_cropping_and_b_frames() {
        let sps = Sps::parse(HIGH_1080P25_B_FRAMES).unwrap();
        assert_eq!((sps.width, sps.height), (1920, 1080));
        assert_eq!(sps.frame_rate, Some((50, 2)));
        assert_eq!(sps.max_num_reorder_frames, Some(2));
        assert!(sps.may_reorder());
    }

    #[test]
    fn scaling_matrices_and_hrd_are_passed_over() {
        for (bytes, reorder) in [(HIGH_422_WITH_MATRICES, Some(2)), (MAIN_HRD, Some(0))] {
            let sps = Sps::parse(bytes).unwrap();
            assert_eq!((sps.width, sps.height), (320, 240));
            assert_eq!(sps.frame_rate, Some((60, 2)));
            assert_eq!(sps.max_num_reorder_frames, reorder);
        }
    }

    #[test]
    fn interlaced_with_odd_sizes() {
        let sps = Sps::parse(MAIN_INTERLACED_322X244).unwrap();
        assert_eq!((sps.width, sps.height), (322, 244));
        assert!(!sps.progressive);
    }

    #[test]
    fn a_vui_that_ends_early_costs_only_the_vui() {
        let sps = Sps::parse(&BASELINE_640X480[..12]).unwrap();
        assert_eq!((sps.width, sps.height), (640, 480));
        assert_eq!(sps.frame_rate, None);
        assert!(!sps.may_reorder());
    }

    #[test]
    fn other_nals_and_stumps_are_refused() {
        assert_eq!(Sps::parse(&[]), Err(SpsError::NotSps));
        assert_eq!(Sps::parse(&[0x68, 1, 2]), Err(SpsError::NotSps));
        for len in 1..8 {
            assert_eq!(
                Sps::parse(&BASELINE_640X480[..len]),
                Err(SpsError::Malformed),
                "{len}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            profile in prop_oneof![Just(66u8), Just(100), Just(244)],
            tail in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut nal = std::vec![0x67, profile, 0, 31];
            nal.extend(tail);
            if let Ok(sps) = Sps::parse(&nal) {
                prop_assert!((1..=MAX_SIDE).contains(&sps.width));
                prop_assert!((1..=2 * MAX_SIDE).contains(&sps.height));
            }
        }
    }
}
