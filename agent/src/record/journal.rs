//! What of driving is told to the recorder.

use std::sync::{Mutex, PoisonError};

use transom_control::{Command, Report, Stamp, StopReason};
use transom_record::{ActuatorChange, LinkChange, Observer, RecordFigures, Recorder};
use transom_rtc_telemetry::Exposition;

use crate::actuator::{OutputKind, OutputState, Timing, ToActuator};

/// Takes note of what passes between data channels and actuator, where it is recorded at all. Nobody waits here.
#[derive(Debug, Default)]
pub struct Journal(Option<Book>);

#[derive(Debug)]
struct Book {
    observer: Mutex<Observer>,
    recorder: Recorder,
}

impl Journal {
    /// One that writes to `recorder`, or none.
    pub fn new(recorder: Option<Recorder>) -> Self {
        Self(recorder.map(|recorder| Book {
            observer: Mutex::default(),
            recorder,
        }))
    }

    /// A frame that came at `since` is in the actuator's socket.
    pub(crate) fn on_handed_over(&self, now: Stamp, frame: &[u8], since: Stamp) {
        self.tell(|observer| match ToActuator::parse(frame) {
            Some(ToActuator::Message(channel, _, message)) => {
                // What is none shows in what the actuator counts.
                if let Ok(command) = Command::parse(message) {
                    observer.on_command(now, channel, &command, since);
                }
            }
            Some(ToActuator::Stop(reason)) => observer.on_stop(now, reason),
            Some(ToActuator::Output(_)) | None => {}
        });
    }

    /// The agent's own stop goes to the actuator outside of the mailbox's turn.
    pub(crate) fn on_stop(&self, now: Stamp, reason: StopReason) {
        self.tell(|observer| observer.on_stop(now, reason));
    }

    /// The actuator says this to the operator.
    pub(crate) fn on_report(&self, now: Stamp, message: &[u8]) {
        self.tell(|observer| {
            if let Ok(report) = Report::parse(message) {
                observer.on_report(now, &report);
            }
        });
    }

    pub(crate) fn on_actuator(&self, now: Stamp, change: ActuatorChange, pid: u32) {
        self.tell(|observer| observer.on_actuator(now, change, pid));
    }

    pub(crate) fn on_link(&self, now: Stamp, change: LinkChange) {
        self.tell(|observer| observer.on_link(now, change));
    }

    pub(crate) fn on_output(&self, now: Stamp, kind: OutputKind, state: OutputState) {
        let state = match state {
            OutputState::Absent => "absent",
            OutputState::Off => "off",
            OutputState::On => "on",
        };
        self.tell(|observer| observer.on_output(now, kind.name(), state));
    }

    pub(crate) fn on_note(&self, now: Stamp, warning: bool, text: &str) {
        self.tell(|observer| observer.on_note(now, warning, text));
    }

    pub(crate) fn on_timing(&self, timing: &Timing) {
        let latest = timing.woke_late.lately_us.into();
        self.tell(|observer| observer.on_late(latest));
    }

    /// The agent ends, its outputs safe or not. Waits for the disk, two seconds at most.
    pub(crate) fn finish(&self, now: Stamp, safe: bool) {
        self.tell(|observer| observer.on_end(now, safe));
        if let Some(book) = &self.0 {
            book.recorder.finish();
        }
    }

    fn tell(&self, happened: impl FnOnce(&mut Observer)) {
        let Some(Book { observer, recorder }) = &self.0 else {
            return;
        };
        let mut observer = observer.lock().unwrap_or_else(PoisonError::into_inner);
        happened(&mut observer);
        while let Some((at, event)) = observer.poll_event() {
            recorder.record(at.micros(), event);
        }
    }

    pub(crate) fn write_metrics(&self, to: &mut Exposition) {
        if let Some(book) = &self.0 {
            write(book.recorder.figures(), to);
        }
    }
}

fn write(figures: &RecordFigures, to: &mut Exposition) {
    for (name, help, count) in [
        (
            "transom_agent_record_entries_total",
            "Entries written to the log of what happened.",
            figures.records(),
        ),
        (
            "transom_agent_record_bytes_total",
            "Bytes of them.",
            figures.bytes(),
        ),
        (
            "transom_agent_record_writes_total",
            "Calls by which the kernel took them.",
            figures.writes(),
        ),
        (
            "transom_agent_record_syncs_total",
            "Times that the disk itself was waited for.",
            figures.syncs(),
        ),
    ] {
        to.counter(name, help).value(count);
    }
    to.counter(
        "transom_agent_record_lost_total",
        "Entries that are not in the log: the queue was full, or the disk did not take them.",
    )
    .sample(&[("reason", "queue")], figures.lost_in_queue())
    .sample(&[("reason", "storage")], figures.lost_by_storage());
    to.gauge(
        "transom_agent_record_failing",
        "1 while the disk refuses; the program's log says why.",
    )
    .value(figures.is_failing());
}
