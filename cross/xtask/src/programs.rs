//! The two programs while they run: what they say, whether they live, how they are ended.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// How long a program may take to say goodbye before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A line of a program, as it came.
pub(crate) struct Said {
    pub(crate) program: &'static str,
    pub(crate) stdout: bool,
    pub(crate) line: String,
}

/// A program that was started here, and ends with this value.
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    ended: Option<ExitStatus>,
}

impl Program {
    /// Starts `command` in a process group of its own, so that the terminal's Ctrl-C does not reach
    /// it past us: who stops first matters.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        said: &Sender<Said>,
    ) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(Failure::io(format!(
                "cannot start {}",
                command.get_program().display()
            )))?;
        if let Some(pipe) = child.stdout.take() {
            listen(name, true, pipe, said.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            listen(name, false, pipe, said.clone());
        }
        Ok(Self {
            name,
            child,
            ended: None,
        })
    }

    /// How the program ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
            .map(|status| match (status.code(), status.signal()) {
                (Some(0), _) => format!("{} ended by itself", self.name),
                (Some(code), _) => format!("{} ended with exit code {code}", self.name),
                (None, Some(signal)) => format!("{} was ended by signal {signal}", self.name),
                (None, None) => format!("{} ended", self.name),
            })
    }

    /// Asks the program to end, waits, and kills it if it does not.
    pub(crate) fn end(&mut self) {
        if self.ended().is_some() {
            return;
        }
        // The standard library sends no other signal than KILL.
        let pid = self.child.id().to_string();
        let _ = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &pid])
            .status();
        let asked = Instant::now();
        while self.ended().is_none() {
            if asked.elapsed() > PATIENCE {
                eprintln!(
                    "{} did not end in {} s: killed",
                    self.name,
                    PATIENCE.as_secs()
                );
                let _ = self.child.kill();
                self.ended = self.child.wait().ok();
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen(
    program: &'static str,
    stdout: bool,
    pipe: impl Read + Send + 'static,
    said: Sender<Said>,
) {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while let Ok(1..) = pipe.read_until(b'\n', &mut bytes) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if said
                .send(Said {
                    program,
                    stdout,
                    line,
                })
                .is_err()
            {
                break;
            }
            bytes.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_program_is_asked_to_end_and_says_goodbye() {
        let (said, lines) = mpsc::channel();
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
        ]);
        let mut program = Program::start("shell", shell, &said).expect("sh starts");
        assert_eq!(lines.recv().expect("a line").line, "ready");
        assert!(program.ended().is_none());
        program.end();
        assert_eq!(lines.recv().expect("a line").line, "goodbye");
        assert_eq!(program.ended().as_deref(), Some("shell ended by itself"));
    }

    #[test]
    fn an_exit_code_is_told() {
        let (said, _lines) = mpsc::channel();
        let mut shell = Command::new("sh");
        shell.args(["-c", "exit 7"]);
        let mut program = Program::start("shell", shell, &said).expect("sh starts");
        while program.ended().is_none() {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(
            program.ended().as_deref(),
            Some("shell ended with exit code 7")
        );
    }
}
