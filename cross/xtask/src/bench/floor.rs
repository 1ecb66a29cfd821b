//! `cargo xtask bench floor`: `transom-load floor` over all that is asked for.

use std::process::Command;

use super::figures::Figures;
use super::load::{Case, Choice};
use super::{generator, generator_built};
use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::{self, Consent};

const HELP: &str = "\
cargo xtask bench floor [--n LIST] [--publisher LIST] [--cipher LIST] [--runs N] [--seconds S] [--yes]

  What this machine takes to seal and send the packets that `bench load` has a server forward:
  the same schedule, sizes and ciphers, to as many loopback sockets, and nothing else.

  --n LIST           subscribers (1,10,50,100,300)
  --publisher LIST   burst, chromium, paced (all)
  --cipher LIST      gcm, cm, mixed (all)
  --runs N           the median of so many (5)
  --seconds S        of each run (3)
";

pub(crate) fn bench(mut args: Args) -> Result<(), Failure> {
    let mut choice = Choice::default();
    let (mut runs, mut seconds, mut yes) = (5, 3, false);
    while let Some(word) = args.word() {
        match word.as_str() {
            "--runs" => runs = args.number("--runs")?,
            "--seconds" => seconds = args.number("--seconds")?,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            other if choice.take(other, &mut args)? => {}
            other => return Err(args::unknown("bench floor", other)),
        }
    }
    needs::debian(needs::BUILD, Consent::new(yes))?;
    generator_built()?;
    println!(
        "| publisher | cipher | N | thousand packets a CPU-second | us a packet (least to most) |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for case in choice.cases() {
        let figures = measure(&case, runs, seconds)?;
        println!(
            "| {} | {} | {} | {:.0} | {:.2} ({:.2} to {:.2}) |",
            case.publisher,
            case.cipher,
            case.n,
            figures.number("packets_per_cpu_second").unwrap_or(0.0) / 1e3,
            figures.number("us_per_packet").unwrap_or(0.0),
            figures.number("us_per_packet_least").unwrap_or(0.0),
            figures.number("us_per_packet_most").unwrap_or(0.0),
        );
    }
    Ok(())
}

/// The floor of one case.
pub(super) fn measure(case: &Case, runs: u64, seconds: u64) -> Result<Figures, Failure> {
    let mut command = Command::new(generator());
    command.arg("floor").args(case.words());
    command.args([
        "--runs",
        &runs.to_string(),
        "--seconds",
        &seconds.to_string(),
    ]);
    Figures::of(command)
}
