//! Keeps an actuator running.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use transom_control::StopReason;

use super::figures::ActuatorEnd;
use super::hold::HoldFile;
use super::link::ActuatorLink;
use super::mailbox::is_emergency;
use super::process::ActuatorProcess;
use crate::actuator::{ActuatorConfig, FromActuator, MAX_FRAME, ToActuator, clock};
use crate::record::{ActuatorChange, Journal, Recorder};

/// This very program, even after it was replaced on the disk.
pub(crate) const MYSELF: &str = "/proc/self/exe";
/// Twenty beacons missed: it hangs, and with it what watches the outputs. While they are armed its limit
/// is patience enough: only the next one makes the lines safe.
const SILENCE: Duration = Duration::from_secs(1);
/// Until its first word each next one has twice as long, up to eight times: a board may be too slow to read it from
/// its card within a second, and one that is always killed on its way never makes anything safe.
const SLOWEST: u32 = 3;
/// Before it counts as silent: what it said while this process was itself stopped has to be read first, and a
/// timer may be told before that.
const DOUBT: Duration = Duration::from_millis(5);
/// How long it may take to make the lines safe and go.
const FAREWELL: Duration = Duration::from_millis(500);
/// Before a restart: at once, since a process that was killed may have left lines as they were, and only the
/// next one makes them safe. However often it dies.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Where one had the lines and its successors do not get them: the lines may be powered meanwhile.
const HASTE: Duration = Duration::from_millis(100);
/// Where none ever spoke, so none had the lines; each such failure doubles the pause.
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// Actuators that are started only to make the lines safe at the end, and what each may take.
const LAST_TRIES: u32 = 5;
const LAST_TRY: Duration = Duration::from_secs(1);
/// What the last note of an emergency stop may take.
const NOTED: Duration = Duration::from_secs(2);

/// The actuator, kept running until [`shutdown`](Self::shutdown).
#[derive(Debug)]
pub struct Control {
    link: ActuatorLink,
    ending: watch::Sender<bool>,
    task: JoinHandle<Result<(), MayBePowered>>,
    /// Notes on disk whether an emergency stop holds.
    noting: JoinHandle<()>,
}

/// Nothing made the outputs safe at the end; the log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MayBePowered;

impl fmt::Display for MayBePowered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "THE OUTPUTS MAY BE POWERED: no actuator made them safe; cut their power, or start transom-agent again, which makes them safe first",
        )
    }
}

impl Error for MayBePowered {}

/// Why one actuator's time was over.
enum Over {
    Asked,
    Died,
    Silent,
    Failed(io::Error),
}

impl Control {
    /// Starts it; to be called within a tokio runtime. An actuator that cannot start is tried again, and the
    /// log says why.
    pub fn start(config: ActuatorConfig) -> Self {
        Self::start_program(MYSELF.into(), config)
    }

    /// The same, and what happens is written down.
    pub fn start_recorded(config: ActuatorConfig, recorder: Recorder) -> Self {
        Self::begin(MYSELF.into(), config, Journal::new(Some(recorder)))
    }

    /// The same with another program that is a `transom-agent`.
    pub fn start_program(program: PathBuf, config: ActuatorConfig) -> Self {
        Self::begin(program, config, Journal::default())
    }

    fn begin(program: PathBuf, config: ActuatorConfig, journal: Journal) -> Self {
        let link = ActuatorLink::new(journal);
        let (ending, ended) = watch::channel(false);
        let hold_file = HoldFile::of_the_service();
        let was_held = hold_file.is_there();
        if was_held {
            tracing::warn!("an emergency stop from before holds the device: reset it to arm again");
            link.shared().figures().hold();
        }
        let (held, seen) = watch::channel(was_held);
        let noting = tokio::spawn(hold_file.follow(seen));
        let supervisor = Supervisor {
            program,
            config,
            link: link.clone(),
            ended,
            spoke: false,
            had_lines: false,
            mute: 0,
            commanded: false,
            held,
        };
        Self {
            link,
            ending,
            task: tokio::spawn(supervisor.run()),
            noting,
        }
    }

    /// The way to it.
    pub fn link(&self) -> &ActuatorLink {
        &self.link
    }

    /// Stops what moves and ends the process; done within about half a second, or some seconds where the
    /// actuator does not obey.
    pub async fn shutdown(self) -> Result<(), MayBePowered> {
        self.ending.send_replace(true);
        let safe = self.task.await.unwrap_or_else(|error| {
            tracing::error!("the actuator's supervisor: {error}");
            Err(MayBePowered)
        });
        // The supervisor is gone, so this ends with its last word; a disk that hangs is not waited for.
        if timeout(NOTED, self.noting).await.is_err() {
            tracing::warn!(
                "the disk does not answer: whether an emergency stop is noted is not known"
            );
        }
        let link = self.link;
        // It waits for a disk.
        let written = spawn_blocking(move || {
            link.shared().journal.finish(clock(), safe.is_ok());
        });
        if let Err(error) = written.await {
            tracing::error!("the end of the log of what happened: {error}");
        }
        safe
    }
}

