//! Temperature, and what a board does when it is too high.

use std::fs;
use std::path::Path;

use crate::Finding;

/// Boards begin to slow down around 80 to 85 degrees Celsius.
const HOT: i64 = 80_000;

/// At most so many sensors are looked at.
const MAX_SENSORS: usize = 64;

const MEND: &str = "give it air or a heat sink, or less to do: smaller --size, lower --fps";

/// The hottest sensor of `/sys/class/thermal`, and where a Raspberry Pi has
/// throttled.
pub fn heat() -> Finding {
    heat_under(Path::new("/sys"))
}

fn heat_under(sys: &Path) -> Finding {
    let hottest = hottest(&sys.join("class/thermal"));
    // A bit mask in hexadecimal: the low bits are of now (under-voltage,
    // capped, throttled, soft limit), those from 16 on of the time since boot.
    let throttled = fs::read_to_string(sys.join("devices/platform/soc/soc:firmware/get_throttled"))
        .ok()
        .and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    match (hottest, throttled.unwrap_or(0)) {
        (_, bits) if bits & 1 != 0 => Finding::fail(
            "the supply's voltage is too low now: the board runs slowly and may reset",
            "use the power supply made for this board, and a short cable",
        ),
        (_, bits) if bits & 0xe != 0 => {
            Finding::warn("the processor is held back now by its temperature", MEND)
        }
        (Some((kind, milli)), _) if milli >= HOT => Finding::warn(
            format!(
                "{kind} is at {} °C: close to where boards slow down",
                milli / 1000
            ),
            MEND,
        ),
        (_, bits) if bits & 0x1_0000 != 0 => Finding::warn(
            "the supply's voltage was too low at some time since the boot",
            "use the power supply made for this board, and a short cable",
        ),
        (Some((kind, milli)), _) => Finding::ok(format!("{kind} is at {} °C", milli / 1000)),
        (None, _) => Finding::skipped("no temperature sensor in /sys/class/thermal"),
    }
}

/// Kind and thousandths of a degree.
fn hottest(class: &Path) -> Option<(String, i64)> {
    let zones = fs::read_dir(class).ok()?.flatten().take(MAX_SENSORS);
    let read = |zone: fs::DirEntry| {
        let milli: i64 = fs::read_to_string(zone.path().join("temp"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        let kind = fs::read_to_string(zone.path().join("type")).unwrap_or_default();
        Some((kind.trim().to_owned(), milli))
    };
    zones.filter_map(read).max_by_key(|(_, milli)| *milli)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn what_sys_says_is_read() {
        let sys = std::env::temp_dir().join(format!("transom-heat-{}", std::process::id()));
        let zone = sys.join("class/thermal/thermal_zone0");
        let firmware = sys.join("devices/platform/soc/soc:firmware");
        fs::create_dir_all(&zone).expect("a folder");
        fs::create_dir_all(&firmware).expect("a folder");
        let verdict = |milli: &str, throttled: &str| {
            fs::write(zone.join("temp"), milli).expect("a file");
            fs::write(zone.join("type"), "cpu-thermal\n").expect("a file");
            fs::write(firmware.join("get_throttled"), throttled).expect("a file");
            heat_under(&sys).verdict
        };
        assert_eq!(verdict("48312\n", "0\n"), Verdict::Ok);
        assert_eq!(verdict("84000\n", "0\n"), Verdict::Warn);
        assert_eq!(verdict("48312\n", "50005\n"), Verdict::Fail);
        assert_eq!(verdict("48312\n", "50000\n"), Verdict::Warn);
        assert_eq!(verdict("48312\n", "nonsense"), Verdict::Ok);
        assert_eq!(verdict("nonsense", "0\n"), Verdict::Skipped);
        fs::remove_dir_all(&sys).expect("the folder goes");
    }
}
