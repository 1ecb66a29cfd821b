use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::Exposition;

/// This process, as the system sees it; under the names that all of Prometheus'
/// client libraries use. What a system does not tell is left out.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    started: SystemTime,
}

impl Process {
    /// To be called as the program begins: this is its start.
    pub fn new() -> Self {
        Self {
            started: SystemTime::now(),
        }
    }

    /// Writes its families.
    pub fn write(&self, to: &mut Exposition) {
        let since_epoch = self.started.duration_since(UNIX_EPOCH);
        to.gauge(
            "process_start_time_seconds",
            "Start of the program, seconds since 1970.",
        )
        .value(since_epoch.unwrap_or_default());
        to.counter(
            "process_cpu_seconds_total",
            "Processor time of all its threads, user and system.",
        )
        .value(cpu_time());
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // The folder itself is open while it is read.
            let open = open.count().saturating_sub(1);
            to.gauge("process_open_fds", "Open file descriptors.")
                .value(open);
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            to.gauge("process_max_fds", "Most file descriptors it may have open.")
                .value(most);
        }
        let Ok(status) = fs::read_to_string("/proc/self/status") else {
            return;
        };
        for (field, unit, name, help) in [
            (
                "VmRSS:",
                1024,
                "process_resident_memory_bytes",
                "Memory in use.",
            ),
            (
                "VmSize:",
                1024,
                "process_virtual_memory_bytes",
                "Address space in use.",
            ),
            ("Threads:", 1, "process_threads", "Threads."),
        ] {
            if let Some(value) = number_of(&status, field) {
                to.gauge(name, help).value(value.saturating_mul(unit));
            }
        }
    }
}

impl Default for Process {
    fn default() -> Self {
        Self::new()
    }
}

fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(spent.tv_nsec).unwrap_or(0))
}

/// The number behind `field` in proc_pid_status(5).
fn number_of(status: &str, field: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(field))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scrape;

    #[test]
    fn this_process_is_told_of() {
        let process = Process::new();
        let mut exposition = Exposition::new();
        process.write(&mut exposition);
        let scrape = Scrape::parse(&exposition.finish()).unwrap();
        let value = |name| scrape.value(name, &[]).unwrap();
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_open_fds") <= value("process_max_fds"));
        assert!(value("process_resident_memory_bytes") > 500_000.0);
        assert!(value("process_cpu_seconds_total") > 0.0);
        assert!(value("process_threads") >= 1.0);
        assert!(value("process_start_time_seconds") > 1.6e9);
    }

    #[test]
    fn a_status_that_lacks_a_line_is_no_reason_to_fail() {
        assert_eq!(number_of("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(number_of("VmRSS:\tmany kB\n", "VmRSS:"), None);
        assert_eq!(number_of("", "VmRSS:"), None);
    }
}
