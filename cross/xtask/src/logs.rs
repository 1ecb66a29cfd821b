//! The programs' logs, interleaved as they come, and the moments that matter in them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::programs::{Program, Said};

/// Hears what the programs say, shows it, and notices when one ends or the user has seen enough.
pub(crate) struct Logs<'a> {
    hear: Receiver<Said>,
    stop: &'a AtomicBool,
    /// The latest lines, for a failure's explanation.
    last: VecDeque<String>,
}

impl<'a> Logs<'a> {
    pub(crate) fn new(hear: Receiver<Said>, stop: &'a AtomicBool) -> Self {
        Self {
            hear,
            stop,
            last: VecDeque::new(),
        }
    }

    /// Streams the logs until `done` says so (`true`) or the user stops it (`false`).
    pub(crate) fn until(
        &mut self,
        patience: Duration,
        programs: &mut [&mut Program],
        mut done: impl FnMut(&Said) -> bool,
    ) -> Result<bool, Failure> {
        let deadline = Instant::now() + patience;
        while !self.stop.load(Ordering::Relaxed) {
            match self.next() {
                Some(said) if done(&said) => return Ok(true),
                Some(_) => {}
                None => self.alive(programs)?,
            }
            if Instant::now() > deadline {
                return Err(self.explain(&format!("not ready after {} s", patience.as_secs())));
            }
        }
        Ok(false)
    }

    /// Streams the logs until the user stops it, the time is over, or a program ends.
    pub(crate) fn stream(
        &mut self,
        programs: &mut [&mut Program],
        ends: Option<Instant>,
    ) -> Result<(), Failure> {
        while !self.stop.load(Ordering::Relaxed) && ends.is_none_or(|ends| Instant::now() < ends) {
            if self.next().is_none() {
                self.alive(programs)?;
            }
        }
        Ok(())
    }

    fn alive(&mut self, programs: &mut [&mut Program]) -> Result<(), Failure> {
        for program in programs {
            if let Some(how) = program.ended() {
                self.rest();
                return Err(self.explain(&how));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Said> {
        match self.hear.recv_timeout(Duration::from_millis(100)) {
            Ok(said) => {
                self.show(&said);
                Some(said)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Shows what is still under way.
    pub(crate) fn rest(&mut self) {
        while self.next().is_some() {}
    }

    fn show(&mut self, said: &Said) {
        let short = said.program.trim_start_matches("transom-");
        let line = format!("{short:>5} | {}", said.line);
        println!("{line}");
        if self.last.len() == 5 {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    fn explain(&self, what: &str) -> Failure {
        let mut text = format!("{what}. The last that was heard:");
        for line in &self.last {
            text.push_str("\n  ");
            text.push_str(line);
        }
        Failure::new(text)
    }
}
