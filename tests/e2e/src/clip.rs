//! A recorded clip, cut into pictures.

use transom_rtc_proto::codec::h264::{AnnexB, NalType};

/// The access units of a byte stream (ITU-T H.264 annex B).
pub fn access_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut units: Vec<Vec<u8>> = Vec::new();
    let mut has_slice = true;
    for nal in AnnexB::new(stream) {
        let is_slice = matches!(NalType::of(nal), Some(NalType::Slice | NalType::Idr));
        // The first slice of a picture begins with macroblock 0: a one bit.
        let first = is_slice && nal[1] & 0x80 != 0;
        if has_slice && (!is_slice || first) {
            units.push(Vec::new());
            has_slice = false;
        }
        has_slice |= is_slice;
        let unit = units.last_mut().expect("a unit");
        unit.extend([0, 0, 0, 1]);
        unit.extend(nal);
    }
    units
}
