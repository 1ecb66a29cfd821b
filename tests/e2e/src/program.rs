//! One process: started, heard, and ended with the value.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Where a built program is: beside the tests, or where `TRANSOM_BIN_DIR` says.
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os("TRANSOM_BIN_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            // target/debug/deps/<test> -> target/debug
            let test = std::env::current_exe().expect("the test's own path");
            test.ancestors()
                .nth(2)
                .map(Path::to_owned)
                .expect("a folder above deps")
        });
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built: cargo build -p transom-sfu -p transom-agent",
        path.display()
    );
    path
}

/// A running process. Killed when dropped.
pub struct Program {
    child: Child,
    heard: Arc<Heard>,
    readers: Vec<JoinHandle<()>>,
}

/// How a process ended and all that it said.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// Standard output and standard error, in the order they were read.
    pub lines: Vec<String>,
}

#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
    /// Of those, the ones on standard error.
    log: Mutex<Vec<String>>,
    more: Condvar,
    deaf: AtomicBool,
}

impl Program {
    /// Starts `command` and listens to it.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        let heard = Arc::new(Heard::default());
        let stdout = child
            .stdout
            .take()
            .map(|pipe| listen(pipe, false, Arc::clone(&heard)));
        let stderr = child
            .stderr
            .take()
            .map(|pipe| listen(pipe, true, Arc::clone(&heard)));
        Self {
            child,
            heard,
            readers: stdout.into_iter().chain(stderr).collect(),
        }
    }

    /// Reads no more of what it says, or reads on. What it says fills the pipe meanwhile, and then whoever says
    /// more in there waits.
    pub fn turn_deaf(&self, deaf: bool) {
        self.heard.deaf.store(deaf, Ordering::Relaxed);
    }

    /// Waits for a line that contains `mark`.
    pub fn line(&self, mark: &str, within: Duration) -> String {
        let deadline = Instant::now() + within;
        let mut lines = self.heard.lines();
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(mark)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "no `{mark}` within {within:?}; it said:\n{}",
                lines.join("\n")
            );
            lines = self
                .heard
                .more
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until the process ends by itself.
    pub fn ended(mut self, within: Duration) -> Ended {
        let deadline = Instant::now() + within;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait for the process") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "still running after {within:?}; it said:\n{}",
                self.heard.lines().join("\n")
            );
            thread::sleep(Duration::from_millis(10));
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("reader");
        }
        let lines = self.heard.lines().clone();
        Ended { status, lines }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Asks it to end, as systemd and Ctrl-C would.
    pub fn terminate(self) -> Ended {
        let pid = self.child.id().to_string();
        let asked = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &pid])
            .status()
            .expect("sh");
        assert!(asked.success(), "kill -TERM {pid}");
        self.ended(Duration::from_secs(10))
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.heard.lines().clone()
    }

    /// Those of standard error: the log.
    pub fn log(&self) -> Vec<String> {
        let log = self.heard.log.lock();
        log.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.turn_deaf(false);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Asserts a refusal as a user should meet it: a failure code that is no panic's, and a last line
    /// that holds every one of `words`, among them what mends it.
    #[track_caller]
    pub fn refused_with(&self, words: &[&str]) {
        let said = self.lines.join("\n");
        let code = self.status.code();
        assert!(
            code.is_some_and(|code| code != 0 && code != 101),
            "{}; it said:\n{said}",
            self.status
        );
        assert!(!said.contains("panicked"), "it panicked:\n{said}");
        let message = self
            .lines
            .iter()
            .rfind(|line| !line.trim().is_empty())
            .cloned()
            .unwrap_or_default();
        for word in words {
            assert!(
                message.contains(word),
                "the message lacks `{word}`: {message}\nall of it:\n{said}"
            );
        }
        println!("{message}");
    }
}

impl Heard {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(pipe: impl Read + Send + 'static, log: bool, heard: Arc<Heard>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { break };
            while heard.deaf.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
            }
            if log {
                let log = heard.log.lock();
                log.unwrap_or_else(PoisonError::into_inner)
                    .push(line.clone());
            }
            heard.lines().push(line);
            heard.more.notify_all();
        }
    })
}
