//! The battery's voltage, looked at beside the loop that may not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use transom_boards_hal::{Battery, LineError};
use transom_boards_linux::KernelBattery;
use transom_boards_raspberry_pi as pi;

use crate::board::BatteryWiring;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// A thread that looks at the battery: a bus may take its time.
pub(super) struct Gauge(Arc<AtomicU16>);

impl Gauge {
    /// Millivolts; zero while they are not known.
    pub(super) fn millivolts(&self) -> u16 {
        self.0.load(Ordering::Relaxed)
    }

    /// Begins to look.
    pub(super) fn start(wired: BatteryWiring) -> Self {
        let seen = Arc::new(AtomicU16::new(0));
        let shown = Arc::clone(&seen);
        let look = move || {
            let mut battery = None;
            loop {
                if battery.is_none() {
                    battery = open_battery(&wired).ok();
                }
                let now = battery.as_mut().map(|battery| battery.millivolts());
                let now = match now {
                    Some(Ok(now)) => now,
                    Some(Err(_)) | None => {
                        battery = None;
                        0
                    }
                };
                shown.store(now, Ordering::Relaxed);
                thread::sleep(LOOK);
            }
        };
        // Without a thread the voltage is not known.
        let _ = thread::Builder::new()
            .name("battery".to_owned())
            .spawn(look);
        Self(seen)
    }
}

fn open_battery(wired: &BatteryWiring) -> Result<Box<dyn Battery>, LineError> {
    match (&wired.file, &wired.ina219) {
        (Some(file), _) => Ok(Box::new(KernelBattery::new(file.clone()))),
        (None, Some(chip)) => Ok(Box::new(pi::ina219(chip.bus, chip.address)?)),
        (None, None) => Err(LineError::Absent {
            line: "the battery",
            what: "what measures it".to_owned(),
        }),
    }
}
