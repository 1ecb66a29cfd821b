//! A battery that the kernel knows: a gauge of `/sys/class/power_supply`, or a voltage of
//! `/sys/class/hwmon`.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use transom_boards_hal::{Battery, LineError};

const LINE: &str = "the battery";

/// A file in which the kernel writes the voltage: `voltage_now` in microvolts, `in1_input` and its like in
/// millivolts.
#[derive(Clone, Debug)]
pub struct KernelBattery(PathBuf);

impl KernelBattery {
    /// The file, which need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl Battery for KernelBattery {
    fn millivolts(&mut self) -> Result<u16, LineError> {
        let text = fs::read_to_string(&self.0).map_err(|error| match error.kind() {
            ErrorKind::NotFound => LineError::NoDevice {
                line: LINE,
                what: self.0.display().to_string(),
                mend: "load the driver of its gauge, or name another `file`",
            },
            _ => self.failed(error.to_string()),
        })?;
        let number: u64 = text
            .trim()
            .parse()
            .map_err(|_| self.failed("is no number".to_owned()))?;
        let is_micro = self.0.file_name().is_some_and(|name| name == "voltage_now");
        let millivolts = if is_micro { number / 1000 } else { number };
        Ok(u16::try_from(millivolts).unwrap_or(u16::MAX))
    }
}

impl KernelBattery {
    fn failed(&self, told: String) -> LineError {
        LineError::Failed {
            line: LINE,
            told: format!("{}: {told}", self.0.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_files_are_read() {
        let folder = std::env::temp_dir().join(format!("transom-battery-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).expect("a file");
            KernelBattery::new(path)
        };
        assert_eq!(write("voltage_now", "11980000\n").millivolts(), Ok(11_980));
        assert_eq!(write("in1_input", "7400\n").millivolts(), Ok(7_400));
        assert!(write("in2_input", "odd\n").millivolts().is_err());
        let absent = KernelBattery::new(folder.join("none")).millivolts();
        assert!(matches!(absent, Err(LineError::NoDevice { .. })));
        fs::remove_dir_all(&folder).expect("its removal");
    }
}
