//! `transom-sfu`.

use std::process::ExitCode;

use clap::Parser as _;
use transom_sfu::media;
use transom_sfu::program;
use transom_sfu::settings::Cli;

fn main() -> ExitCode {
    match program::run(&Cli::parse(), media::start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transom-sfu: {error}");
            ExitCode::FAILURE
        }
    }
}
