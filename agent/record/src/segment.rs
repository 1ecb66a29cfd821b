//! One file of the ring.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::frame::checksum;

/// The version of the form of files and frames.
pub const SEGMENT_VERSION: u16 = 1;
/// What a file begins with, before its first frame.
pub const HEADER_LEN: usize = 24;

const MAGIC: &[u8; 8] = b"TRANSLOG";

/// ```text
///  0  `TRANSLOG`
///  8  version    u16
/// 10  zero       u16
/// 12  number     u64
/// 20  CRC-32 of all before
/// ```
pub(crate) fn header(number: u64) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    let fields = MAGIC
        .iter()
        .copied()
        .chain(SEGMENT_VERSION.to_be_bytes())
        .chain([0, 0])
        .chain(number.to_be_bytes());
    for (to, from) in header.iter_mut().zip(fields) {
        *to = from;
    }
    let (front, sum) = header.split_at_mut(HEADER_LEN - 4);
    sum.copy_from_slice(&checksum(&[front]).to_be_bytes());
    header
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// None of ours, or damaged: frames may still be found.
    Damaged,
    /// Of a later version, which may frame otherwise.
    Version(u16),
}

pub(crate) fn check(bytes: &[u8]) -> Result<(), HeaderFault> {
    let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(HeaderFault::Damaged)?;
    let (front, sum) = header.split_at(HEADER_LEN - 4);
    if checksum(&[front]).to_be_bytes() != *sum || !front.starts_with(MAGIC) {
        return Err(HeaderFault::Damaged);
    }
    let [_, _, _, _, _, _, _, _, high, low, ..] = *header;
    match u16::from_be_bytes([high, low]) {
        SEGMENT_VERSION => Ok(()),
        other => Err(HeaderFault::Version(other)),
    }
}

/// A file of the ring and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.rec"))
}

/// The files of the ring, oldest first. What is no regular file, or is called otherwise, is none.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut all = Vec::new();
    for found in fs::read_dir(dir)? {
        let found = found?;
        let name = found.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".rec"));
        let digits = number.filter(|n| n.len() == 10 && n.bytes().all(|b| b.is_ascii_digit()));
        let Some(number) = digits.and_then(|n| n.parse().ok()) else {
            continue;
        };
        // Of the entry itself, not of what a link leads to. It may just have gone.
        let Ok(meta) = fs::symlink_metadata(found.path()) else {
            continue;
        };
        if meta.is_file() {
            let (path, bytes) = (found.path(), meta.len());
            all.push(Segment {
                number,
                path,
                bytes,
            });
        }
    }
    all.sort_by_key(|segment| segment.number);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_known_by_its_sum() {
        let mut good = header(7);
        assert_eq!(check(&good), Ok(()));
        assert_eq!(check(&good[..20]), Err(HeaderFault::Damaged));
        good[19] ^= 1;
        assert_eq!(check(&good), Err(HeaderFault::Damaged));
        let mut later = header(7);
        later[9] = 2;
        let sum = checksum(&[&later[..20]]).to_be_bytes();
        later[20..].copy_from_slice(&sum);
        assert_eq!(check(&later), Err(HeaderFault::Version(2)));
    }
}
