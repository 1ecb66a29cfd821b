//! One step of a long job: a command whose output is shown as it comes, with a
//! sign of life when it is silent.

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// Silence longer than this is broken by a line that says the step is still at work.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Runs `command`, showing its output; `on_line` sees each line as well.
pub(crate) fn watch(
    label: &str,
    mut command: Command,
    mut on_line: impl FnMut(&str),
) -> Result<ExitStatus, Failure> {
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::io(format!(
            "{label}: cannot start {}",
            command.get_program().display()
        )))?;
    let (lines, seen) = mpsc::channel();
    let readers = [
        child.stdout.take().map(|pipe| forward(pipe, lines.clone())),
        child.stderr.take().map(|pipe| forward(pipe, lines)),
    ];
    loop {
        match seen.recv_timeout(HEARTBEAT) {
            Ok(line) => {
                println!("{line}");
                on_line(&line);
            }
            Err(RecvTimeoutError::Timeout) => {
                println!("   … {label}: at work for {}", minutes(begun.elapsed()))
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    for reader in readers.into_iter().flatten() {
        // A reader only ends; it has nothing to tell.
        let _ = reader.join();
    }
    child.wait().map_err(Failure::io(label))
}

/// Runs `command` and asks only that it succeeds.
pub(crate) fn run(label: &str, command: Command) -> Result<(), Failure> {
    let status = watch(label, command, |_| {})?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{label}: {status}")))
    }
}

/// What a short command prints; `None` when it fails or is not there.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

pub(crate) fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02} min", seconds / 60, seconds % 60)
}

fn forward(pipe: impl Read + Send + 'static, lines: Sender<String>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = pipe.read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if lines.send(text).is_err() {
                break;
            }
            line.clear();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_both_streams_is_seen_and_the_status_kept() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; echo two >&2; printf three; exit 3"]);
        let mut lines = Vec::new();
        let status = watch("shell", shell, |line| lines.push(line.to_owned())).ok();
        lines.sort();
        assert_eq!(lines, ["one", "three", "two"]);
        assert_eq!(status.and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run("build", Command::new("/no/such/program"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/no/such/program"), "{error}");
    }
}
