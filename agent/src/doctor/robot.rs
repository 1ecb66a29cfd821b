//! Robots that drive by themselves: whether they could be reached. They are told nothing.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
#[cfg(feature = "mavlink")]
use std::time::Duration;

use transom_boards_bridge::json::PATH;
#[cfg(feature = "mavlink")]
use transom_boards_bridge::mavlink::{VehicleConfig, listen};
use transom_rtc_doctor::{Finding, machine};

#[cfg(feature = "mavlink")]
use crate::actuator::open_wire;
#[cfg(feature = "mavlink")]
use crate::board::MavlinkWiring;
use crate::board::ProgramWiring;

/// A vehicle sends one heartbeat a second.
#[cfg(feature = "mavlink")]
const HEARTBEAT: Duration = Duration::from_millis(3200);

/// Whether a program could be started, or could connect.
pub(super) fn program(wired: &ProgramWiring) -> Finding {
    match (&wired.command, &wired.socket) {
        (Some(words), _) => command(words),
        (None, Some(path)) => socket(path),
        (None, None) => Finding::skipped("[program] names neither a command nor a socket"),
    }
}

fn command(words: &[String]) -> Finding {
    const MEND: &str =
        "correct `command` in [program]: the program by its path, then its arguments by theirs";
    let Some((program, arguments)) = words.split_first() else {
        return Finding::fail("`command` is empty", MEND);
    };
    let Some(path) = found(program) else {
        return Finding::fail(
            format!("`{program}` is not there, or not to be executed"),
            MEND,
        );
    };
    // What is called like a file should be one: a script.
    let missing = arguments
        .iter()
        .find(|word| word.starts_with('/') && !Path::new(word).exists());
    match missing {
        Some(word) => Finding::warn(
            format!("{word}, which `command` names, cannot be seen"),
            MEND,
        ),
        None => Finding::ok(format!(
            "{} drives, once the agent starts it",
            path.display()
        )),
    }
}

/// The file that would be started.
fn found(program: &str) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = match program.contains('/') {
        true => vec![program.into()],
        false => PATH
            .split(':')
            .map(|folder| Path::new(folder).join(program))
            .collect(),
    };
    candidates
        .into_iter()
        .find(|path| path.is_file() && machine::may_execute(path))
}

fn socket(path: &Path) -> Finding {
    const MEND: &str = "name a path in a folder of the agent's user: `socket` in [program]";
    let shown = path.display();
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => Finding::ok(format!(
            "a program may connect to {shown} while the agent runs"
        )),
        Ok(_) => Finding::fail(format!("{shown} is there and no socket"), MEND),
        Err(_) if folder.is_dir() && machine::may_write(folder) => Finding::ok(format!(
            "a program may connect to {shown}, once the agent has made it"
        )),
        Err(_) => Finding::fail(
            format!(
                "{shown} cannot be made: {} is not writable",
                folder.display()
            ),
            MEND,
        ),
    }
}

/// Whether a vehicle's heartbeat is heard. Where the agent has the port, that is the agent's to tell.
#[cfg(feature = "mavlink")]
pub(super) fn vehicle(wired: &MavlinkWiring) -> Finding {
    const MEND: &str = "check cable, baud rate or addresses in [mavlink], and that the vehicle speaks MAVLink 2 there: docs/mavlink.md";
    if wired.device.as_deref().is_some_and(is_open) {
        return Finding::skipped(format!(
            "a program of this user has {wired}: the agent's log tells of the vehicle"
        ));
    }
    let config = VehicleConfig {
        system: wired.system,
        station: wired.station,
    };
    let heard = open_wire(wired).and_then(|mut wire| listen(&mut *wire, config, HEARTBEAT));
    match heard {
        Ok(Some(kind)) => Finding::ok(format!(
            "the heartbeat of a {} is heard: {wired}",
            kind.name()
        )),
        Ok(None) => Finding::fail(
            format!("no heartbeat of a rover or copter within 3 s: {wired}"),
            MEND,
        ),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::skipped(format!(
            "a program has the port, the agent perhaps: {error}"
        )),
        Err(error) => Finding::fail(error.to_string(), MEND),
    }
}

/// Whether a process whose files this user may see has it open.
#[cfg(feature = "mavlink")]
fn is_open(device: &Path) -> bool {
    let Ok(device) = fs::canonicalize(device) else {
        return false;
    };
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    let files = folders.flat_map(|process| {
        fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten()
    });
    files
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|file| file == device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    #[test]
    fn a_program_must_be_there() {
        let of = |words: &[&str]| {
            command(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(of(&["sh", "-c", "true"]).verdict, Verdict::Ok);
        assert_eq!(
            of(&["/bin/sh", "/nonexistent/robot.py"]).verdict,
            Verdict::Warn
        );
        for bad in [
            "/nonexistent/robot",
            "transom-no-such-program",
            "/etc/passwd",
        ] {
            let finding = of(&[bad]);
            assert_eq!(finding.verdict, Verdict::Fail, "{finding:?}");
            assert!(finding.mend.is_some_and(|mend| mend.contains("command")));
        }
    }

    #[test]
    fn a_socket_must_have_a_place() {
        let of = |path: &str| socket(Path::new(path)).verdict;
        let good = std::env::temp_dir().join(format!("transom-robot-{}.sock", std::process::id()));
        assert_eq!(of(&good.display().to_string()), Verdict::Ok);
        assert_eq!(of("/nonexistent/robot.sock"), Verdict::Fail);
        assert_eq!(of("/etc/passwd"), Verdict::Fail);
    }

    #[cfg(feature = "mavlink")]
    #[test]
    fn a_vehicle_that_is_not_there_is_told() {
        let wired = MavlinkWiring {
            device: Some("/dev/ttyNONE".into()),
            baud: 57_600,
            system: 1,
            station: 255,
            ..MavlinkWiring::default()
        };
        let finding = vehicle(&wired);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(
            finding.found.contains("/dev/ttyNONE is absent"),
            "{finding:?}"
        );
    }
}
