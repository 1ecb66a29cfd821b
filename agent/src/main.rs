//! `transom-agent`: captures, encodes and publishes by WHIP.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use tokio::sync::watch;
use transom_agent::actuator;
use transom_agent::cli::{Cli, Command, one_line};
use transom_agent::config::Config;
use transom_agent::control::{ActuatorLink, Control};
use transom_agent::metrics::{HostNames, Metrics, MetricsServer};
use transom_agent::publish::MediaFeed;
use transom_agent::publisher::{self, PublishFigures, PublisherConfig};
use transom_agent::{doctor, logging, service, signal};
use transom_rtc_telemetry::{Process, ServiceManager};
use transom_rtc_tokio::address::AddressPolicy;
use transom_rtc_tokio::client::Endpoint;

/// The offer names the picture's profile; a camera that is absent is not
/// waited for longer than this.
const FORMAT_WAIT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == actuator::COMMAND) {
        return actuator::main(words);
    }
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    if let Some(Command::Doctor(options)) = cli.command.clone() {
        return doctor::run(&cli, &options);
    }
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
        let control = config.control.clone().map(Control::start);
        let link = control.as_ref().map(|control| control.link().clone());
        let published = publish(&config, link).await;
        if let Some(control) = control {
            control.shutdown().await;
        }
        published
    })
}

/// Captures and publishes until a signal comes or the source ends.
async fn publish(
    config: &Config,
    actuator: Option<ActuatorLink>,
) -> Result<(), Box<dyn std::error::Error>> {
    let process = Process::new();
    let manager = Arc::new(ServiceManager::from_env());
    let endpoint = Endpoint::new(config.endpoint())?;
    let (ending, shutdown) = watch::channel(false);
    let signalled = signal::shutdown()?;
    let asked = Arc::clone(&manager);
    tokio::spawn(async move {
        let signal = signalled.await;
        tracing::info!("ending: {signal}");
        asked.stopping();
        ending.send_replace(true);
        // Held to the end: who waits on it must not see it closed.
        std::future::pending::<()>().await;
    });
    let mut feed = MediaFeed::start(&config.feed())?;
    let figures = Arc::new(PublishFigures::default());
    if let Some(address) = &config.metrics {
        let names = HostNames::of_this_machine(&config.metrics_hosts);
        let server = MetricsServer::open(address.value.0, names).await?;
        let metrics = Metrics {
            feed: feed.control.clone(),
            publisher: Arc::clone(&figures),
            control: actuator.clone(),
            process,
        };
        tokio::spawn(server.serve(Arc::new(metrics)));
    }
    feed.wait_for_format(FORMAT_WAIT).await;
    let publisher = PublisherConfig {
        endpoint,
        addresses: AddressPolicy::default(),
        rate: config.rate(),
        actuator,
        figures: Arc::clone(&figures),
    };
    manager.ready();
    // In one task: what keeps the publisher from going on keeps the manager from being told.
    tokio::select! {
        published = publisher::run(publisher, feed, shutdown) => Ok(published?),
        never = service::report(&manager, &figures) => match never {},
    }
}
