//! `transom-stop [FAULT,...] [--runs N] [--at-once N]`: every fault again and again, and a table of how long it
//! took until the robot stood. `cargo xtask bench stop` builds and calls it.
//!
//! `transom-stop latency [--seconds S]`: how old the newest setpoint is, through the server over bad cables, and
//! how long answers take without any.
//!
//! Ends with a failure where any run fails. What cannot be tried on this machine is told loudly, and is none.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

use std::process::ExitCode;

use transom_tests_stop::{Fault, Table, impossible, in_browser, latency, run_many};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut faults, mut runs, mut at_once, mut seconds) = (Vec::new(), 20, 4, 60);
    let mut measures = false;
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse().ok());
            value.unwrap_or_else(|| panic!("{word} needs a whole number"))
        };
        match word.as_str() {
            "latency" => measures = true,
            "--runs" => runs = number(),
            "--at-once" => at_once = number(),
            "--seconds" => seconds = number(),
            names => {
                for name in names.split(',') {
                    let Some(fault) = Fault::named(name) else {
                        let all = Fault::ALL.map(Fault::name).join(", ");
                        eprintln!("transom-stop: there is no fault `{name}`; there are {all}");
                        return ExitCode::FAILURE;
                    };
                    faults.push(fault);
                }
            }
        }
    }
    let good = match measures {
        true => latency(seconds),
        false => stops(faults, runs, at_once),
    };
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn stops(mut faults: Vec<Fault>, runs: u64, at_once: u64) -> bool {
    if faults.is_empty() {
        faults = Fault::ALL.to_vec();
    }
    let mut table = Table::new();
    for fault in faults {
        if let Some(why) = impossible(fault) {
            table.skip(fault, &why);
            continue;
        }
        let ends = match fault.is_in_browser() {
            true => in_browser(fault, runs),
            false => run_many(fault, runs, at_once.max(1)),
        };
        table.add(fault, &ends);
    }
    table.end()
}
