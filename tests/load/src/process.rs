//! What a process has used, read from /proc.

use std::collections::BTreeMap;
use std::time::Duration;
use std::{fs, io};

/// USER_HZ: the unit of /proc/PID/stat on every architecture of Linux but Alpha.
const TICK: Duration = Duration::from_millis(10);

/// Why a process cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// There is no such process, or it may not be read.
    #[error("cannot read /proc/{pid}: {source}; give the server's process id with --pid")]
    Proc {
        /// The process.
        pid: u32,
        /// Why.
        source: io::Error,
    },
}

/// CPU time of a process up to a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CpuReading {
    /// Of each living thread, to the nanosecond. Empty where the kernel does not tell.
    threads: BTreeMap<u32, Duration>,
    /// Of the whole process, ended threads too, to the clock tick.
    total: Duration,
}

/// How CPU time was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CpuSource {
    /// /proc/PID/task/*/schedstat, nanoseconds.
    Schedstat,
    /// /proc/PID/stat, ticks of 10 ms: the kernel has no schedstat, or a thread
    /// ended and took its own with it.
    Stat,
}

impl CpuSource {
    /// Its name in what is printed.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Schedstat => "schedstat",
            Self::Stat => "stat",
        }
    }
}

impl CpuReading {
    /// Reads what `pid` has used until now.
    pub(crate) fn take(pid: u32) -> Result<Self, ProcessError> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(path).map_err(|source| ProcessError::Proc { pid, source })?;
        Ok(Self {
            threads: threads(pid).unwrap_or_default(),
            total: parse_stat(&stat).unwrap_or_default(),
        })
    }

    /// What was used from `earlier` on.
    pub(crate) fn since(&self, earlier: &Self) -> (Duration, CpuSource) {
        let all_live = earlier.threads.keys().all(|t| self.threads.contains_key(t));
        if self.threads.is_empty() || earlier.threads.is_empty() || !all_live {
            return (self.total.saturating_sub(earlier.total), CpuSource::Stat);
        }
        let used = self.threads.iter().map(|(thread, now)| {
            let before = earlier.threads.get(thread).copied();
            now.saturating_sub(before.unwrap_or_default())
        });
        (used.sum(), CpuSource::Schedstat)
    }
}

/// Memory that a process holds, bytes.
pub(crate) fn resident(pid: u32) -> Result<u64, ProcessError> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(path).map_err(|source| ProcessError::Proc { pid, source })?;
    Ok(parse_resident(&status).unwrap_or(0))
}

/// CPU time of the calling thread.
pub(crate) fn own_thread() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat");
    text.ok()
        .and_then(|text| parse_schedstat(&text))
        .unwrap_or_default()
}

/// Datagrams that sockets of this machine refused because their buffers were
/// full, since it started.
pub(crate) fn receive_buffer_errors() -> u64 {
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    parse_receive_buffer_errors(&text).unwrap_or(0)
}

fn threads(pid: u32) -> io::Result<BTreeMap<u32, Duration>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        let name = entry.file_name();
        let thread = name.to_str().and_then(|name| name.parse().ok());
        // A thread may end while we look.
        let text = fs::read_to_string(entry.path().join("schedstat")).ok();
        let used = text.as_deref().and_then(parse_schedstat);
        threads.extend(thread.zip(used));
    }
    Ok(threads)
}

/// `<nanoseconds on a CPU> <nanoseconds waiting> <turns>`
fn parse_schedstat(text: &str) -> Option<Duration> {
    let nanos = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// utime and stime, fields 14 and 15; the name in field 2 may hold anything,
/// parentheses too.
fn parse_stat(text: &str) -> Option<Duration> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Two lines for each protocol: names, then values.
fn parse_receive_buffer_errors(text: &str) -> Option<u64> {
    let mut udp = text.lines().filter(|l| l.starts_with("Udp:"));
    let (names, values) = (udp.next()?, udp.next()?);
    let mut columns = names.split(' ').zip(values.split(' '));
    let (_, value) = columns.find(|(name, _)| *name == "RcvbufErrors")?;
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_the_name() {
        let text = "42 (a) b 1 2) S 1 42 42 0 -1 4194560 9 0 0 0 123 77 0 0 20 0 4 0 5\n";
        assert_eq!(parse_stat(text), Some(Duration::from_millis(2000)));
        assert_eq!(parse_stat("42 (a) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn the_other_files() {
        let used = parse_schedstat("1234567890 55 3\n");
        assert_eq!(used, Some(Duration::from_nanos(1_234_567_890)));
        assert_eq!(parse_schedstat(""), None);
        let status = "Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t  7504 kB\nThreads:\t2\n";
        assert_eq!(parse_resident(status), Some(7504 * 1024));
        let snmp = "Udp: InDatagrams NoPorts RcvbufErrors SndbufErrors\nUdp: 10 0 3 1\n";
        assert_eq!(parse_receive_buffer_errors(snmp), Some(3));
        assert_eq!(parse_receive_buffer_errors("Tcp: 1\n"), None);
    }

    fn reading(threads: &[(u32, u64)], total: u64) -> CpuReading {
        let threads = threads.iter();
        CpuReading {
            threads: threads
                .map(|(t, ms)| (*t, Duration::from_millis(*ms)))
                .collect(),
            total: Duration::from_millis(total),
        }
    }

    #[test]
    fn threads_that_begin_count_whole_and_one_that_ends_makes_ticks_count() {
        let before = reading(&[(1, 100), (2, 50)], 150);
        let more = reading(&[(1, 110), (2, 50), (3, 7)], 160);
        let expected = (Duration::from_millis(17), CpuSource::Schedstat);
        assert_eq!(more.since(&before), expected);
        let fewer = reading(&[(1, 110)], 170);
        let expected = (Duration::from_millis(20), CpuSource::Stat);
        assert_eq!(fewer.since(&before), expected);
    }

    #[test]
    fn this_process_can_be_watched() {
        let pid = std::process::id();
        let before = CpuReading::take(pid).expect("/proc");
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(60) {
            std::hint::spin_loop();
        }
        let (used, _) = CpuReading::take(pid).expect("/proc").since(&before);
        assert!(used >= Duration::from_millis(20), "{used:?}");
        assert!(resident(pid).expect("/proc") > 100_000);
        let error = CpuReading::take(u32::MAX).unwrap_err().to_string();
        assert!(error.contains("--pid"), "{error}");
    }
}
