//! What commands drive: whether it could be opened. It is not: who drives has its lines.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use transom_boards_hal::LineError;
use transom_rtc_doctor::{Finding, machine};

use super::{raspberry_pi, robot};
use crate::actuator::{Board, place};
use crate::board::{DriveWiring, Outputs, Wiring};

/// What the agent calls itself to the kernel.
const OURS: &str = "transom-agent";

/// Whether the actuator could take the board.
pub(super) fn examine(board: &Board) -> Vec<Finding> {
    match board {
        Board::Sim { trace: None } => Finding::ok("a simulated robot: nothing real moves").into(),
        Board::Sim { trace: Some(path) } => trace(path).into(),
        Board::RaspberryPi(pins) => raspberry_pi::examine(Path::new("/"), pins),
        Board::Wired(wiring) => wired(wiring),
    }
}

/// Whether the edges of the simulated lines can be written down. Nothing is made, and a
/// pipe is not opened: its reader would take that for the robot, and the end for its death.
fn trace(path: &Path) -> Finding {
    const MEND: &str =
        "correct `trace` in [control] of transom-agent.toml, or let the agent's user write there";
    let shown = path.display();
    let writable = machine::may_write(path);
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Finding::fail(
            format!("`trace` names {shown}, which is a directory"),
            "name a file in it: `trace` in [control] of transom-agent.toml",
        ),
        Ok(_) if !writable => {
            Finding::fail(format!("{shown} cannot be written by this user"), MEND)
        }
        Ok(there) if there.file_type().is_fifo() => Finding::ok(format!(
            "a simulated robot; its lines are told to the pipe {shown}, whose reader must be there first"
        )),
        Ok(_) => Finding::ok(format!(
            "a simulated robot; its lines are written down in {shown}"
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            match parent.is_dir() && machine::may_write(parent) {
                true => Finding::ok(format!("a simulated robot; the first drive makes {shown}")),
                false => Finding::fail(
                    format!(
                        "{shown} is not there and cannot be made in {}",
                        parent.display()
                    ),
                    MEND,
                ),
            }
        }
        Err(error) => Finding::fail(format!("{shown}: {error}"), MEND),
    }
}

/// The lines of a board file; those that rppal has are looked at where the header is.
fn wired(wiring: &Wiring) -> Vec<Finding> {
    let mut findings = Vec::new();
    let pins = wiring.drive.as_ref().and_then(DriveWiring::pins);
    if let Some(pins) = pins.filter(|_| wiring.outputs == Outputs::Rppal) {
        findings.extend(raspberry_pi::examine(Path::new("/"), &pins));
    }
    let mut good = 0;
    for (key, line) in wiring.lines() {
        let is_the_kernels = match wiring.outputs {
            Outputs::Gpiochip => true,
            Outputs::Rppal => key.starts_with("[button]"),
            Outputs::Sim => false,
        };
        if !is_the_kernels {
            continue;
        }
        match place(wiring, line).look(key) {
            Ok(()) => good += 1,
            // As it should be, if the agent runs.
            Err(LineError::Busy { by, .. }) if by == OURS => good += 1,
            Err(error) => findings.push(Finding::fail(
                error.to_string(),
                "`transom-agent board` lists the lines and who has them; correct the board file",
            )),
        }
    }
    if let Some(program) = &wiring.program {
        findings.push(robot::program(program));
    }
    #[cfg(feature = "mavlink")]
    if let Some(mavlink) = &wiring.mavlink {
        findings.push(robot::vehicle(mavlink));
    }
    if findings.is_empty() {
        let told = format!(
            "{}: {good} lines of the kernel's are free, or the agent's",
            wiring.name
        );
        findings.push(Finding::ok(told));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    #[test]
    fn a_trace_must_have_a_place() {
        let folder = std::env::temp_dir().join(format!("transom-trace-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("edges");
        let of = |path: &Path| {
            let trace = Some(path.to_owned());
            let findings = examine(&Board::Sim { trace });
            let worst = findings.into_iter().max_by_key(|f| f.verdict);
            worst.expect("a finding")
        };
        assert_eq!(of(&file).verdict, Verdict::Ok);
        assert!(!file.exists(), "nothing is made");
        fs::write(&file, "").expect("a file");
        assert!(of(&file).found.contains("written down"));
        for (bad, word) in [
            (folder.clone(), "a directory"),
            (folder.join("no/such"), "cannot be made"),
            (file.join("below"), "edges/below"),
        ] {
            let finding = of(&bad);
            assert_eq!(finding.verdict, Verdict::Fail, "{finding:?}");
            assert!(finding.found.contains(word), "{finding:?}");
            assert!(finding.mend.is_some_and(|m| m.contains("trace")));
        }
        fs::remove_dir_all(&folder).expect("the folder goes");
    }
}