struct Supervisor {
    program: PathBuf,
    config: ActuatorConfig,
    link: ActuatorLink,
    ended: watch::Receiver<bool>,
    /// The present actuator has reported: it had the lines.
    spoke: bool,
    /// Any of them has.
    had_lines: bool,
    /// Those in a row that were killed before their first word.
    mute: u32,
    /// Any of them was told what may power a line.
    commanded: bool,
    /// Whether an emergency stop holds the device: noted on disk.
    held: watch::Sender<bool>,
}

impl Supervisor {
    async fn run(mut self) -> Result<(), MayBePowered> {
        let mut pause = FIRST_PAUSE;
        loop {
            self.spoke = false;
            match ActuatorProcess::start(&self.program, &self.config) {
                Ok(process) => {
                    if let Some(safe) = self.attend(process).await {
                        return match safe {
                            true => Ok(()),
                            false => self.make_safe().await,
                        };
                    }
                }
                Err(error) => {
                    tracing::error!("the actuator does not start: {error}");
                    self.note_end(ActuatorEnd::NotStarted, 0);
                }
            }
            if self.spoke {
                pause = FIRST_PAUSE;
                self.mute = 0;
            }
            if self.had_lines {
                pause = pause.min(HASTE);
            }
            tracing::info!("actuator: started again in {pause:?}; it wants to be armed then");
            tokio::select! {
                () = sleep(pause) => {}
                () = asked(&mut self.ended) => return self.make_safe().await,
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// At the end, after an actuator that did not end in order: others are started, only to make safe what it
    /// may have left powered, since each does so before it sees that its socket is closed.
    async fn make_safe(&mut self) -> Result<(), MayBePowered> {
        if !self.had_lines && !self.commanded {
            return Ok(());
        }
        for _ in 0..LAST_TRIES {
            match self.last_one().await {
                Ok(status) if status.success() => {
                    tracing::info!("actuator: a last one ended, the outputs are safe");
                    return Ok(());
                }
                Ok(status) => tracing::warn!("actuator: a last one failed ({status})"),
                Err(error) => tracing::warn!("actuator: a last one failed: {error}"),
            }
            sleep(FIRST_PAUSE).await;
        }
        if !self.commanded {
            tracing::warn!("actuator: no last one got the outputs; none was switched on");
            return Ok(());
        }
        tracing::error!("{MayBePowered}");
        Err(MayBePowered)
    }

    async fn last_one(&mut self) -> io::Result<ExitStatus> {
        let process = ActuatorProcess::start(&self.program, &self.config)?;
        process.finish();
        let deadline = Instant::now() + LAST_TRY;
        let mut frame = [0; MAX_FRAME];
        // What it has to say of the board.
        while let Ok(Ok(len @ 1..)) = timeout_at(deadline, process.receive(&mut frame)).await {
            self.take(frame.get(..len).unwrap_or_default());
        }
        process.end(deadline - Instant::now()).await
    }

    /// Passes messages until it is over; where it is over for good, whether the lines are safe.
    async fn attend(&mut self, process: ActuatorProcess) -> Option<bool> {
        {
            let mut mailbox = self.link.shared().mailbox();
            let waited = mailbox.clear();
            let mut figures = self.link.shared().figures();
            if waited {
                figures.hold();
            }
            // What held the former holds this one, or was to.
            if figures.is_held() {
                mailbox.stop(clock(), StopReason::Emergency);
            }
        }
        self.note_hold();
        self.link.shared().figures().on_start();
        let pid = process.pid();
        tracing::info!(pid, "actuator: started");
        self.record(ActuatorChange::Started, pid);
        let over = self.pass(&process).await;
        if let Over::Asked = over {
            // Named, since the end of file alone would count as a death.
            let mut mailbox = self.link.shared().mailbox();
            if mailbox.clear() {
                self.link.shared().figures().hold();
                self.note_hold();
            }
            mailbox.stop(clock(), StopReason::Shutdown);
            let _ = mailbox.first().map(|frame| process.send(frame));
            let journal = &self.link.shared().journal;
            journal.on_stop(clock(), StopReason::Shutdown);
        }
        let limit = match over {
            // It has had its time.
            Over::Silent => Duration::ZERO,
            Over::Asked | Over::Died | Over::Failed(_) => FAREWELL.min(self.patience()),
        };
        let status = process.end(limit).await;
        let safe = status.as_ref().is_ok_and(ExitStatus::success);
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        match over {
            Over::Asked => {
                match safe {
                    true => {
                        tracing::info!("actuator: ended, the outputs are safe ({status})");
                        self.record(ActuatorChange::Ended, pid);
                    }
                    false => tracing::error!("actuator: did not end in order ({status})"),
                }
                return Some(safe);
            }
            Over::Died => {
                tracing::error!("actuator: died ({status})");
                self.note_end(ActuatorEnd::Died, pid);
            }
            Over::Silent => {
                tracing::error!("actuator: it hangs, and was killed");
                if !self.spoke {
                    self.mute = self.mute.saturating_add(1);
                }
                self.note_end(ActuatorEnd::Silent, pid);
            }
            Over::Failed(error) => {
                tracing::error!("actuator: {error} ({status})");
                self.note_end(ActuatorEnd::Failed, pid);
            }
        }
        None
    }

    fn note_hold(&self) {
        let is_held = self.link.shared().figures().is_held();
        self.held
            .send_if_modified(|held| std::mem::replace(held, is_held) != is_held);
    }

    fn note_end(&self, end: ActuatorEnd, pid: u32) {
        self.link.shared().figures().on_end(end);
        let change = match end {
            ActuatorEnd::NotStarted => ActuatorChange::NotStarted,
            ActuatorEnd::Died => ActuatorChange::Died,
            ActuatorEnd::Silent => ActuatorChange::Silent,
            ActuatorEnd::Failed => ActuatorChange::Failed,
        };
        self.record(change, pid);
    }

    fn record(&self, change: ActuatorChange, pid: u32) {
        let journal = &self.link.shared().journal;
        journal.on_actuator(clock(), change, pid);
    }

    async fn pass(&mut self, process: &ActuatorProcess) -> Over {
        let mut frame = [0; MAX_FRAME];
        let mut heard = Instant::now();
        let mut doubt = None;
        loop {
            let full = match self.flush(process) {
                Ok(full) => full,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Over::Died,
                Err(error) => return Over::Failed(error),
            };
            let due = doubt.unwrap_or(heard + self.patience());
            tokio::select! {
                biased;
                () = asked(&mut self.ended) => return Over::Asked,
                received = process.receive(&mut frame) => match received {
                    Ok(0) => return Over::Died,
                    Ok(len) => {
                        heard = Instant::now();
                        doubt = None;
                        self.take(frame.get(..len).unwrap_or_default());
                    }
                    Err(error) => return Over::Failed(error),
                },
                () = self.link.shared().more.notified(), if !full => {}
                writable = process.writable(), if full => {
                    if let Err(error) = writable {
                        return Over::Failed(error);
                    }
                }
                () = sleep_until(due) => match doubt {
                    Some(_) => return Over::Silent,
                    None => doubt = Some(Instant::now() + DOUBT),
                },
            }
        }
    }

    fn patience(&self) -> Duration {
        if !self.spoke {
            return SILENCE * 2_u32.pow(self.mute.min(SLOWEST));
        }
        match self.link.shared().figures().is_armed() {
            true => Duration::from_micros(self.config.kernel.limit_us).min(SILENCE),
            false => SILENCE,
        }
    }

    /// Sends what waits; true where the socket is full.
    fn flush(&mut self, process: &ActuatorProcess) -> io::Result<bool> {
        let mut mailbox = self.link.shared().mailbox();
        while let Some(frame) = mailbox.first() {
            if !matches!(ToActuator::parse(frame), Some(ToActuator::Stop(_))) {
                self.commanded = true;
            }
            if !process.send(frame)? {
                return Ok(true);
            }
            if let Some((frame, since)) = mailbox.sent() {
                let shared = self.link.shared();
                let now = clock();
                // An actuator that dies with it unread, or with its answer unsaid, is followed by one that is held.
                if is_emergency(&frame) {
                    shared.figures().hold();
                    self.note_hold();
                }
                shared.figures().on_handed_over(now, &frame, since);
                shared.journal.on_handed_over(now, &frame, since);
            }
        }
        Ok(false)
    }

    fn take(&mut self, frame: &[u8]) {
        let shared = self.link.shared();
        match FromActuator::parse(frame) {
            Some(FromActuator::Message(channel, message)) => {
                self.spoke = true;
                self.had_lines = true;
                shared.publish(channel, message);
                self.note_hold();
            }
            Some(FromActuator::Output(kind, state)) => {
                shared.figures().on_output(kind, state);
                shared.journal.on_output(clock(), kind, state);
            }
            Some(FromActuator::Timing(timing)) => {
                shared.figures().on_timing(&timing);
                shared.journal.on_timing(&timing);
            }
            Some(FromActuator::Note(text)) => {
                tracing::info!("actuator: {text}");
                shared.journal.on_note(clock(), false, text);
            }
            Some(FromActuator::Warning(text)) => {
                tracing::warn!("actuator: {text}");
                shared.journal.on_note(clock(), true, text);
            }
            None => tracing::warn!("actuator: sent what is no frame"),
        }
    }
}

/// Ready once the end is asked for; also if nobody is left to ask.
async fn asked(ended: &mut watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}
