//! Memory that programs may still have.

use std::fs;

use crate::Finding;

/// `MemAvailable` of proc_meminfo(5), bytes; `None` where it is not told.
pub fn available_memory() -> Option<u64> {
    available(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Whether `needed` bytes can be had.
pub fn memory(needed: u64) -> Finding {
    let Some(available) = available_memory() else {
        return Finding::skipped("this system does not tell how much memory is available");
    };
    let found = format!("{} MiB available", available >> 20);
    match available < needed {
        false => Finding::ok(found),
        true => Finding::warn(
            format!("{found}, and up to {} MiB may be needed", needed >> 20),
            "end other programs, or lower the `[limits]` of the configuration",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn meminfo_is_read() {
        let text = "MemTotal:  100 kB\nMemAvailable:      7 kB\n";
        assert_eq!(available(text), Some(7 * 1024));
        for bad in [
            "",
            "MemAvailable: x kB",
            "MemAvailable: 18446744073709551615 kB",
        ] {
            assert_eq!(available(bad), None);
        }
    }

    #[test]
    fn too_little_is_a_warning() {
        assert_eq!(memory(u64::MAX).verdict, Verdict::Warn);
        assert_eq!(memory(0).verdict, Verdict::Ok);
    }
}
