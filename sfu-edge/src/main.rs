//! `transom-sfu`.

use std::process::ExitCode;

use transom_sfu::doctor;
use transom_sfu::media;
use transom_sfu::program;
use transom_sfu::settings::{Cli, Command, one_line};

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    if let Some(Command::Doctor(options)) = &cli.command {
        return doctor::run(&cli, options);
    }
    match program::run(&cli, media::start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transom-sfu: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Help and version are no errors; anything else is told in one line.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        eprintln!("transom-sfu: {}", one_line(error));
        return ExitCode::from(2);
    }
    // Nobody reads on where this cannot be written.
    let _ = error.print();
    ExitCode::SUCCESS
}
