//! A Raspberry Pi's header: the files that its driver opens.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use transom_boards_raspberry_pi::{DrivePins, PwmKind};
use transom_rtc_doctor::Finding;
use transom_rtc_doctor::machine::{holders_of_file, list_holders};

use super::device;

/// What the kernel calls us.
const OURS: &str = "transom-agent";

/// Whether the lines could be taken, on the machine whose files are below `root`. No line is touched.
pub(super) fn examine(root: &Path, pins: &DrivePins) -> Vec<Finding> {
    let Some(model) = model(root) else {
        return Finding::fail(
            "board = \"raspberry-pi\" is configured, and this machine is no Raspberry Pi",
            "choose board = \"sim\" or \"none\" in [control] of transom-agent.toml, or run the agent on the Pi",
        )
        .into();
    };
    let memory = registers(root);
    let mut findings = vec![match open(&memory) {
        Ok(()) => Finding::ok(format!("{model}; its GPIO lines may be used")),
        // All of the machine's memory will do, but for the chip of a Pi 5.
        Err(_) if !is_rp1(root) && open(&root.join("dev/mem")).is_ok() => Finding::warn(
            format!(
                "{model}; without {} its GPIO lines are reached by /dev/mem, as root only",
                memory.display()
            ),
            "use the kernel of Raspberry Pi OS: its /dev/gpiomem is for the group gpio",
        ),
        Err(error) => refused(&memory, &error),
    }];
    let chip = root.join("dev/gpiochip0");
    findings.extend(open(&chip).err().map(|error| refused(&chip, &error)));
    let mut holders = holders_of_file(&memory);
    holders.retain(|holder| holder.name != OURS);
    if !holders.is_empty() {
        findings.push(Finding::warn(
            format!("{} is open in {} as well", memory.display(), list_holders(&holders)),
            "see that it leaves the pins of [control.pins] alone, or end it: two programs on one line undo each other's work",
        ));
    }
    if pins.pwm == PwmKind::Hardware {
        findings.push(pulses(&root.join("sys/class/pwm")));
    }
    findings
}

/// What the board calls itself, if it is a Raspberry Pi.
fn model(root: &Path) -> Option<String> {
    let model = fs::read(root.join("proc/device-tree/model")).ok()?;
    let model = String::from_utf8_lossy(&model);
    let model = model.trim_end_matches('\0').to_owned();
    model.starts_with("Raspberry Pi").then_some(model)
}

/// The GPIO registers: those of a Pi 5 belong to a chip of their own (RP1).
fn registers(root: &Path) -> PathBuf {
    root.join(match is_rp1(root) {
        true => "dev/gpiomem0",
        false => "dev/gpiomem",
    })
}

fn is_rp1(root: &Path) -> bool {
    let compatible = fs::read(root.join("proc/device-tree/compatible")).unwrap_or_default();
    String::from_utf8_lossy(&compatible).contains("brcm,bcm2712")
}

/// As the driver opens it, which by itself changes nothing.
fn open(path: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).write(true).open(path)?;
    Ok(())
}

fn refused(path: &Path, error: &io::Error) -> Finding {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => device::denied(path, "gpio"),
        io::ErrorKind::NotFound => Finding::fail(
            format!("there is no {shown}"),
            "use the kernel of Raspberry Pi OS, and pass the device into the container if the agent is in one",
        ),
        _ => Finding::fail(format!("{shown}: {error}"), "see `dmesg`"),
    }
}

/// Whether the chip's own pulses are switched on.
fn pulses(class: &Path) -> Finding {
    let entries = fs::read_dir(class).into_iter().flatten().flatten();
    let mut chips: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    chips.sort();
    let Some(chip) = chips.first() else {
        return Finding::fail(
            "hardware PWM is configured, and not switched on",
            "write dtoverlay=pwm-2chan into /boot/firmware/config.txt and start the Pi anew, or set pwm = \"software\" in [control.pins]",
        );
    };
    let export = chip.join("export");
    match OpenOptions::new().write(true).open(&export) {
        Ok(_) => Finding::ok("hardware PWM is switched on"),
        Err(error) => refused(&export, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    /// A machine made of files.
    struct Machine(PathBuf);

    impl Machine {
        fn new(name: &str, model: &str, compatible: &str) -> Self {
            let root = format!("transom-pi-{name}-{}", std::process::id());
            let machine = Self(std::env::temp_dir().join(root));
            machine.file("proc/device-tree/model", &format!("{model}\0"));
            machine.file("proc/device-tree/compatible", compatible);
            machine
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }

        fn failures(&self, pwm: PwmKind) -> Vec<String> {
            let pins = DrivePins {
                pwm,
                ..DrivePins::default()
            };
            let findings = examine(&self.0, &pins).into_iter();
            findings
                .filter(|f| f.verdict == Verdict::Fail)
                .map(|f| {
                    assert!(f.mend.is_some_and(|m| m.len() > 10), "{}", f.found);
                    f.found
                })
                .collect()
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn another_machine_is_told() {
        let machine = Machine::new("none", "Orange Pi Zero", "allwinner,sun8i-h3\0");
        let failures = machine.failures(PwmKind::Software);
        assert!(failures[0].contains("no Raspberry Pi"), "{failures:?}");
        assert_eq!(failures.len(), 1);
    }

    #[test]
    fn each_file_that_is_missing_is_told() {
        let four = "raspberrypi,4-model-b\0brcm,bcm2711\0";
        let machine = Machine::new("4", "Raspberry Pi 4 Model B Rev 1.4", four);
        let [memory, chip] = machine.failures(PwmKind::Software).try_into().expect("two");
        assert!(memory.ends_with("dev/gpiomem"), "{memory}");
        assert!(chip.ends_with("dev/gpiochip0"), "{chip}");
        machine.file("dev/gpiochip0", "");
        machine.file("dev/mem", "");
        let warned = examine(&machine.0, &DrivePins::default());
        assert_eq!(warned[0].verdict, Verdict::Warn, "{warned:?}");
        machine.file("dev/gpiomem", "");
        assert!(machine.failures(PwmKind::Software).is_empty());
        let [pulses] = machine.failures(PwmKind::Hardware).try_into().expect("one");
        assert!(pulses.contains("not switched on"), "{pulses}");
        machine.file("sys/class/pwm/pwmchip0/export", "");
        assert!(machine.failures(PwmKind::Hardware).is_empty());
    }

    #[test]
    fn a_pi_5_has_its_registers_elsewhere() {
        let five = "raspberrypi,5-model-b\0brcm,bcm2712\0";
        let machine = Machine::new("5", "Raspberry Pi 5 Model B Rev 1.0", five);
        machine.file("dev/gpiochip0", "");
        machine.file("dev/mem", "");
        assert_eq!(machine.failures(PwmKind::Software).len(), 1);
        machine.file("dev/gpiomem0", "");
        assert!(machine.failures(PwmKind::Software).is_empty());
    }

    #[test]
    fn who_else_has_the_lines_is_told() {
        let machine = Machine::new("held", "Raspberry Pi Zero 2 W Rev 1.0", "brcm,bcm2837\0");
        machine.file("dev/gpiomem", "");
        machine.file("dev/gpiochip0", "");
        let held = fs::File::open(machine.0.join("dev/gpiomem")).expect("the file");
        let findings = examine(&machine.0, &DrivePins::default());
        drop(held);
        let warned = findings.iter().find(|f| f.verdict == Verdict::Warn);
        let us = format!("(pid {})", std::process::id());
        assert!(
            warned.is_some_and(|f| f.found.contains(&us)),
            "{findings:?}"
        );
    }
}
