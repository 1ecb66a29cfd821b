//! `transom-agent`: captures, encodes and publishes by WHIP.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use transom_agent::cli::{Cli, one_line};
use transom_agent::config::Config;
use transom_agent::publish::MediaFeed;
use transom_agent::{logging, signal};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transom-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Help and version are no errors; anything else is told in one line.
fn refuse(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody reads on where this cannot be written.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("transom-agent: {}", one_line(error));
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    let check_only = cli.check_config;
    let config = Config::load(cli)?;
    if check_only {
        print!("{}", config.explain());
        return Ok(());
    }
    logging::start(&config.log.value)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shutdown = signal::shutdown()?;
        let mut feed = MediaFeed::start(&config.feed())?;
        let reason = feed.drain_until(shutdown).await;
        tracing::info!("ending: {reason}");
        Ok(())
    })
}
