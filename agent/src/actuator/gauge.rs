//! The battery's voltage, looked at beside the loop that may not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use transom_boards_hal::{Battery, LineError};
use transom_boards_linux::KernelBattery;
use transom_boards_raspberry_pi as pi;

use crate::board::BatteryWiring;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Good looks, one after the other, until a trouble is a new one: a loose wire is not to fill the log.
const SETTLED: u32 = 60;

/// A thread that looks at the battery: a bus may take its time.
pub(super) struct Gauge {
    millivolts: Arc<AtomicU16>,
    troubles: Receiver<String>,
}

impl Gauge {
    /// Millivolts; zero while they are not known.
    pub(super) fn millivolts(&self) -> u16 {
        self.millivolts.load(Ordering::Relaxed)
    }

    /// Why they are not known: each trouble once.
    pub(super) fn poll_trouble(&self) -> Option<String> {
        self.troubles.try_recv().ok()
    }

    /// Begins to look.
    pub(super) fn start(wired: BatteryWiring) -> Self {
        Self::every(LOOK, wired)
    }

    fn every(look: Duration, wired: BatteryWiring) -> Self {
        let millivolts = Arc::new(AtomicU16::new(0));
        let (tell, troubles) = mpsc::sync_channel(2);
        let (shown, telling) = (Arc::clone(&millivolts), tell.clone());
        let run = move || {
            let looker = Looker {
                wired,
                battery: None,
                shown,
                once: Once::default(),
                tell: telling,
            };
            looker.run(look);
        };
        let begun = thread::Builder::new().name("battery".to_owned()).spawn(run);
        if let Err(error) = begun {
            let _ = tell.try_send(format!(
                "no thread looks at the battery, whose voltage is not known: {error}"
            ));
        }
        Self {
            millivolts,
            troubles,
        }
    }
}

/// The thread.
struct Looker {
    wired: BatteryWiring,
    /// Opened anew after each error.
    battery: Option<Box<dyn Battery>>,
    shown: Arc<AtomicU16>,
    once: Once,
    tell: SyncSender<String>,
}

impl Looker {
    fn run(mut self, look: Duration) {
        loop {
            let now = self.look();
            let millivolts = *now.as_ref().unwrap_or(&0);
            self.shown.store(millivolts, Ordering::Relaxed);
            if let Some(trouble) = self.once.trouble(now.err()) {
                let told = format!("no voltage by {}: {trouble}", self.wired);
                // Nobody takes what was told before: there is no more to say.
                let _ = self.tell.try_send(told);
            }
            thread::sleep(look);
        }
    }

    fn look(&mut self) -> Result<u16, LineError> {
        let mut battery = match self.battery.take() {
            Some(battery) => battery,
            None => open_battery(&self.wired)?,
        };
        let now = battery.millivolts()?;
        self.battery = Some(battery);
        Ok(now)
    }
}

/// Which troubles are told: the first, and one after a long time without.
#[derive(Default)]
struct Once {
    told: bool,
    good: u32,
}

impl Once {
    /// What is to be told after a look that failed, or did not.
    fn trouble<T>(&mut self, failed: Option<T>) -> Option<T> {
        let Some(trouble) = failed else {
            self.good = self.good.saturating_add(1);
            self.told &= self.good < SETTLED;
            return None;
        };
        self.good = 0;
        match self.told {
            true => None,
            false => {
                self.told = true;
                Some(trouble)
            }
        }
    }
}

fn open_battery(wired: &BatteryWiring) -> Result<Box<dyn Battery>, LineError> {
    match (&wired.file, &wired.ina219) {
        (Some(file), _) => Ok(Box::new(KernelBattery::new(file.clone()))),
        (None, Some(chip)) => Ok(Box::new(pi::ina219(chip.bus, chip.address)?)),
        (None, None) => Err(LineError::NoDevice {
            line: "the battery",
            what: "what measures it".to_owned(),
            mend: "give [battery] of the board file `file` or `ina219`",
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Instant;

    use super::*;
    use crate::board::Ina219Wiring;

    const QUICKLY: Duration = Duration::from_millis(5);

    fn until<T>(mut seen: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(seen) = seen() {
                return seen;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "too late");
            thread::sleep(QUICKLY);
        }
    }

    #[test]
    fn a_trouble_is_told_once_with_the_device_and_the_mend_and_the_voltage_comes_all_the_same() {
        let folder = std::env::temp_dir().join(format!("transom-gauge-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file: PathBuf = folder.join("in1_input");
        let gauge = Gauge::every(
            QUICKLY,
            BatteryWiring {
                file: Some(file.clone()),
                ina219: None,
            },
        );
        let told = until(|| gauge.poll_trouble());
        assert!(
            told.contains(&file.display().to_string()) && told.contains("driver"),
            "{told}"
        );
        thread::sleep(10 * QUICKLY);
        assert_eq!(gauge.poll_trouble(), None);
        assert_eq!(gauge.millivolts(), 0);

        fs::write(&file, "7400\n").expect("a file");
        until(|| (gauge.millivolts() == 7400).then_some(()));
        fs::remove_dir_all(&folder).expect("its removal");
        until(|| (gauge.millivolts() == 0).then_some(()));
        // It failed again at once.
        assert_eq!(gauge.poll_trouble(), None);
    }

    #[test]
    fn a_bus_that_is_absent_is_told_with_the_chip() {
        let chip = Ina219Wiring {
            bus: 99,
            address: 0x41,
        };
        let gauge = Gauge::start(BatteryWiring {
            file: None,
            ina219: Some(chip),
        });
        let told = until(|| gauge.poll_trouble());
        for word in ["/dev/i2c-99 at 0x41", "dtparam=i2c_arm=on", "i2c-dev"] {
            assert!(told.contains(word), "{told}");
        }
    }

    #[test]
    fn a_loose_wire_is_told_once_and_a_new_trouble_after_a_good_minute() {
        let mut once = Once::default();
        assert_eq!(once.trouble(Some(1)), Some(1));
        for _ in 0..500 {
            assert_eq!(once.trouble(None::<i32>), None);
            assert_eq!(once.trouble(Some(2)), None);
        }
        for _ in 0..SETTLED {
            assert_eq!(once.trouble(None::<i32>), None);
        }
        assert_eq!(once.trouble(Some(3)), Some(3));
    }
}
