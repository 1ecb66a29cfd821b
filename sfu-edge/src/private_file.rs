//! Files in the state directory that hold secrets: written whole or not at
//! all, readable by their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Writes `dir`/`name`, which must not be there yet: of two writers one wins,
/// and the other gets [`io::ErrorKind::AlreadyExists`].
pub(crate) fn create(dir: &Path, name: &str, contents: &str) -> io::Result<()> {
    through_draft(dir, name, contents, |draft, path| {
        match fs::hard_link(draft, path) {
            // A file system without links, such as FAT: renaming is atomic too,
            // but of two writers the last one wins.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
                ) =>
            {
                fs::rename(draft, path)
            }
            linked => linked,
        }
    })
}

/// Writes `dir`/`name`, over what is there.
pub(crate) fn replace(dir: &Path, name: &str, contents: &str) -> io::Result<()> {
    through_draft(dir, name, contents, |draft, path| fs::rename(draft, path))
}

/// The permission bits, if others than the owner have any.
pub(crate) fn exposed_mode(path: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

/// Writes a complete file under another name, and gives it its own by `publish`:
/// a reader finds all of it or nothing.
fn through_draft(
    dir: &Path,
    name: &str,
    contents: &str,
    publish: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let draft = dir.join(format!(".{name}.{}", std::process::id()));
    let published = write_draft(&draft, contents).and_then(|()| publish(&draft, &dir.join(name)));
    let _ = fs::remove_file(&draft);
    published?;
    File::open(dir)?.sync_all()
}

fn write_draft(draft: &Path, contents: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(draft)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(contents.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    #[test]
    fn the_first_writer_wins_and_only_the_owner_reads() {
        let dir = TestDir::new("private-file");
        create(dir.path(), "x", "first").unwrap();
        let second = create(dir.path(), "x", "second").unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        let path = dir.path().join("x");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(exposed_mode(&path).unwrap(), None);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(exposed_mode(&path).unwrap(), Some(0o640));
        replace(dir.path(), "x", "third").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "third");
        assert_eq!(exposed_mode(&path).unwrap(), None);
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 1, "no draft is left behind");
    }
}
