//! H.264 out of an MP4 or QuickTime file (ISO/IEC 14496-12 and -15).
//!
//! Only the index (`moov`) is held in memory, and of that only the tables of
//! the picture track; the pictures are read one by one.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::time::Duration;

use mp4_atom::{
    Atom, Co64, Codec, Ctts, Decode, FourCC, Hdlr, Header, Mdhd, ReadFrom, Stco, Stsc, Stsd, Stsz,
    Stts,
};
use transom_rtc_proto::codec::h264::Avcc as AvccUnits;

use super::samples::{Cursor, SampleTable, reorders};
use super::{FileErrorReason, Reason};
use crate::source::access_unit::{AccessUnit, Assembler};

/// An index beyond this is no recording of a camera (a day of 60 pictures a
/// second needs 20 MB).
const MAX_INDEX: u64 = 64 * 1024 * 1024;
/// A picture beyond this is damage.
const MAX_PICTURE: u32 = 8 * 1024 * 1024;
/// Boxes at the top of a file; more means that something else was opened.
const MAX_BOXES: usize = 100_000;

/// The picture track of a file.
#[derive(Debug)]
pub(super) struct Mp4 {
    file: BufReader<File>,
    file_len: u64,
    /// A sample lies beyond the end of the file.
    cut_off: bool,
    table: SampleTable,
    cursor: Cursor,
    timescale: u32,
    length_size: u8,
    assembler: Assembler,
    /// The sets of the container, to begin anew with.
    initial: Assembler,
}

impl Mp4 {
    /// Reads the index of a file of `file_len` bytes.
    pub(super) fn open(mut file: BufReader<File>, file_len: u64) -> Reason<Self> {
        let index = read_index(&mut file, file_len)?;
        let track = picture_track(&index)?;
        Ok(Self {
            file,
            file_len,
            cut_off: track.table.reaches_beyond(file_len),
            table: track.table,
            cursor: Cursor::default(),
            timescale: track.timescale,
            length_size: track.length_size,
            assembler: track.assembler.clone(),
            initial: track.assembler,
        })
    }

    /// The next picture; `None` at the end or where the file was cut off.
    pub(super) fn next_unit(&mut self) -> Reason<Option<AccessUnit>> {
        loop {
            let Some(sample) = self.cursor.next(&self.table) else {
                return Ok(None);
            };
            if sample.size > MAX_PICTURE {
                return Err(damaged("a picture's size"));
            }
            let end = sample.offset.saturating_add(u64::from(sample.size));
            if end > self.file_len {
                return Ok(None);
            }
            self.file.seek(SeekFrom::Start(sample.offset))?;
            let mut bytes = vec![0; sample.size as usize];
            self.file.read_exact(&mut bytes)?;
            let mut nals = AvccUnits::new(&bytes, self.length_size);
            let assembled = self.assembler.assemble(nals.by_ref())?;
            if !nals.remainder().is_empty() {
                return Err(damaged("a picture"));
            }
            // A sample without a picture is passed over.
            if let Some((data, key)) = assembled {
                return Ok(Some(AccessUnit {
                    data,
                    at: self.media_time(sample.time),
                    duration: self.media_time(u64::from(sample.duration)),
                    key,
                }));
            }
        }
    }

    /// Whether the file ends before its last picture.
    pub(super) fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// Back to the first picture.
    pub(super) fn rewind(&mut self) {
        self.cursor = Cursor::default();
        self.assembler = self.initial.clone();
    }

    fn media_time(&self, units: u64) -> Duration {
        let scale = u64::from(self.timescale);
        let nanos = units % scale * 1_000_000_000 / scale;
        Duration::from_secs(units / scale) + Duration::from_nanos(nanos)
    }
}

/// The body of the `moov` box.
fn read_index(file: &mut BufReader<File>, file_len: u64) -> Reason<Vec<u8>> {
    let mut at = 0_u64;
    for _ in 0..MAX_BOXES {
        file.seek(SeekFrom::Start(at))?;
        // A header that is cut off is the end.
        let header = match <Option<Header>>::read_from(file) {
            Ok(Some(header)) => header,
            Ok(None) => return Err(FileErrorReason::NoIndex),
            Err(mp4_atom::Error::Io(e)) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(FileErrorReason::NoIndex);
            }
            Err(mp4_atom::Error::Io(e)) => return Err(e.into()),
            Err(_) => return Err(damaged("a box header")),
        };
        let body = file.stream_position()?;
        let len = header
            .size
            .map_or(file_len.saturating_sub(body), |size| size as u64);
        let end = body.checked_add(len).ok_or(damaged("a box header"))?;
        if header.kind == FourCC::new(b"moov") {
            if end > file_len {
                return Err(FileErrorReason::NoIndex);
            }
            if len > MAX_INDEX {
                return Err(damaged("the size of the index"));
            }
            let mut index = vec![0; usize::try_from(len).unwrap_or(0)];
            file.read_exact(&mut index)?;
            return Ok(index);
        }
        if end >= file_len {
            return Err(FileErrorReason::NoIndex);
        }
        at = end;
    }
    Err(damaged("the list of boxes"))
}

struct Track {
    table: SampleTable,
    timescale: u32,
    length_size: u8,
    assembler: Assembler,
}

