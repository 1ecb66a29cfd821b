//! Keeps an actuator running.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use transom_control::StopReason;

use super::figures::ActuatorEnd;
use super::link::ActuatorLink;
use super::process::ActuatorProcess;
use crate::actuator::{ActuatorConfig, FromActuator, MAX_FRAME, clock};

/// This very program, even after it was replaced on the disk.
pub(crate) const MYSELF: &str = "/proc/self/exe";
/// Twenty beacons missed: it hangs, and with it what watches the outputs. While they are armed its limit
/// is patience enough: only the next one makes the lines safe.
const SILENCE: Duration = Duration::from_secs(1);
/// Before it counts as silent: what it said while this process was itself stopped has to be read first, and a
/// timer may be told before that.
const DOUBT: Duration = Duration::from_millis(5);
/// How long it may take to make the lines safe and go.
const FAREWELL: Duration = Duration::from_millis(500);
/// Before a restart: at once, since a process that was killed may have left lines as they were, and only the
/// next one makes them safe. However often it dies.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Before that of one that never spoke, so never had the lines; each such failure doubles the pause.
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// The actuator, kept running until [`shutdown`](Self::shutdown).
#[derive(Debug)]
pub struct Control {
    link: ActuatorLink,
    ending: watch::Sender<bool>,
    task: JoinHandle<()>,
}

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

    /// The same with another program that is a `transom-agent`.
    pub fn start_program(program: PathBuf, config: ActuatorConfig) -> Self {
        let link = ActuatorLink::new();
        let (ending, ended) = watch::channel(false);
        let supervisor = Supervisor {
            program,
            config,
            link: link.clone(),
            ended,
            spoke: false,
        };
        Self {
            link,
            ending,
            task: tokio::spawn(supervisor.run()),
        }
    }

    /// The way to it.
    pub fn link(&self) -> &ActuatorLink {
        &self.link
    }

    /// Stops what moves and ends the process; done within about half a second.
    pub async fn shutdown(self) {
        self.ending.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!("the actuator's supervisor: {error}");
        }
    }
}

struct Supervisor {
    program: PathBuf,
    config: ActuatorConfig,
    link: ActuatorLink,
    ended: watch::Receiver<bool>,
    /// The present actuator has reported: it had the lines.
    spoke: bool,
}

impl Supervisor {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.spoke = false;
            match ActuatorProcess::start(&self.program, &self.config) {
                Ok(process) => {
                    if !self.attend(process).await {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!("the actuator does not start: {error}");
                    self.note_end(ActuatorEnd::NotStarted);
                }
            }
            if self.spoke {
                pause = FIRST_PAUSE;
            }
            tracing::info!("actuator: started again in {pause:?}; it wants to be armed then");
            tokio::select! {
                () = sleep(pause) => {}
                () = asked(&mut self.ended) => return,
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Passes messages until it is over; false if it is over for good.
    async fn attend(&mut self, process: ActuatorProcess) -> bool {
        self.link.shared().mailbox().clear();
        self.link.shared().figures().on_start();
        tracing::info!(pid = process.pid(), "actuator: started");
        let over = self.pass(&process).await;
        if let Over::Asked = over {
            // Named, since the end of file alone would count as a death.
            let mut mailbox = self.link.shared().mailbox();
            mailbox.clear();
            mailbox.stop(clock(), StopReason::Shutdown);
            let _ = mailbox.first().map(|frame| process.send(frame));
        }
        let limit = match over {
            // It has had its time.
            Over::Silent => Duration::ZERO,
            Over::Asked | Over::Died | Over::Failed(_) => FAREWELL,
        };
        let status = process.end(limit).await;
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        match over {
            Over::Asked => {
                tracing::info!("actuator: ended, the outputs are safe ({status})");
                return false;
            }
            Over::Died => {
                tracing::error!("actuator: died ({status})");
                self.note_end(ActuatorEnd::Died);
            }
            Over::Silent => {
                tracing::error!("actuator: it hangs, and was killed");
                self.note_end(ActuatorEnd::Silent);
            }
            Over::Failed(error) => {
                tracing::error!("actuator: {error} ({status})");
                self.note_end(ActuatorEnd::Failed);
            }
        }
        true
    }

    fn note_end(&self, end: ActuatorEnd) {
        self.link.shared().figures().on_end(end);
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
        match self.link.shared().figures().is_armed() {
            true => Duration::from_micros(self.config.kernel.limit_us).min(SILENCE),
            false => SILENCE,
        }
    }

    /// Sends what waits; true where the socket is full.
    fn flush(&self, process: &ActuatorProcess) -> io::Result<bool> {
        let mut mailbox = self.link.shared().mailbox();
        while let Some(frame) = mailbox.first() {
            if !process.send(frame)? {
                return Ok(true);
            }
            if let Some((frame, since)) = mailbox.sent() {
                let mut figures = self.link.shared().figures();
                figures.on_handed_over(clock(), &frame, since);
            }
        }
        Ok(false)
    }

    fn take(&mut self, frame: &[u8]) {
        match FromActuator::parse(frame) {
            Some(FromActuator::Message(channel, message)) => {
                self.spoke = true;
                self.link.shared().publish(channel, message);
            }
            Some(FromActuator::Note(text)) => tracing::info!("actuator: {text}"),
            Some(FromActuator::Warning(text)) => tracing::warn!("actuator: {text}"),
            None => tracing::warn!("actuator: sent what is no frame"),
        }
    }
}

/// Ready once the end is asked for; also if nobody is left to ask.
async fn asked(ended: &mut watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}
