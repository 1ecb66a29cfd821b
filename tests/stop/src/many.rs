//! The same fault again and again.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::fault::Fault;
use crate::run::{Ended, run};

/// So many drives that `fault` ends, some of them at once.
pub fn run_many(fault: Fault, runs: u64, at_once: u64) -> Vec<Ended> {
    let next = AtomicU64::new(0);
    let some = || {
        let mut ends = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs {
                return ends;
            }
            ends.push(run(fault, seed));
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(some)).collect();
        let ends = threads.into_iter().map(|thread| thread.join());
        ends.flat_map(|ends| ends.expect("a panic is caught"))
            .collect()
    })
}

/// The same in Chromium, by a script of the browser tests. `TRANSOM_BROWSER_TESTS` says where those are; their
/// tools are found by the same environment as theirs.
pub fn in_browser(fault: Fault, runs: u64) -> Vec<Ended> {
    let Some(folder) = std::env::var_os("TRANSOM_BROWSER_TESTS").map(PathBuf::from) else {
        return vec![Ended::Failed(
            "cargo xtask bench stop plays this one".to_owned(),
        )];
    };
    let mut node = Command::new("node");
    node.args(["bench/stop.js", fault.name(), &runs.to_string()])
        .current_dir(folder);
    let output = match node.output() {
        Ok(output) => output,
        Err(error) => return vec![Ended::Failed(format!("node: {error}"))],
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut ends: Vec<Ended> = text.lines().filter_map(ended).collect();
    let missing = usize::try_from(runs)
        .unwrap_or(0)
        .saturating_sub(ends.len());
    if missing > 0 {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    }
    ends.extend((0..missing).map(|_| Ended::Failed("it was not played".to_owned())));
    ends
}

/// `stood SINCE-FAULT-US AGAIN`
fn ended(line: &str) -> Option<Ended> {
    let mut words = line.strip_prefix("stood ")?.split(' ');
    let mut number = || words.next()?.parse::<u64>().ok();
    let since = number()?;
    Some(Ended::Stood {
        after_us: since,
        since_fault_us: since,
        again: number()? != 0,
        waited_us: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_tells_is_read() {
        let expected = Ended::Stood {
            after_us: 290_000,
            since_fault_us: 290_000,
            again: true,
            waited_us: 0,
        };
        assert_eq!(ended("stood 290000 1"), Some(expected));
        assert_eq!(ended("stood 290000"), None);
        assert_eq!(ended("# it says more"), None);
    }
}
