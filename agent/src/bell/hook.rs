//! The owner's program that is told of a ring.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::figures::{BellFigures, bump};
use super::ringer::{OnRing, Ring};

/// A program that takes longer is killed.
const LONGEST: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(20);

/// Runs a program at each ring: no shell, one at a time, no longer than ten seconds. A ring that comes
/// while it still runs is not told, and counted.
#[derive(Debug)]
pub struct Hook {
    rings: SyncSender<Ring>,
    figures: Arc<BellFigures>,
}

/// Why a program cannot be run. One line, with the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// No program at all.
    #[error(
        "[bell] run is empty: give a program's path, such as [\"/usr/local/bin/ring\", \"door\"]"
    )]
    Empty,
    /// A program that would be looked for.
    #[error("[bell] run: `{}` is no absolute path: write one, such as /usr/local/bin/ring", .0.display())]
    Relative(PathBuf),
}

impl Hook {
    /// Whether the words are a program and its arguments.
    pub fn check(run: &[String]) -> Result<(), HookError> {
        match run.first().map(Path::new) {
            None => Err(HookError::Empty),
            Some(program) if !program.is_absolute() => Err(HookError::Relative(program.to_owned())),
            Some(_) => Ok(()),
        }
    }

    /// A thread that runs them.
    pub fn start(run: Vec<String>, figures: Arc<BellFigures>) -> io::Result<Self> {
        Self::start_with(run, figures, LONGEST)
    }

    fn start_with(
        run: Vec<String>,
        figures: Arc<BellFigures>,
        longest: Duration,
    ) -> io::Result<Self> {
        // It takes a ring only while nothing runs: none waits for a program that hangs.
        let (rings, next) = sync_channel(0);
        let counted = Arc::clone(&figures);
        thread::Builder::new()
            .name("bell-hook".to_owned())
            .spawn(move || serve(&run, &next, &counted, longest))?;
        Ok(Self { rings, figures })
    }
}

impl OnRing for Hook {
    fn on_ring(&mut self, ring: Ring) {
        if self.rings.try_send(ring).is_err() {
            bump(&self.figures.hooks_skipped);
            tracing::warn!("bell: the program of [bell] still runs for an earlier ring");
        }
    }
}

fn serve(run: &[String], rings: &Receiver<Ring>, figures: &BellFigures, longest: Duration) {
    let Some((program, arguments)) = run.split_first() else {
        return;
    };
    while let Ok(ring) = rings.recv() {
        let done = Command::new(program)
            .args(arguments)
            // It gets no secret of ours.
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("TRANSOM_RING", ring.number.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .and_then(|child| ended(child, longest));
        let trouble = match done {
            Ok(Some(status)) if status.success() => continue,
            Ok(Some(status)) => status.to_string(),
            Ok(None) => format!("killed after {longest:?}"),
            Err(error) => error.to_string(),
        };
        bump(&figures.hooks_failed);
        tracing::warn!("bell: {program}: {trouble}");
    }
}

/// Its end; `None` where it had to be killed.
fn ended(mut child: Child, longest: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + longest;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(STEP);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    fn until(mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(Instant::now() < deadline);
            thread::sleep(STEP);
        }
    }

    #[test]
    fn a_program_is_told_the_rings_number_and_needs_no_shell() {
        let path = std::env::temp_dir().join(format!("transom-hook-{}", std::process::id()));
        let said = path.display().to_string();
        let script = "printf %s \"$TRANSOM_RING $1\" >\"$0\"".to_owned();
        let run = ["/bin/sh", "-c", &script, &said, "a; b"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(Hook::check(&run), Ok(()));
        let mut hook = Hook::start(run, Arc::default()).expect("a thread");
        // It waits for rings soon after its start.
        thread::sleep(Duration::from_millis(200));
        hook.on_ring(Ring { number: 7 });
        until(|| std::fs::read_to_string(&path).is_ok_and(|text| text == "7 a; b"));
        std::fs::remove_file(&path).expect("its removal");
    }

    #[test]
    fn one_that_hangs_is_killed_and_takes_no_rings_meanwhile() {
        let figures = Arc::<BellFigures>::default();
        let run = ["/bin/sleep", "60"].map(str::to_owned).to_vec();
        let longest = Duration::from_millis(300);
        let mut hook = Hook::start_with(run, Arc::clone(&figures), longest).expect("a thread");
        thread::sleep(Duration::from_millis(200));
        hook.on_ring(Ring { number: 1 });
        hook.on_ring(Ring { number: 2 });
        assert_eq!(figures.hooks_skipped.load(Ordering::Relaxed), 1);
        until(|| figures.hooks_failed.load(Ordering::Relaxed) == 1);
    }

    #[test]
    fn words_that_are_no_program_are_refused_with_the_mend() {
        for run in [&[][..], &["ring".to_owned()], &["ring now; rm".to_owned()]] {
            let text = Hook::check(run).expect_err("no program").to_string();
            assert!(text.contains("/usr/local/bin/ring"), "{text}");
        }
    }
}
