//! Waits for the button and tells of rings.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use transom_boards_hal::{Button, ButtonEvent, LineError};
use transom_boards_linux::LineButton;
use transom_boards_sim::SimButton;

use super::figures::{BellFigures, bump};
use crate::actuator::place;
use crate::board::{Outputs, Wiring};

/// How long a thread waits before it looks whether it is to end.
const TURN: Duration = Duration::from_millis(250);
/// Before an absent button is looked for again.
const AGAIN: Duration = Duration::from_secs(2);
/// Presses this soon after a ring are of the same visitor's finger.
const PAUSE: Duration = Duration::from_millis(700);

/// The bell rang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Counted from 1 since the start.
    pub number: u64,
}

/// Who is to know of a ring. It may not wait.
pub trait OnRing: Send {
    /// It rang.
    fn on_ring(&mut self, ring: Ring);
}

impl<F: FnMut(Ring) + Send> OnRing for F {
    fn on_ring(&mut self, ring: Ring) {
        self(ring);
    }
}

/// What the bell is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BellConfig {
    /// What is pressed, if there is anything.
    pub button: Option<BellButton>,
    /// A program that is told, and its arguments.
    pub run: Option<Vec<String>>,
}

/// A button of a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BellButton {
    /// The board, with a button.
    pub wiring: Wiring,
}

impl BellButton {
    /// Opens it.
    pub fn open(&self) -> Result<Box<dyn Button>, LineError> {
        let Some(button) = &self.wiring.button else {
            return Err(LineError::Absent {
                line: "the button",
                what: "[button] in the board file".to_owned(),
            });
        };
        let period = Duration::from_millis(button.debounce_ms.into());
        match self.wiring.outputs {
            Outputs::Sim => {
                let path = button.line.to_string();
                Ok(Box::new(SimButton::open(Path::new(&path), period)?))
            }
            Outputs::Rppal | Outputs::Gpiochip => Ok(Box::new(LineButton::open(
                &place(&self.wiring, &button.line),
                button.active.into(),
                button.pull.into(),
                period,
            )?)),
        }
    }
}

/// A thread that waits for the button. Dropping it ends the thread.
#[derive(Debug)]
pub struct Bell {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bell {
    /// Waits for `button`, and for its coming back where it is absent.
    pub fn start(
        button: BellButton,
        told: Vec<Box<dyn OnRing>>,
        figures: Arc<BellFigures>,
    ) -> std::io::Result<Self> {
        let open = move || button.open();
        Self::start_with(open, told, figures)
    }

    fn start_with(
        open: impl Fn() -> Result<Box<dyn Button>, LineError> + Send + 'static,
        told: Vec<Box<dyn OnRing>>,
        figures: Arc<BellFigures>,
    ) -> std::io::Result<Self> {
        let ending = Arc::new(AtomicBool::new(false));
        let mut ringer = Ringer {
            told,
            figures,
            ending: Arc::clone(&ending),
            rang_at: None,
        };
        let thread = thread::Builder::new()
            .name("bell".to_owned())
            .spawn(move || ringer.run(&open))?;
        Ok(Self {
            ending,
            thread: Some(thread),
        })
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there was told already.
            let _ = thread.join();
        }
    }
}

struct Ringer {
    told: Vec<Box<dyn OnRing>>,
    figures: Arc<BellFigures>,
    ending: Arc<AtomicBool>,
    rang_at: Option<Instant>,
}

impl Ringer {
    fn run(&mut self, open: &dyn Fn() -> Result<Box<dyn Button>, LineError>) {
        let mut complained = false;
        while !self.ends() {
            let error = match open() {
                Ok(button) => {
                    tracing::info!("bell: waiting for the button");
                    complained = false;
                    self.figures.button_absent.store(0, Ordering::Relaxed);
                    match self.attend(button) {
                        Ok(()) => return,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            self.figures.button_absent.store(1, Ordering::Relaxed);
            if !complained {
                complained = true;
                tracing::warn!("bell: {error}; looked for again every {AGAIN:?}");
            }
            let until = Instant::now() + AGAIN;
            while !self.ends() && Instant::now() < until {
                thread::sleep(TURN);
            }
        }
    }

    /// Until it is to end, or the button fails.
    fn attend(&mut self, mut button: Box<dyn Button>) -> Result<(), LineError> {
        while !self.ends() {
            if button.wait(TURN)? == Some(ButtonEvent::Pressed) {
                self.on_press(Instant::now());
            }
        }
        Ok(())
    }

    fn on_press(&mut self, now: Instant) {
        if self.rang_at.is_some_and(|at| now - at < PAUSE) {
            bump(&self.figures.too_soon);
            return;
        }
        self.rang_at = Some(now);
        bump(&self.figures.rings);
        let ring = Ring {
            number: self.figures.rings(),
        };
        tracing::info!(number = ring.number, "ring: somebody is at the door");
        for told in &mut self.told {
            told.on_ring(ring);
        }
    }

    fn ends(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    /// Presses and failures in a row, then nothing.
    struct Script(Vec<Result<Option<ButtonEvent>, LineError>>);

    impl Button for Script {
        fn wait(&mut self, timeout: Duration) -> Result<Option<ButtonEvent>, LineError> {
            self.0.pop().unwrap_or_else(|| {
                thread::sleep(timeout.min(Duration::from_millis(5)));
                Ok(None)
            })
        }
    }

    fn failure() -> LineError {
        LineError::Failed {
            line: "the button",
            told: "it came off".to_owned(),
        }
    }

    #[test]
    fn a_button_that_comes_off_is_taken_up_again_and_rings_again() {
        let pressed = || Ok(Some(ButtonEvent::Pressed));
        let scripts = Mutex::new(vec![
            vec![pressed()],
            vec![
                Err(failure()),
                Ok(Some(ButtonEvent::Released)),
                pressed(),
                pressed(),
            ],
        ]);
        let open = move || -> Result<Box<dyn Button>, LineError> {
            let next = scripts.lock().expect("no panic").pop();
            next.map_or_else(
                || Err(failure()),
                |script| Ok(Box::new(Script(script)) as _),
            )
        };
        let (rung, rings) = channel();
        let figures = Arc::<BellFigures>::default();
        let told: Box<dyn OnRing> = Box::new(move |ring: Ring| {
            let _ = rung.send(ring);
        });
        let bell = Bell::start_with(open, vec![told], Arc::clone(&figures)).expect("a thread");
        let soon = Duration::from_secs(20);
        for number in [1, 2] {
            assert_eq!(rings.recv_timeout(soon), Ok(Ring { number }));
        }
        drop(bell);
        assert_eq!(figures.rings(), 2);
        assert_eq!(figures.too_soon.load(Ordering::Relaxed), 1);
    }
}
