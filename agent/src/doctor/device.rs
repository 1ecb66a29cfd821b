//! What keeps a device from being used: its group, or another program.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use transom_rtc_doctor::Finding;
use transom_rtc_doctor::machine::{Holder, list_holders};

/// What the kernel calls us.
const OURS: &str = "transom-agent";

/// In the words of an error. They name the mend behind the last colon, but where
/// a driver failed and nobody knows why.
pub(super) fn told(error: impl fmt::Display) -> Finding {
    const MEND: &str = "unplug it and plug it in again, and see `dmesg`";
    let text = error.to_string();
    match text.contains("failed with") {
        true => Finding::fail(text, MEND),
        false => Finding::fail_told(text, ": ", MEND),
    }
}

/// A device that may not be opened.
pub(super) fn denied(path: &Path, usual_group: &str) -> Finding {
    let group = group_of(path).unwrap_or_else(|| usual_group.to_owned());
    Finding::fail(
        format!("{} may not be opened by this user", path.display()),
        format!(
            "`sudo usermod -aG {group} $USER`, then log in again (a service: SupplementaryGroups={group})"
        ),
    )
}

/// A device that is in use: by the agent, as it should be, or by others.
pub(super) fn busy(device: &str, holders: &[Holder]) -> Finding {
    match holders {
        [] => Finding::fail(
            format!("{device} is in use by another program, of another user"),
            format!("`sudo fuser -v {device}` names it; close it"),
        ),
        [us] if us.name == OURS => {
            Finding::ok(format!("{device} is in use by {us}, as it should be"))
        }
        holders => Finding::fail(
            format!("{device} is in use by {}", list_holders(holders)),
            "close that program",
        ),
    }
}

/// The name of the group that owns a device.
fn group_of(path: &Path) -> Option<String> {
    let gid = fs::metadata(path).ok()?.gid();
    // Root's own: joining that is no mend.
    if gid == 0 {
        return None;
    }
    name_of(&fs::read_to_string("/etc/group").ok()?, gid)
}

/// group(5): `name:password:gid:members`.
fn name_of(groups: &str, gid: u32) -> Option<String> {
    let mut lines = groups.lines();
    lines.find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    #[test]
    fn groups_are_read() {
        let groups = "root:x:0:\nnonsense\nvideo:x:44:pi\n";
        assert_eq!(name_of(groups, 44).as_deref(), Some("video"));
        assert_eq!(name_of(groups, 45), None);
    }

    #[test]
    fn only_others_are_in_the_way() {
        let holder = |name: &str| Holder {
            pid: 7,
            name: name.into(),
        };
        assert_eq!(busy("/dev/video0", &[holder(OURS)]).verdict, Verdict::Ok);
        let other = busy("/dev/video0", &[holder("motion")]);
        assert_eq!(other.verdict, Verdict::Fail);
        assert!(other.found.contains("motion (pid 7)"));
        assert_eq!(busy("/dev/video0", &[]).verdict, Verdict::Fail);
    }
}