/// The first track of pictures in an index.
fn picture_track(index: &[u8]) -> Reason<Track> {
    let moov = Boxes(index);
    let mut saw_pictures = false;
    for track in moov.all(b"trak") {
        let Some(media) = track.first(b"mdia") else {
            continue;
        };
        let Some(handler) = media.first(b"hdlr") else {
            continue;
        };
        if handler.decode::<Hdlr>("hdlr")?.handler != FourCC::new(b"vide") {
            continue;
        }
        saw_pictures = true;
        let table = media
            .first(b"minf")
            .and_then(|info| info.first(b"stbl"))
            .ok_or(damaged("stbl"))?;
        let track = read_track(&media, &table)?;
        if track.table.len() > 0 {
            return Ok(track);
        }
    }
    let fragmented = moov.first(b"mvex").is_some();
    Err(match (saw_pictures, fragmented) {
        (true, true) => FileErrorReason::Fragmented,
        (true, false) => FileErrorReason::Empty,
        (false, _) => FileErrorReason::NoPictures,
    })
}

fn read_track(media: &Boxes<'_>, table: &Boxes<'_>) -> Reason<Track> {
    let required = |kind: &'static [u8; 4], part| table.first(kind).ok_or(damaged(part));
    let description = required(b"stsd", "stsd")?;
    let (length_size, assembler) = read_description(&description)?;
    if let Some(composition) = table.first(b"ctts")
        && reorders(&composition.decode::<Ctts>("ctts")?)
    {
        return Err(FileErrorReason::BFrames);
    }
    let chunk_offsets = match (table.first(b"stco"), table.first(b"co64")) {
        (Some(short), _) => {
            let offsets = short.decode::<Stco>("stco")?.entries;
            offsets.into_iter().map(u64::from).collect()
        }
        (None, Some(long)) => long.decode::<Co64>("co64")?.entries,
        (None, None) => return Err(damaged("stco")),
    };
    let header: Mdhd = media
        .first(b"mdhd")
        .ok_or(damaged("mdhd"))?
        .decode("mdhd")?;
    if header.timescale == 0 {
        return Err(damaged("mdhd"));
    }
    Ok(Track {
        table: SampleTable {
            times: required(b"stts", "stts")?.decode::<Stts>("stts")?,
            chunks: required(b"stsc", "stsc")?.decode::<Stsc>("stsc")?,
            sizes: required(b"stsz", "stsz")?.decode::<Stsz>("stsz")?,
            chunk_offsets,
        },
        timescale: header.timescale,
        length_size,
        assembler,
    })
}

/// The length of the lengths, and the parameter sets.
fn read_description(description: &Boxes<'_>) -> Reason<(u8, Assembler)> {
    // Version and flags, the number of entries, the first entry's size and kind.
    let kind = match description.0 {
        [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d, ..] => [*a, *b, *c, *d],
        _ => return Err(damaged("stsd")),
    };
    if !matches!(&kind, b"avc1" | b"avc3") {
        return Err(FileErrorReason::NotH264 {
            codec: codec_name(kind),
        });
    }
    let avcc = match description
        .decode::<Stsd>("stsd")?
        .codecs
        .into_iter()
        .next()
    {
        Some(Codec::Avc1(entry)) => entry.avcc,
        Some(Codec::Avc3(entry)) => entry.avcc,
        _ => return Err(damaged("stsd")),
    };
    let mut sets = avcc.sequence_parameter_sets;
    sets.extend(avcc.picture_parameter_sets);
    Ok((avcc.length_size, Assembler::new(sets)))
}

fn codec_name(kind: [u8; 4]) -> String {
    let name = match &kind {
        b"hvc1" | b"hev1" => "H.265 (HEVC)",
        b"av01" => "AV1",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"mp4v" => "MPEG-4 Visual",
        b"jpeg" | b"mjpa" | b"mjpb" => "Motion JPEG",
        b"s263" | b"h263" => "H.263",
        b"encv" => "encrypted",
        other => {
            let shown = other.map(|b| if b.is_ascii_graphic() { b } else { b'.' });
            return format!(
                "of the unknown kind `{}`",
                shown.map(char::from).iter().collect::<String>()
            );
        }
    };
    name.to_owned()
}

fn damaged(part: &'static str) -> FileErrorReason {
    FileErrorReason::Damaged { part }
}

/// The boxes inside a box.
#[derive(Clone, Copy)]
struct Boxes<'a>(&'a [u8]);

impl<'a> Boxes<'a> {
    fn first(&self, kind: &'static [u8; 4]) -> Option<Self> {
        self.all(kind).next()
    }

    /// The boxes of a kind, up to the first whose header is damaged.
    fn all(&self, kind: &'static [u8; 4]) -> impl Iterator<Item = Self> + use<'a> {
        let mut rest = self.0;
        let boxes = std::iter::from_fn(move || {
            let header = Header::decode(&mut rest).ok()?;
            let (body, after) = rest.split_at_checked(header.size.unwrap_or(rest.len()))?;
            rest = after;
            Some((header.kind, Self(body)))
        });
        boxes
            .filter(move |(found, _)| *found == FourCC::new(kind))
            .map(|(_, body)| body)
    }

    fn decode<T: Atom>(&self, part: &'static str) -> Reason<T> {
        T::decode_body(&mut { self.0 }).map_err(|_| damaged(part))
    }
}
