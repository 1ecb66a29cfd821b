//! How long it took until a robot stood, and what of it the machine is to blame for.

use std::fs;

use crate::Lines;

/// The device's dead-man.
pub const LIMIT_US: u64 = 300_000;
/// What an actuator may add that waits for a processor. Of the limit it keeps 10 ms for that itself.
const TOLERANCE_US: u64 = 20_000;

/// The end of a drive, in microseconds. What counts is between two edges that the actuator wrote down itself:
/// however slow everything else on the machine is, it is not in there.
#[derive(Clone, Copy, Debug)]
pub struct Standstill {
    /// From the last command that the robot obeyed to the loss of power.
    pub command: u64,
    /// From the cause to the loss of power.
    pub cause: u64,
    /// How long the actuator was ready to run meanwhile and did not get a processor.
    pub waited: u64,
}

impl Standstill {
    /// Of a robot that has stood since `stands`, because of what happened at `cause`.
    #[track_caller]
    pub fn new(lines: &Lines, cause: u64, stands: u64, waited: u64) -> Self {
        Self {
            command: stands - lines.last_command(stands),
            cause: stands.saturating_sub(cause),
            waited,
        }
    }

    /// Whether it is within the limit.
    pub fn in_time(&self) -> bool {
        self.command <= LIMIT_US + TOLERANCE_US
    }

    /// Whether it is not, and the actuator provably had no processor for what is above: it proves nothing then.
    /// Says so loudly.
    pub fn is_spoiled(&self) -> bool {
        let late = self.command.saturating_sub(LIMIT_US);
        let spoiled = !self.in_time() && self.waited >= late;
        if spoiled {
            println!(
                "A ROUND IS REPEATED: {late} us above the limit; the actuator had no processor for {} us",
                self.waited
            );
        }
        spoiled
    }
}

/// Prints what took how long.
pub fn tell(what: &str, goal_us: u64, times: impl IntoIterator<Item = u64>) {
    let mut times: Vec<u64> = times.into_iter().collect();
    times.sort_unstable();
    let within = times.iter().filter(|time| **time <= goal_us).count();
    let ms = |at: usize| times.get(at).map_or(0.0, |time| *time as f64 / 1e3);
    println!(
        "{what} -> no power: p50 {:.1} ms, max {:.1} ms; {within} of {} within {} ms",
        ms(times.len() / 2),
        ms(times.len().saturating_sub(1)),
        times.len(),
        goal_us / 1000
    );
}

/// Microseconds that a process waited for a processor since its start. `None` where the system does not tell,
/// or the process is gone.
fn waited_us(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    let nanos: u64 = stat.split_whitespace().nth(1)?.parse().ok()?;
    Some(nanos / 1000)
}

/// Watches how long a process waits for a processor; it may end meanwhile.
#[derive(Debug)]
pub struct ProcessorWatch {
    pid: u32,
    before: Option<u64>,
    latest: Option<u64>,
}

impl ProcessorWatch {
    /// From now on.
    pub fn new(pid: u32) -> Self {
        let before = waited_us(pid);
        Self {
            pid,
            before,
            latest: before,
        }
    }

    /// Looks; what happens between this and its end is not seen.
    pub fn look(&mut self) {
        self.latest = waited_us(self.pid).or(self.latest);
    }

    /// How long it has waited, in microseconds.
    pub fn waited(&self) -> u64 {
        let waited = self.before.zip(self.latest);
        waited.map_or(0, |(before, latest)| latest - before)
    }
}
