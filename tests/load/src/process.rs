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
    threads: BTreeMap<u32, Thread>,
    /// Of the whole process, ended threads too, to the clock tick.
    total: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Thread {
    name: String,
    so_far: ThreadUse,
}

/// What a thread, or all threads of one name, have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThreadUse {
    pub(crate) cpu: Duration,
    /// How often it went to sleep, and so was woken.
    pub(crate) sleeps: u64,
}

/// What a process has used between two readings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) cpu: Duration,
    pub(crate) source: CpuSource,
    /// Of the threads that live, by their names.
    pub(crate) threads: BTreeMap<String, ThreadUse>,
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
            threads: read_threads(pid).unwrap_or_default(),
            total: parse_stat(&stat).unwrap_or_default(),
        })
    }

    /// What was used from `earlier` on.
    pub(crate) fn since(&self, earlier: &Self) -> Use {
        let mut threads = BTreeMap::<String, ThreadUse>::new();
        for (id, thread) in &self.threads {
            let before = earlier.threads.get(id).map(|t| t.so_far);
            let before = before.unwrap_or_default();
            let sum = threads.entry(thread.name.clone()).or_default();
            sum.cpu += thread.so_far.cpu.saturating_sub(before.cpu);
            sum.sleeps += thread.so_far.sleeps.saturating_sub(before.sleeps);
        }
        let all_live = earlier.threads.keys().all(|t| self.threads.contains_key(t));
        let by_thread = all_live && !self.threads.is_empty() && !earlier.threads.is_empty();
        let (cpu, source) = match by_thread {
            true => (threads.values().map(|t| t.cpu).sum(), CpuSource::Schedstat),
            false => (self.total.saturating_sub(earlier.total), CpuSource::Stat),
        };
        Use {
            cpu,
            source,
            threads,
        }
    }
}

/// How many threads a process has.
pub(crate) fn threads(pid: u32) -> Result<usize, ProcessError> {
    entries(pid, "task")
}

/// How many files and sockets a process has open.
pub(crate) fn open_files(pid: u32) -> Result<usize, ProcessError> {
    entries(pid, "fd")
}

fn entries(pid: u32, folder: &str) -> Result<usize, ProcessError> {
    let entries = fs::read_dir(format!("/proc/{pid}/{folder}"));
    let entries = entries.map_err(|source| ProcessError::Proc { pid, source })?;
    Ok(entries.count())
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

fn read_threads(pid: u32) -> io::Result<BTreeMap<u32, Thread>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        // A thread may end while we look.
        let (Ok(schedstat), Ok(status)) = (
            fs::read_to_string(entry.path().join("schedstat")),
            fs::read_to_string(entry.path().join("status")),
        ) else {
            continue;
        };
        let thread = parse_schedstat(&schedstat).and_then(|cpu| parse_thread(&status, cpu));
        threads.extend(id.zip(thread));
    }
    Ok(threads)
}

fn parse_thread(status: &str, cpu: Duration) -> Option<Thread> {
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim())
    };
    let sleeps = value("voluntary_ctxt_switches:").and_then(|n| n.parse().ok());
    Some(Thread {
        name: value("Name:")?.to_owned(),
        so_far: ThreadUse {
            cpu,
            sleeps: sleeps.unwrap_or(0),
        },
    })
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
        let status =
            "Name:\tmedia-1\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t7\n";
        let thread = parse_thread(status, Duration::ZERO).expect("a thread");
        assert_eq!((&*thread.name, thread.so_far.sleeps), ("media-1", 12));
        let snmp = "Udp: InDatagrams NoPorts RcvbufErrors SndbufErrors\nUdp: 10 0 3 1\n";
        assert_eq!(parse_receive_buffer_errors(snmp), Some(3));
        assert_eq!(parse_receive_buffer_errors("Tcp: 1\n"), None);
    }

    fn reading(threads: &[(u32, u64)], total: u64) -> CpuReading {
        let thread = |(id, ms): &(u32, u64)| {
            let so_far = ThreadUse {
                cpu: Duration::from_millis(*ms),
                sleeps: *ms,
            };
            let name = format!("t{}", id % 2);
            (*id, Thread { name, so_far })
        };
        CpuReading {
            threads: threads.iter().map(thread).collect(),
            total: Duration::from_millis(total),
        }
    }

    #[test]
    fn threads_that_begin_count_whole_and_one_that_ends_makes_ticks_count() {
        let before = reading(&[(1, 100), (2, 50)], 150);
        let more = reading(&[(1, 110), (2, 50), (3, 7)], 160);
        let used = more.since(&before);
        assert_eq!(used.cpu, Duration::from_millis(17));
        assert_eq!(used.source, CpuSource::Schedstat);
        // 1 and 3 have one name.
        assert_eq!(used.threads["t1"].cpu, Duration::from_millis(17));
        assert_eq!(used.threads["t1"].sleeps, 17);
        assert_eq!(used.threads["t0"].sleeps, 0);
        let used = reading(&[(1, 110)], 170).since(&before);
        assert_eq!(used.cpu, Duration::from_millis(20));
        assert_eq!(used.source, CpuSource::Stat);
    }

    #[test]
    fn this_process_can_be_watched() {
        let pid = std::process::id();
        let before = CpuReading::take(pid).expect("/proc");
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(60) {
            std::hint::spin_loop();
        }
        let used = CpuReading::take(pid).expect("/proc").since(&before);
        assert!(used.cpu >= Duration::from_millis(20), "{used:?}");
        assert!(threads(pid).expect("/proc") >= 1);
        assert!(open_files(pid).expect("/proc") >= 1);
        assert!(resident(pid).expect("/proc") > 100_000);
        let error = CpuReading::take(u32::MAX).unwrap_err().to_string();
        assert!(error.contains("--pid"), "{error}");
    }
}
