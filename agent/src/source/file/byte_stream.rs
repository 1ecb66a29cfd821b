//! An H.264 byte stream (ITU-T H.264 annex B), cut into access units.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::time::Duration;

use transom_rtc_proto::codec::h264::{NalType, SliceHeader, Sps};

use super::{FileErrorReason, Reason};
use crate::source::access_unit::{AccessUnit, Assembler};

/// A unit beyond this is damage, or no H.264 at all.
const MAX_UNIT: usize = 8 * 1024 * 1024;
/// Units of one picture; each slice is one.
const MAX_UNITS: usize = 1024;
/// Rates outside are mistakes of a recorder (fields for frames, zero).
const RATES: std::ops::RangeInclusive<f64> = 1.0..=240.0;

/// A byte stream that is read as it is needed.
#[derive(Debug)]
pub(super) struct ByteStream {
    file: BufReader<File>,
    /// Bytes read that belong to no complete unit yet.
    pending: Vec<u8>,
    /// How far `pending` was searched for a start code.
    searched: usize,
    at_end: bool,
    /// A unit that begins the next picture.
    ahead: Option<Vec<u8>>,
    assembler: Assembler,
    /// Pictures in a number of seconds.
    rate: (u32, u32),
    /// Pictures so far.
    count: u32,
}

impl ByteStream {
    /// A stream whose rate is `fps` where it does not tell another.
    pub(super) fn new(file: BufReader<File>, fps: u32) -> Self {
        Self {
            file,
            pending: Vec::new(),
            searched: 0,
            at_end: false,
            ahead: None,
            assembler: Assembler::default(),
            rate: (fps.max(1), 1),
            count: 0,
        }
    }

    /// Back to the first picture.
    pub(super) fn rewind(&mut self) -> Reason<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.pending.clear();
        self.searched = 0;
        self.at_end = false;
        self.ahead = None;
        self.assembler = Assembler::default();
        self.count = 0;
        Ok(())
    }

    /// The next picture; `None` at the end.
    pub(super) fn next_unit(&mut self) -> Reason<Option<AccessUnit>> {
        loop {
            let nals = self.next_picture()?;
            if nals.is_empty() {
                return Ok(None);
            }
            for nal in &nals {
                if let Ok(sps) = Sps::parse(nal) {
                    self.take_rate(&sps);
                }
            }
            let assembled = self.assembler.assemble(nals.iter().map(Vec::as_slice))?;
            if let Some((data, key)) = assembled {
                let at = self.media_time(self.count);
                self.count += 1;
                return Ok(Some(AccessUnit {
                    data,
                    at,
                    duration: self.media_time(1),
                    key,
                }));
            }
        }
    }

    fn take_rate(&mut self, sps: &Sps) {
        let Some((frames, seconds)) = sps.frame_rate else {
            return;
        };
        let rate = f64::from(frames) / f64::from(seconds.max(1));
        // A change of rate within a stream would break its times: only at the
        // beginning.
        if RATES.contains(&rate) && self.count == 0 {
            self.rate = (frames.max(1), seconds.max(1));
        }
    }

    fn media_time(&self, pictures: u32) -> Duration {
        let (frames, seconds) = self.rate;
        let nanos = u128::from(pictures) * u128::from(seconds) * 1_000_000_000 / u128::from(frames);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The units of the next picture; none at the end.
    fn next_picture(&mut self) -> Reason<Vec<Vec<u8>>> {
        let mut picture: Vec<Vec<u8>> = self.ahead.take().into_iter().collect();
        let mut has_slice = picture.iter().any(|nal| is_slice(nal));
        while let Some(nal) = self.next_nal()? {
            if has_slice && begins_picture(&nal) {
                self.ahead = Some(nal);
                break;
            }
            has_slice |= is_slice(&nal);
            picture.push(nal);
            if picture.len() > MAX_UNITS {
                return Err(FileErrorReason::Damaged {
                    part: "a picture without end",
                });
            }
        }
        Ok(picture)
    }

    /// The next unit without its start code; `None` at the end.
    fn next_nal(&mut self) -> Reason<Option<Vec<u8>>> {
        loop {
            if let Some(nal) = self.cut() {
                if nal.is_empty() {
                    continue;
                }
                return Ok(Some(nal));
            }
            if self.at_end {
                // What is left is the last unit.
                let last = trimmed(&self.pending).to_vec();
                self.pending.clear();
                return Ok((!last.is_empty()).then_some(last));
            }
            if self.pending.len() > MAX_UNIT {
                return Err(FileErrorReason::Damaged {
                    part: "a unit without end",
                });
            }
            let bytes = self.file.fill_buf()?;
            let len = bytes.len();
            self.pending.extend_from_slice(bytes);
            self.file.consume(len);
            self.at_end = len == 0;
        }
    }

    /// Takes what stands before the next start code off `pending`.
    fn cut(&mut self) -> Option<Vec<u8>> {
        let unsearched = self.pending.get(self.searched..)?;
        let Some(found) = find_start_code(unsearched) else {
            // A start code may lie across the end.
            self.searched = self.pending.len().saturating_sub(2);
            return None;
        };
        let at = self.searched + found;
        let nal = trimmed(self.pending.get(..at)?).to_vec();
        self.pending.drain(..at + 3);
        self.searched = 0;
        Some(nal)
    }
}

/// The offset of the first `00 00 01`.
fn find_start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

/// Without the zeros at the end, which belong to the byte stream.
fn trimmed(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    nal.get(..end).unwrap_or_default()
}

fn is_slice(nal: &[u8]) -> bool {
    matches!(
        NalType::of(nal),
        Some(NalType::Slice | NalType::PartitionA | NalType::Idr)
    )
}

/// Whether a unit behind a slice belongs to the next picture (section 7.4.1.2.3).
fn begins_picture(nal: &[u8]) -> bool {
    match NalType::of(nal) {
        Some(NalType::Delimiter | NalType::Sps | NalType::Pps | NalType::Sei) => true,
        Some(NalType::Other(kind)) => (14..=18).contains(&kind),
        _ => SliceHeader::parse(nal).is_some_and(|header| header.first_macroblock == 0),
    }
}
