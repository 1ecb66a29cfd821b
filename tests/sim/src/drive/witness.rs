//! What really happened, kept apart from the kernel: when buttons were pressed, what arrived, what moved.

use std::collections::BTreeMap;

use transom_control::{Axes, Command, Epoch, Kernel, Order, Seq, Stamp};

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Times that the device began to move.
    pub starts: u32,
    /// Microseconds from the last fresh setpoint until it stood, one a dead-man.
    pub dead_man_us: Vec<u64>,
    /// Microseconds from pressing stop until it stood, one a stop while it moved.
    pub stop_us: Vec<u64>,
    /// Microseconds of motion.
    pub moved_us: u64,
    /// Commands dropped as stale, old, or of a void epoch.
    pub dropped: (u32, u32, u32),
}

pub(super) struct Witness {
    limit: u64,
    stop_pressed: Option<u64>,
    /// By the epoch that an arm opens: when the latest such arm that arrived was sent.
    presses: BTreeMap<Epoch, u64>,
    /// When the latest stop or disarm that arrived was sent.
    stopped: Option<u64>,
    /// By arrival: setpoints that may move it.
    fresh: Option<Fresh>,
    moving_since: Option<u64>,
    findings: Findings,
}

#[derive(Clone, Copy)]
struct Fresh {
    at: u64,
    seq: Seq,
    epoch: Epoch,
    axes: Axes,
}

impl Witness {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            stop_pressed: None,
            presses: BTreeMap::new(),
            stopped: None,
            fresh: None,
            moving_since: None,
            findings: Findings::default(),
        }
    }

    pub(super) fn pressed_stop(&mut self, now: u64) {
        if self.moving_since.is_some() {
            self.stop_pressed.get_or_insert(now);
        }
    }

    /// A command arrived that was sent at `sent`.
    pub(super) fn heard(&mut self, now: u64, device: Stamp, sent: u64, command: &Command) {
        match command.order {
            // No stop can be between the press and the sending: it would have ended the repetition.
            Order::Arm { follows, .. } => {
                let pressed = self.presses.entry(follows.next().unwrap()).or_default();
                *pressed = sent.max(*pressed);
            }
            Order::Stop { .. } | Order::Disarm { .. } | Order::Emergency { .. } => {
                self.stopped = self.stopped.max(Some(sent));
            }
            Order::Setpoint {
                epoch, echo, axes, ..
            } => {
                let age = device.micros().checked_sub(echo.micros());
                let fresh = age.is_some_and(|age| age <= self.limit);
                let newer = self.fresh.is_none_or(|known| known.seq < command.seq);
                // An epoch that was silent for the limit is over.
                let lives = self
                    .fresh
                    .is_none_or(|known| known.epoch != epoch || now < known.at + self.limit);
                if fresh && newer && lives {
                    self.fresh = Some(Fresh {
                        at: now,
                        seq: command.seq,
                        epoch,
                        axes,
                    });
                }
            }
            Order::Reset { .. } | Order::Switch { .. } | Order::Ping => {}
        }
    }

    /// What the outputs have at `now`.
    pub(super) fn see(&mut self, now: u64, output: Axes) {
        if output.is_zero() {
            self.stands(now);
            return;
        }
        let fresh = self.fresh.expect("motion without any fresh setpoint");
        assert!(
            now < fresh.at + self.limit,
            "motion {} us after the last fresh setpoint",
            now - fresh.at
        );
        assert_eq!(
            output, fresh.axes,
            "motion by another than the latest fresh setpoint"
        );
        let pressed = self
            .presses
            .get(&fresh.epoch)
            .expect("motion without an arm");
        if let Some(stop) = self.stopped {
            assert!(
                stop < *pressed,
                "motion in an epoch that was armed at {pressed}, after the stop of {stop} arrived"
            );
        }
        if self.moving_since.is_none() {
            self.moving_since = Some(now);
            self.findings.starts += 1;
        }
        self.findings.moved_us += 1000;
    }

    fn stands(&mut self, now: u64) {
        if self.moving_since.take().is_none() {
            return;
        }
        if let Some(pressed) = self.stop_pressed.take() {
            self.findings.stop_us.push(now - pressed);
        } else if let Some(fresh) = self.fresh.filter(|fresh| !fresh.axes.is_zero()) {
            self.findings.dead_man_us.push(now - fresh.at);
        }
    }

    pub(super) fn findings(self, kernel: &Kernel) -> Findings {
        let counters = kernel.counters();
        Findings {
            dropped: (counters.stale, counters.old, counters.void),
            ..self.findings
        }
    }
}
