//! `transom-load`: what a WHIP and WHEP server takes for what it forwards, and
//! what the machine itself would take.
//!
//! One process holds the publisher and all subscribers, so that one clock times
//! a packet's way. The publisher has a thread ([`publisher`]), the subscribers
//! share one ([`audience`]); a small tokio runtime beside them exchanges HTTP and
//! runs the DTLS handshakes, and sleeps once all have joined.
#![forbid(unsafe_code)]

mod audience;
mod call;
mod churn;
mod cipher;
mod cli;
mod clock;
mod connection;
mod floor;
mod gaps;
mod outcome;
mod payload;
mod process;
mod publisher;
mod quantile;
mod rogue;
mod run;
mod schedule;
mod shared_srtp;
mod subscriber;
mod tally;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Churn, Cli, Floor, Run, What};

fn main() -> ExitCode {
    let done = match Cli::parse().what {
        What::Run(run) => load(&run),
        What::Churn(churn) => come_and_go(&churn),
        What::Floor(floor) => measure_floor(&floor),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transom-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
}

fn come_and_go(options: &Churn) -> Result<(), Box<dyn Error>> {
    let churned = runtime()?.block_on(churn::run(&options.config()))?;
    if options.plain {
        print!("{}", churned.plain());
    } else {
        print!("{churned}");
    }
    match churned.fault() {
        Some(fault) => Err(fault.into()),
        None => Ok(()),
    }
}

fn load(options: &Run) -> Result<(), Box<dyn Error>> {
    let outcome = runtime()?.block_on(run::run(&options.config()))?;
    if options.plain {
        print!("{}", outcome.plain());
    } else {
        print!("{outcome}");
    }
    match outcome.fault() {
        Some(fault) => Err(fault.into()),
        None => Ok(()),
    }
}

fn measure_floor(options: &Floor) -> Result<(), Box<dyn Error>> {
    let config = options.config();
    let outcome = floor::run(&config)?;
    let (median, least, most) = outcome.us_per_packet();
    let sent: u64 = outcome.runs.iter().map(|r| r.sent).sum();
    let received: u64 = outcome.runs.iter().map(|r| r.received).sum();
    let took: f64 = outcome.runs.iter().map(|r| r.took.as_secs_f64()).sum();
    if options.plain {
        println!("publisher={}", config.publisher.name());
        println!("cipher={}", config.cipher.name());
        println!("subscribers={}", config.subscribers);
        println!("runs={}", outcome.runs.len());
        println!("seconds={took:.6}");
        println!("sent={sent}");
        println!("received={received}");
        println!("us_per_packet={median:.4}");
        println!("us_per_packet_least={least:.4}");
        println!("us_per_packet_most={most:.4}");
        println!("packets_per_cpu_second={:.4}", 1e6 / median);
    } else {
        println!(
            "{} packets to {} sockets ({}, {}), {} runs: median {:.1} thousand packets a CPU-second, {median:.2} us a packet ({least:.2} to {most:.2}); {received} counted",
            sent,
            config.subscribers,
            config.publisher.name(),
            config.cipher.name(),
            outcome.runs.len(),
            1e3 / median,
        );
    }
    Ok(())
}
