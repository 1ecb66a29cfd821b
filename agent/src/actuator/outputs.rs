//! All that the actuator owns: what moves, and single outputs.

use transom_boards_hal::{
    Chime, Drive, DriveError, DriveSwitch, Horn, Light, LineError, Lock, Measured, Motion, Watchdog,
};
use transom_control::{AckResult, Output, Switch};

use super::frame::{OutputKind, OutputOrder, OutputState};

/// Between two meals of the watchdog, in microseconds: drivers' shortest times are some seconds.
const MEAL_US: u64 = 1_000_000;

type Ended = Result<(), LineError>;

/// Opens an output anew.
pub(super) type Opener<T> = Box<dyn Fn() -> Result<Box<T>, LineError>>;

/// An output that may be absent, now or for a while.
pub(super) struct Slot<T: ?Sized> {
    open: Opener<T>,
    device: Option<Box<T>>,
}

impl<T: ?Sized> Slot<T> {
    /// Opens it, if it can be; why not is told to `complain`.
    pub(super) fn new(open: Opener<T>, complain: &mut dyn FnMut(&LineError)) -> Self {
        let device = open().inspect_err(|error| complain(error)).ok();
        Self { open, device }
    }

    /// At the end: one that could not be opened is tried once more, since a former actuator may have left it
    /// on. What does not exist is not on.
    fn end(slot: &mut Option<Self>, off: impl FnOnce(&mut T) -> Result<(), LineError>) -> Ended {
        let Some(slot) = slot else {
            return Ok(());
        };
        match slot.get() {
            Ok(device) => off(device),
            Err(LineError::Absent { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// It, opened anew if it was absent.
    fn get(&mut self) -> Result<&mut T, LineError> {
        let device = match self.device.take() {
            Some(device) => device,
            None => (self.open)()?,
        };
        Ok(self.device.insert(device))
    }
}

/// The outputs besides what moves; those that the board has not are `None`.
#[derive(Default)]
pub(super) struct Switches {
    pub(super) lock: Option<Slot<dyn Lock>>,
    pub(super) light: Option<Slot<dyn Light>>,
    pub(super) chime: Option<Slot<dyn Chime>>,
    pub(super) horn: Option<Slot<dyn Horn>>,
    pub(super) watchdog: Option<Box<dyn Watchdog>>,
}

/// Everything.
pub(super) struct Outputs {
    pub(super) drive: Box<dyn Drive>,
    switches: Switches,
    fed_us: u64,
    /// What is to be told.
    told: Vec<Told>,
}

/// What became of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    State(OutputKind, OutputState),
    /// Why it does not do what it is told.
    Trouble(OutputKind, String),
    /// The same of what the drive switches.
    Drive(String),
}

impl Outputs {
    pub(super) fn new(drive: Box<dyn Drive>, switches: Switches) -> Self {
        Self {
            drive,
            switches,
            fed_us: 0,
            told: Vec::new(),
        }
    }

    /// Does what an operator switches, at `now_us` of CLOCK_MONOTONIC: by a line of the board, or by the
    /// drive where there is none.
    pub(super) fn switch(&mut self, now_us: u64, switch: &Switch) -> AckResult {
        let is_on = switch.value != 0;
        // What is asked for without a time lasts as long as the board lets it.
        let ms = match switch.ms {
            0 => u16::MAX,
            ms => ms,
        };
        let order = match (switch.output, is_on) {
            (Output::Lock, true) => Some(OutputOrder::Unlock { ms }),
            (Output::Lock, false) => Some(OutputOrder::Lock),
            (Output::Light, on) => Some(OutputOrder::Light(on)),
            (Output::Chime, true) => Some(OutputOrder::Chime),
            (Output::Horn, true) => Some(OutputOrder::Horn { ms }),
            (Output::Horn, false) => Some(OutputOrder::Horn { ms: 0 }),
            (Output::Chime, false) | (Output::User(_), _) => None,
        };
        match order.map(|order| self.order(now_us, order)) {
            Some(OutputState::On | OutputState::Off) => return AckResult::Done,
            // One that the board has, and that does not obey.
            Some(OutputState::Absent) if self.has(switch.output) => return AckResult::Fault,
            Some(OutputState::Absent) | None => {}
        }
        match self.drive.switch(DriveSwitch {
            output: switch.output.code(),
            value: switch.value,
            ms: switch.ms,
        }) {
            Ok(true) => AckResult::Done,
            Ok(false) => AckResult::Absent,
            Err(error) => {
                self.told.push(Told::Drive(error.to_string()));
                AckResult::Fault
            }
        }
    }

    /// Does what the agent orders, at `now_us` of CLOCK_MONOTONIC.
    pub(super) fn order(&mut self, now_us: u64, order: OutputOrder) -> OutputState {
        let kind = order.kind();
        let done = match order {
            OutputOrder::Unlock { ms } => with(&mut self.switches.lock, |lock| {
                lock.unlock(now_us, u64::from(ms) * 1000)?;
                Ok(OutputState::On)
            }),
            OutputOrder::Lock => with(&mut self.switches.lock, |lock| {
                lock.make_safe(now_us)?;
                Ok(OutputState::Off)
            }),
            OutputOrder::Light(on) => with(&mut self.switches.light, |light| {
                light.set_light(on)?;
                Ok(if on {
                    OutputState::On
                } else {
                    OutputState::Off
                })
            }),
            OutputOrder::Chime => with(&mut self.switches.chime, |chime| {
                chime.ring(now_us)?;
                Ok(OutputState::On)
            }),
            OutputOrder::Horn { ms: 0 } => with(&mut self.switches.horn, |horn| {
                horn.make_safe(now_us)?;
                Ok(OutputState::Off)
            }),
            OutputOrder::Horn { ms } => with(&mut self.switches.horn, |horn| {
                horn.sound(now_us, u64::from(ms) * 1000)?;
                Ok(OutputState::On)
            }),
        };
        let done = done.unwrap_or(Ok(OutputState::Absent));
        let state = done.clone().unwrap_or(OutputState::Absent);
        self.tell(kind, done);
        state
    }

    /// Whether the board has a line for it.
    fn has(&self, output: Output) -> bool {
        match output {
            Output::Lock => self.switches.lock.is_some(),
            Output::Light => self.switches.light.is_some(),
            Output::Chime => self.switches.chime.is_some(),
            Output::Horn => self.switches.horn.is_some(),
            Output::User(_) => false,
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        let lock = opened(&self.switches.lock).and_then(|lock| lock.poll_timeout());
        let chime = opened(&self.switches.chime).and_then(|chime| chime.poll_timeout());
        let horn = opened(&self.switches.horn).and_then(|horn| horn.poll_timeout());
        lock.into_iter().chain(chime).chain(horn).min()
    }

    /// Ends what has been on for long enough.
    pub(super) fn handle_timeout(&mut self, now_us: u64) {
        if let Some(lock) = opened_mut(&mut self.switches.lock)
            && lock.poll_timeout().is_some_and(|at| at <= now_us)
        {
            let done = lock.handle_timeout(now_us).map(|()| OutputState::Off);
            self.tell(OutputKind::Lock, done);
        }
        if let Some(chime) = opened_mut(&mut self.switches.chime)
            && chime.poll_timeout().is_some_and(|at| at <= now_us)
        {
            let done = chime.handle_timeout(now_us).map(|()| OutputState::Off);
            self.tell(OutputKind::Chime, done);
        }
        if let Some(horn) = opened_mut(&mut self.switches.horn)
            && horn.poll_timeout().is_some_and(|at| at <= now_us)
        {
            let done = horn.handle_timeout(now_us).map(|()| OutputState::Off);
            self.tell(OutputKind::Horn, done);
        }
        if now_us.saturating_sub(self.fed_us) >= MEAL_US
            && let Some(watchdog) = &mut self.switches.watchdog
        {
            self.fed_us = now_us;
            if let Err(error) = watchdog.feed() {
                self.told
                    .push(Told::Trouble(OutputKind::Watchdog, error.to_string()));
                self.switches.watchdog = None;
            }
        }
    }

    /// Locks the door and ends the noise. A light is no danger and stays.
    pub(super) fn make_safe(&mut self, now_us: u64) {
        if let Some(lock) = opened_mut(&mut self.switches.lock) {
            let was_open = lock.is_unlocked();
            let done = lock.make_safe(now_us).map(|()| OutputState::Off);
            if was_open || done.is_err() {
                self.tell(OutputKind::Lock, done);
            }
        }
        if let Some(chime) = opened_mut(&mut self.switches.chime) {
            let rang = chime.poll_timeout().is_some();
            let done = chime.make_safe(now_us).map(|()| OutputState::Off);
            if rang || done.is_err() {
                self.tell(OutputKind::Chime, done);
            }
        }
        if let Some(horn) = opened_mut(&mut self.switches.horn) {
            let sounded = horn.poll_timeout().is_some();
            let done = horn.make_safe(now_us).map(|()| OutputState::Off);
            if sounded || done.is_err() {
                self.tell(OutputKind::Horn, done);
            }
        }
    }

    /// The end, in order: all is off, and nobody starts the machine anew for it. An error where something may
    /// still be on.
    pub(super) fn end(&mut self, now_us: u64) -> Result<(), DriveError> {
        let still = self.drive.end();
        self.make_safe(now_us);
        let switches = &mut self.switches;
        let lock = Slot::end(&mut switches.lock, |lock| lock.make_safe(now_us));
        let chime = Slot::end(&mut switches.chime, |chime| chime.make_safe(now_us));
        let horn = Slot::end(&mut switches.horn, |horn| horn.make_safe(now_us));
        let light = Slot::end(&mut switches.light, |light| light.set_light(false));
        if let Some(watchdog) = &mut self.switches.watchdog {
            let _ = watchdog.disarm();
        }
        still?;
        Ok(lock.and(chime).and(horn).and(light)?)
    }

    /// What is to be told, oldest first.
    pub(super) fn poll_told(&mut self) -> Option<Told> {
        (!self.told.is_empty()).then(|| self.told.remove(0))
    }

    fn tell(&mut self, kind: OutputKind, done: Result<OutputState, LineError>) {
        match done {
            Ok(state) => self.told.push(Told::State(kind, state)),
            Err(error) => self.told.push(Told::Trouble(kind, error.to_string())),
        }
    }
}

fn with<T: ?Sized>(
    slot: &mut Option<Slot<T>>,
    act: impl FnOnce(&mut T) -> Result<OutputState, LineError>,
) -> Option<Result<OutputState, LineError>> {
    slot.as_mut().map(|slot| slot.get().and_then(act))
}

fn opened<T: ?Sized>(slot: &Option<Slot<T>>) -> Option<&T> {
    slot.as_ref().and_then(|slot| slot.device.as_deref())
}

fn opened_mut<T: ?Sized>(slot: &mut Option<Slot<T>>) -> Option<&mut T> {
    slot.as_mut().and_then(|slot| slot.device.as_deref_mut())
}

/// Where nothing moves.
pub(super) struct NoDrive;

impl Drive for NoDrive {
    fn set(&mut self, motion: Motion) -> Result<(), DriveError> {
        match motion {
            Motion::STILL => Ok(()),
            _ => Err(DriveError::Line {
                line: "the drive",
                told: "this board has none".to_owned(),
            }),
        }
    }

    fn measure(&mut self, _now_us: u64) -> Measured {
        Measured::default()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use transom_boards_hal::{Active, LockRelay, Switch};
    use transom_boards_sim::SimLine;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn states(outputs: &mut Outputs) -> Vec<Told> {
        std::iter::from_fn(|| outputs.poll_told()).collect()
    }

    fn lock_that_is_there(there: &Rc<Cell<bool>>) -> Slot<dyn Lock> {
        let there = Rc::clone(there);
        let open: Opener<dyn Lock> = Box::new(move || {
            if !there.get() {
                let what = "line 1".to_owned();
                return Err(LineError::Absent {
                    line: "the lock",
                    what,
                });
            }
            let line = SimLine::new("lock", None);
            let switch = Switch::new(line, Active::High, "the lock")?;
            Ok(Box::new(LockRelay::new(switch, 3 * SECOND)))
        });
        Slot::new(open, &mut |_| {})
    }

    #[test]
    fn a_lock_opens_for_its_time_and_locks_at_every_stop() {
        let there = Rc::new(Cell::new(true));
        let switches = Switches {
            lock: Some(lock_that_is_there(&there)),
            ..Switches::default()
        };
        let mut outputs = Outputs::new(Box::new(NoDrive), switches);
        let (on, off) = (
            Told::State(OutputKind::Lock, OutputState::On),
            Told::State(OutputKind::Lock, OutputState::Off),
        );
        outputs.order(0, OutputOrder::Unlock { ms: 60_000 });
        assert_eq!(outputs.poll_timeout(), Some(3 * SECOND));
        outputs.handle_timeout(3 * SECOND - 1);
        assert_eq!(states(&mut outputs), std::slice::from_ref(&on));
        outputs.handle_timeout(3 * SECOND);
        assert_eq!(states(&mut outputs), std::slice::from_ref(&off));
        outputs.order(4 * SECOND, OutputOrder::Unlock { ms: 1000 });
        outputs.make_safe(4 * SECOND + 1);
        outputs.make_safe(4 * SECOND + 2);
        assert_eq!(states(&mut outputs), [on.clone(), off.clone()]);
        assert_eq!(outputs.poll_timeout(), None);
        outputs.order(5 * SECOND, OutputOrder::Unlock { ms: 1000 });
        outputs.order(5 * SECOND, OutputOrder::Lock);
        assert_eq!(states(&mut outputs), [on, off]);
    }

    #[test]
    fn the_end_fails_where_a_lock_may_be_open_and_not_where_there_is_none() {
        let busy: Opener<dyn Lock> = Box::new(|| {
            Err(LineError::Busy {
                line: "the lock",
                what: "line 1".to_owned(),
                by: "transom-agent".to_owned(),
            })
        });
        let denied: Opener<dyn Lock> = Box::new(|| {
            Err(LineError::Denied {
                line: "the lock",
                what: "line 1".to_owned(),
                group: "gpio",
            })
        });
        let ends = [
            (Slot::new(busy, &mut |_| {}), false),
            (Slot::new(denied, &mut |_| {}), false),
            (lock_that_is_there(&Rc::new(Cell::new(false))), true),
            (lock_that_is_there(&Rc::new(Cell::new(true))), true),
        ];
        for (lock, safe) in ends {
            let switches = Switches {
                lock: Some(lock),
                ..Switches::default()
            };
            let mut outputs = Outputs::new(Box::new(NoDrive), switches);
            assert_eq!(outputs.end(0).is_ok(), safe);
        }
    }

    #[test]
    fn what_is_absent_is_told_and_taken_up_once_it_is_there() {
        let there = Rc::new(Cell::new(false));
        let switches = Switches {
            lock: Some(lock_that_is_there(&there)),
            ..Switches::default()
        };
        let mut outputs = Outputs::new(Box::new(NoDrive), switches);
        outputs.order(0, OutputOrder::Unlock { ms: 1000 });
        outputs.order(0, OutputOrder::Chime);
        let told = states(&mut outputs);
        assert!(
            matches!(&told[0], Told::Trouble(OutputKind::Lock, text) if text.contains("absent"))
        );
        assert_eq!(told[1], Told::State(OutputKind::Chime, OutputState::Absent));
        there.set(true);
        outputs.order(SECOND, OutputOrder::Unlock { ms: 1000 });
        assert_eq!(
            states(&mut outputs),
            [Told::State(OutputKind::Lock, OutputState::On)]
        );
        assert_eq!(outputs.end(2 * SECOND), Ok(()));
        assert_eq!(
            states(&mut outputs),
            [Told::State(OutputKind::Lock, OutputState::Off)]
        );
    }
}
