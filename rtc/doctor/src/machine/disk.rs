//! Room on a disk.

use std::path::Path;

use rustix::fs::Access;

use crate::Finding;

/// What is written is small; a full disk loses it all the same.
const SCARCE: u64 = 16 << 20;

/// Whether there is room to write where `path` is, or will be.
pub fn disk(path: &Path) -> Finding {
    let there = path.ancestors().find(|p| p.exists());
    // A relative one has nothing above that is named.
    let there = there.unwrap_or(Path::new("."));
    let stat = match rustix::fs::statvfs(there) {
        Ok(stat) => stat,
        Err(error) => {
            return Finding::skipped(format!("{} cannot be asked: {error}", there.display()));
        }
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} MiB free at {}", free >> 20, there.display());
    match free {
        _ if stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) => Finding::warn(
            format!("{} is mounted read-only", there.display()),
            "remount it (`sudo mount -o remount,rw`), or name a writable directory",
        ),
        SCARCE.. => Finding::ok(found),
        _ => Finding::warn(
            found,
            "make room: `sudo du -xh / | sort -h | tail` shows what takes it",
        ),
    }
}

/// Whether this user may write the file at `path`, or make files in the directory.
pub fn may_write(path: &Path) -> bool {
    let mut wanted = Access::WRITE_OK;
    if path.is_dir() {
        wanted |= Access::EXEC_OK;
    }
    rustix::fs::access(path, wanted).is_ok()
}

/// Whether this user may execute the file at `path`.
pub fn may_execute(path: &Path) -> bool {
    rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn a_relative_directory_is_judged_by_the_present_one() {
        let finding = disk(Path::new("not-there-yet/below"));
        assert!(finding.found.ends_with("MiB free at ."), "{finding:?}");
    }

    #[test]
    fn a_directory_to_be_made_is_judged_by_its_parent() {
        let finding = disk(&std::env::temp_dir().join("not/there/yet"));
        assert!(finding.found.contains("MiB free"), "{finding:?}");
        assert_ne!(finding.verdict, Verdict::Fail);
    }
}
