use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Check, Finding, Report, render};

/// How the report is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line a check, as they come; colour on a terminal, unless `NO_COLOR` is set.
    People,
    /// One JSON object at the end.
    Json,
}

/// Runs checks one after the other and reports them.
#[derive(Debug)]
pub struct Examination {
    format: Format,
    colour: bool,
    /// Which check runs is shown here while it does.
    progress: bool,
    report: Report,
}

impl Examination {
    /// An examination of `program`, without checks as yet.
    pub fn new(program: &'static str, program_version: &'static str, format: Format) -> Self {
        // https://no-color.org: set to anything but nothing.
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self {
            format,
            colour: format == Format::People && io::stdout().is_terminal() && !no_colour,
            progress: io::stderr().is_terminal(),
            report: Report {
                program,
                program_version,
                checks: Vec::new(),
            },
        }
    }

    /// Runs a check; what it does not say within `bound` is a failure of what
    /// it looked at.
    pub fn check<F: Into<Vec<Finding>>>(
        &mut self,
        name: &'static str,
        bound: Duration,
        examine: impl FnOnce() -> F + Send + 'static,
    ) {
        let _ = self.learn(name, bound, || (examine(), ()));
    }

    /// The same for a check that later ones build upon; `None` where it hung.
    pub fn learn<F: Into<Vec<Finding>>, T: Send + 'static>(
        &mut self,
        name: &'static str,
        bound: Duration,
        examine: impl FnOnce() -> (F, T) + Send + 'static,
    ) -> Option<T> {
        self.show_progress(name);
        let began = Instant::now();
        let (findings, learnt) = bounded(name, bound, move || {
            let (findings, learnt) = examine();
            (findings.into(), learnt)
        });
        let took = began.elapsed();
        self.clear_progress();
        for finding in findings {
            self.take(Check {
                name,
                finding,
                took,
            });
        }
        learnt
    }

    /// Takes findings that needed no running.
    pub fn note(&mut self, name: &'static str, findings: impl Into<Vec<Finding>>) {
        for finding in findings.into() {
            self.take(Check {
                name,
                finding,
                took: Duration::ZERO,
            });
        }
    }

    /// Prints what is left to print, and gives the exit status.
    pub fn conclude(self) -> ExitCode {
        let text = match self.format {
            Format::People => render::summary(&self.report),
            Format::Json => self.report.to_json() + "\n",
        };
        print(&text);
        self.report.exit_code()
    }

    fn take(&mut self, check: Check) {
        if self.format == Format::People {
            print(&render::check(&check, self.colour));
        }
        self.report.checks.push(check);
    }

    fn show_progress(&self, name: &str) {
        if self.progress {
            let _ = write!(io::stderr(), "\r...   {name}").and_then(|()| io::stderr().flush());
        }
    }

    fn clear_progress(&self) {
        if self.progress {
            let _ = write!(io::stderr(), "\r\x1b[K").and_then(|()| io::stderr().flush());
        }
    }
}

/// Runs `examine` on a thread of its own, and waits for `bound` at most. A
/// thread that hangs in a driver cannot be ended; it goes with the process.
fn bounded<T: Send + 'static>(
    name: &'static str,
    bound: Duration,
    examine: impl FnOnce() -> (Vec<Finding>, T) + Send + 'static,
) -> (Vec<Finding>, Option<T>) {
    let (sender, receiver) = mpsc::sync_channel(1);
    let spawned = thread::Builder::new().name(name.into()).spawn(move || {
        let _ = sender.send(examine());
    });
    if let Err(error) = spawned {
        let found = format!("no thread to look with: {error}");
        return (
            Finding::fail(found, "raise the limit of processes (ulimit -u)").into(),
            None,
        );
    }
    match receiver.recv_timeout(bound) {
        Ok((findings, learnt)) => (findings, Some(learnt)),
        Err(RecvTimeoutError::Timeout) => {
            let found = format!("no answer within {} s: it hangs", bound.as_secs());
            let mend = "look at what the check is about: unplug and plug in a device, restart a server, see `dmesg`";
            (Finding::fail(found, mend).into(), None)
        }
        Err(RecvTimeoutError::Disconnected) => (
            Finding::fail(
                "the check itself broke (its words stand above)",
                "this is a defect of the doctor: please report it",
            )
            .into(),
            None,
        ),
    }
}

/// Nobody reads: then nobody misses it.
fn print(text: &str) {
    let _ = io::stdout()
        .write_all(text.as_bytes())
        .and_then(|()| io::stdout().flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    fn examination() -> Examination {
        Examination::new("test", "0", Format::Json)
    }

    #[test]
    fn what_hangs_is_a_finding() {
        let mut examination = examination();
        let bound = Duration::from_millis(50);
        examination.check("camera", bound, || {
            thread::sleep(Duration::from_secs(60));
            Finding::ok("never")
        });
        examination.check("disk", bound, || Finding::ok("fine"));
        let verdicts = examination.report.checks.iter().map(|c| c.finding.verdict);
        assert_eq!(verdicts.collect::<Vec<_>>(), [Verdict::Fail, Verdict::Ok]);
        assert!(examination.report.checks[0].finding.found.contains("hangs"));
    }

    #[test]
    fn what_panics_is_a_finding() {
        let mut examination = examination();
        let learnt = examination.learn("camera", Duration::from_secs(5), || {
            if true {
                panic!("from a driver");
            }
            (Finding::ok("never"), 1)
        });
        assert_eq!(learnt, None);
        assert_eq!(examination.report.verdict(), Verdict::Fail);
    }

    #[test]
    fn what_is_learnt_is_handed_on() {
        let mut examination = examination();
        let learnt = examination.learn("token", Duration::from_secs(5), || {
            (vec![Finding::ok("a"), Finding::warn("b", "c")], 7)
        });
        assert_eq!(learnt, Some(7));
        assert_eq!(examination.report.checks.len(), 2);
    }
}
