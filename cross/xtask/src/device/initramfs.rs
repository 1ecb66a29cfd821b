//! A file system in memory, as the kernel unpacks it: a cpio archive in the `newc` format
//! (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).

use std::io::{self, Write};
use std::path::Path;
use std::{collections::BTreeSet, fs};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// An archive under way. Everything in it is root's.
pub(crate) struct Initramfs<W> {
    out: W,
    next_inode: u32,
    folders: BTreeSet<String>,
}

impl<W: Write> Initramfs<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            next_inode: 1,
            folders: BTreeSet::new(),
        }
    }

    pub(crate) fn folder(&mut self, path: &str) -> io::Result<()> {
        if path.is_empty() || !self.folders.insert(path.to_owned()) {
            return Ok(());
        }
        self.parent(path)?;
        self.entry(path, FOLDER, &[])
    }

    /// A file that may be executed, with the contents of one of this machine's.
    pub(crate) fn copy(&mut self, path: &str, from: &Path) -> io::Result<()> {
        self.file(path, &fs::read(from)?)
    }

    pub(crate) fn file(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        self.parent(path)?;
        self.entry(path, PROGRAM, contents)
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn parent(&mut self, path: &str) -> io::Result<()> {
        match path.rsplit_once('/') {
            Some((folder, _)) => self.folder(folder),
            None => Ok(()),
        }
    }

    fn entry(&mut self, path: &str, mode: u32, contents: &[u8]) -> io::Result<()> {
        let too_long = |_| io::Error::other(format!("{path} is too long for an archive"));
        let size = u32::try_from(contents.len()).map_err(too_long)?;
        let name_size = u32::try_from(path.len() + 1).map_err(too_long)?;
        let header = [
            self.next_inode,
            mode,
            0, // uid
            0, // gid
            1, // links
            0, // mtime
            size,
            0, // device
            0,
            0, // device that it is
            0,
            name_size,
            0, // checksum, of another variant
        ];
        self.next_inode += 1;
        write!(self.out, "070701")?;
        for field in header {
            write!(self.out, "{field:08X}")?;
        }
        self.out.write_all(path.as_bytes())?;
        // The header is 110 bytes; name and contents are padded to four.
        self.pad(110 + path.len() + 1, 1)?;
        self.out.write_all(contents)?;
        self.pad(contents.len(), 0)
    }

    /// `least` zeros and what is missing behind `len` bytes and `least`, if they are not in `len`.
    fn pad(&mut self, len: usize, least: usize) -> io::Result<()> {
        let zeros = [0; 4];
        let missing = len.next_multiple_of(4) - len;
        self.out.write_all(&zeros[..least])?;
        self.out.write_all(&zeros[..missing])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_folders_come_first_and_once() {
        let mut archive = Initramfs::new(Vec::new());
        archive.file("bin/a", b"hello").expect("memory");
        archive.file("bin/b", b"a").expect("memory");
        let bytes = archive.finish().expect("memory");
        assert_eq!(bytes.len() % 4, 0);
        let mut names = Vec::new();
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + 110) {
            assert_eq!(&header[..6], b"070701");
            let field = |n: usize| {
                let text = std::str::from_utf8(&header[6 + 8 * n..14 + 8 * n]).expect("text");
                usize::from_str_radix(text, 16).expect("a number")
            };
            let (size, name_size) = (field(6), field(11));
            let name = &bytes[at + 110..at + 110 + name_size - 1];
            assert_eq!(bytes[at + 110 + name_size - 1], 0);
            let contents = (at + 110 + name_size).next_multiple_of(4);
            names.push((
                String::from_utf8_lossy(name).into_owned(),
                bytes[contents..contents + size].to_vec(),
            ));
            at = (contents + size).next_multiple_of(4);
        }
        assert_eq!(at, bytes.len());
        let entry = |name: &str, contents: &[u8]| (name.to_owned(), contents.to_vec());
        assert_eq!(
            names,
            [
                entry("bin", b""),
                entry("bin/a", b"hello"),
                entry("bin/b", b"a"),
                entry("TRAILER!!!", b"")
            ]
        );
    }
}
