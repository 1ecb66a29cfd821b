//! Access units as WebRTC wants them, out of recordings and cameras.

use std::time::Duration;

use transom_rtc_proto::codec::h264::{NalType, START_CODE, SliceHeader, SliceType};

/// Parameter sets kept of one stream; more is no camera's stream.
const MAX_SETS: usize = 32;

/// Why units are no picture that WebRTC can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A slice predicts from pictures that come later.
    #[error("the stream has B-frames")]
    BFrames,
    /// A slice begins with nonsense.
    #[error("a slice header is damaged")]
    SliceHeader,
}

/// One picture of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// Annex-B form, parameter sets in front of an IDR picture.
    pub data: Vec<u8>,
    /// Media time from the first picture of the recording.
    pub at: Duration,
    /// How long the picture is shown.
    pub duration: Duration,
    /// An IDR picture.
    pub key: bool,
}

/// Puts NAL units together: repeats the parameter sets before every IDR
/// picture, leaves out what only matters in files, and refuses B-slices.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    /// SPS and PPS, as they came last.
    sets: Vec<Vec<u8>>,
}

impl Assembler {
    /// An assembler that knows the parameter sets of the container.
    pub fn new(sets: Vec<Vec<u8>>) -> Self {
        Self { sets }
    }

    /// The Annex-B form of the units of one picture and whether it is an IDR;
    /// `None` where there is no picture among them.
    pub fn assemble<'a>(
        &mut self,
        nals: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<(Vec<u8>, bool)>, UnitError> {
        let mut pictures = Vec::new();
        let (mut key, mut has_slice, mut own_sets) = (false, false, false);
        for nal in nals {
            match NalType::of(nal) {
                Some(NalType::Sps | NalType::Pps) => {
                    if !own_sets {
                        own_sets = true;
                        self.keep_other_kinds(nal);
                    }
                    self.keep(nal);
                    continue;
                }
                Some(NalType::Slice | NalType::PartitionA | NalType::Idr) => {
                    let header = SliceHeader::parse(nal).ok_or(UnitError::SliceHeader)?;
                    if header.slice_type == SliceType::B {
                        return Err(UnitError::BFrames);
                    }
                    has_slice = true;
                    key |= NalType::of(nal) == Some(NalType::Idr);
                }
                Some(NalType::Sei | NalType::Other(_)) => {}
                // Delimiters, fillers and ends mean nothing in RTP.
                _ => continue,
            }
            append(&mut pictures, nal);
        }
        if !has_slice {
            return Ok(None);
        }
        let repeat = key || own_sets;
        let mut data = Vec::with_capacity(pictures.len() + 128);
        if repeat {
            for set in &self.sets {
                append(&mut data, set);
            }
        }
        data.extend_from_slice(&pictures);
        let complete = [NalType::Sps, NalType::Pps]
            .iter()
            .all(|kind| self.sets.iter().any(|set| NalType::of(set) == Some(*kind)));
        Ok(Some((data, key && complete)))
    }

    /// A picture that brings a new SPS brings all sets it needs.
    fn keep_other_kinds(&mut self, nal: &[u8]) {
        if NalType::of(nal) == Some(NalType::Sps) {
            self.sets.clear();
        }
    }

    fn keep(&mut self, nal: &[u8]) {
        let known = self.sets.iter().any(|set| set == nal);
        if !known && self.sets.len() < MAX_SETS {
            self.sets.push(nal.to_vec());
        }
    }
}

fn append(out: &mut Vec<u8>, nal: &[u8]) {
    out.extend_from_slice(&START_CODE);
    out.extend_from_slice(nal);
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_proto::codec::h264::AnnexB;

    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 1];
    const PPS: &[u8] = &[0x68, 0xce, 1];
    const IDR: &[u8] = &[0x65, 0x88, 0x84, 1];
    const P: &[u8] = &[0x41, 0x9a, 0x23, 1];
    const B: &[u8] = &[0x01, 0x9e, 0x41, 1];
    const DELIMITER: &[u8] = &[0x09, 0xf0];

    fn assemble(assembler: &mut Assembler, nals: &[&[u8]]) -> Option<(Vec<Vec<u8>>, bool)> {
        let unit = assembler.assemble(nals.iter().copied()).expect("a unit");
        unit.map(|(data, key)| (AnnexB::new(&data).map(<[u8]>::to_vec).collect(), key))
    }

    #[test]
    fn every_key_frame_gets_the_parameter_sets() {
        let mut assembler = Assembler::new(vec![SPS.to_vec(), PPS.to_vec()]);
        let expected = vec![SPS.to_vec(), PPS.to_vec(), IDR.to_vec()];
        assert_eq!(assemble(&mut assembler, &[IDR]), Some((expected, true)));
        assert_eq!(
            assemble(&mut assembler, &[DELIMITER, P]),
            Some((vec![P.to_vec()], false))
        );
    }

    #[test]
    fn sets_in_the_stream_replace_those_before() {
        let mut assembler = Assembler::new(vec![SPS.to_vec(), PPS.to_vec()]);
        let sps = &[0x67, 0x42, 0xc0, 0x28, 1][..];
        let expected = vec![sps.to_vec(), PPS.to_vec(), IDR.to_vec()];
        let unit = assemble(&mut assembler, &[DELIMITER, sps, PPS, IDR]);
        assert_eq!(unit, Some((expected.clone(), true)));
        assert_eq!(assemble(&mut assembler, &[IDR]), Some((expected, true)));
    }

    #[test]
    fn an_idr_without_parameter_sets_begins_nothing() {
        let unit = assemble(&mut Assembler::default(), &[IDR]);
        assert_eq!(unit, Some((vec![IDR.to_vec()], false)));
        assert_eq!(assemble(&mut Assembler::default(), &[SPS, PPS]), None);
    }

    #[test]
    fn b_slices_are_refused() {
        let refused = Assembler::default().assemble([P, B].into_iter());
        assert_eq!(refused, Err(UnitError::BFrames));
    }
}
