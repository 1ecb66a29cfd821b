//! What is printed of many runs.

use transom_tests_e2e::LIMIT_US;

use crate::fault::Fault;
use crate::run::{Ended, TOLERANCE_US};

/// A table in Markdown, printed line by line as it grows.
#[derive(Debug, Default)]
pub struct Table {
    failures: usize,
    skipped: Vec<String>,
}

impl Table {
    /// An empty one; prints its head.
    pub fn new() -> Self {
        println!(
            "| fault | counted from | median | worst | allowed | since the fault: median | worst | passed |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
        Self::default()
    }

    /// The runs of one fault. Why one failed goes to standard error.
    pub fn add(&mut self, fault: Fault, ends: &[Ended]) {
        let stood = |pick: fn(u64, u64) -> u64| {
            let mut times: Vec<u64> = ends
                .iter()
                .filter_map(|end| match end {
                    Ended::Stood {
                        after_us,
                        since_fault_us,
                        ..
                    } => Some(pick(*after_us, *since_fault_us)),
                    Ended::Failed(_) | Ended::Impossible(_) => None,
                })
                .collect();
            times.sort_unstable();
            let at = |at: usize| {
                let time = times.get(at).copied();
                time.map_or("-".to_owned(), |us| format!("{:.0} ms", us as f64 / 1e3))
            };
            [at(times.len() / 2), at(times.len().wrapping_sub(1))]
        };
        let [median, worst] = stood(|after, _| after);
        let [since, longest] = stood(|_, since| since);
        let good = ends.iter().filter(|end| end.is_good()).count();
        println!(
            "| {fault} | {} | {median} | {worst} | {} ms | {since} | {longest} | {good} of {} |",
            fault.from(),
            (LIMIT_US + TOLERANCE_US) / 1000,
            ends.len()
        );
        for end in ends.iter().filter(|end| !end.is_good()) {
            eprintln!("{fault}: {end:?}");
        }
        self.failures += ends.len() - good;
    }

    /// One that cannot be tried here.
    pub fn skip(&mut self, fault: Fault, why: &str) {
        println!("| {fault} | SKIPPED | | | | | | 0 of 0 |");
        self.skipped.push(format!("{fault}: {why}"));
    }

    /// Tells what was not tried; whether nothing failed.
    pub fn end(self) -> bool {
        for skipped in &self.skipped {
            println!("NOT TRIED ON THIS MACHINE: {skipped}");
        }
        self.failures == 0
    }
}
