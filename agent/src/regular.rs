//! Opens recordings: regular files, and nothing that waits for a writer.

use std::fs::{self, File, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Why a path was not opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The system refuses.
    Io(io::Error),
    /// It is of another kind, in words.
    Kind(&'static str),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens the regular file at `path`. Looked at before it is opened: opening a
/// pipe waits for its other end, for ever and deaf to signals.
pub(crate) fn open(path: &Path) -> Result<File, OpenError> {
    check(fs::metadata(path)?.file_type())?;
    let file = File::open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

fn check(kind: FileType) -> Result<(), OpenError> {
    let name = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_socket() => "a socket",
        _ if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "something else",
    };
    Err(OpenError::Kind(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_regular_files_are_opened() {
        let kind = |path: &Path| match open(path) {
            Err(OpenError::Kind(kind)) => kind,
            other => panic!("{other:?}"),
        };
        assert_eq!(kind(Path::new("/dev/null")), "a device");
        assert_eq!(kind(&std::env::temp_dir()), "a directory");
        let socket = std::env::temp_dir().join(format!("transom-socket-{}", std::process::id()));
        let listener = UnixListener::bind(&socket).expect("a socket");
        assert_eq!(kind(&socket), "a socket");
        drop(listener);
        fs::remove_file(&socket).expect("it goes");
        assert!(matches!(open(&socket), Err(OpenError::Io(_))));
        let ours = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        assert!(open(ours).is_ok());
    }

    #[test]
    fn a_pipe_without_a_writer_is_refused_at_once() {
        let pipe = std::env::temp_dir().join(format!("transom-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        let opened = open(&pipe);
        fs::remove_file(&pipe).expect("it goes");
        assert!(matches!(opened, Err(OpenError::Kind("a pipe"))));
    }
}
