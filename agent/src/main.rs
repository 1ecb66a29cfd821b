//! `transom-agent`: captures, encodes and publishes by WHIP.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use tokio::sync::watch;
use tracing::Instrument as _;
use transom_agent::actuator::{self, OutputOrder};
use transom_agent::bell::{Bell, BellFigures, Hook, OnRing, Ring};
use transom_agent::board;
use transom_agent::cli::{Cli, Command, one_line};
use transom_agent::config::{Config, SpeakerDevice};
use transom_agent::control::{ActuatorLink, Control};
use transom_agent::feed::AudioSource;
use transom_agent::metrics::{HostNames, Metrics, MetricsServer, StreamFigures};
use transom_agent::publish::MediaFeed;
use transom_agent::publisher::{self, PublishFigures, PublisherConfig};
use transom_agent::record::{self, Recorder};
use transom_agent::sound::play::{PlayConfig, PlayHandle, Playback};
use transom_agent::sound::trial::Trial;
use transom_agent::talk::{self, TalkConfig};
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
    if matches!(cli.command, Some(Command::Sound)) {
        return try_sound(cli);
    }
    if let Some(Command::Board(options)) = &cli.command {
        return board::run(options);
    }
    if matches!(cli.command, Some(Command::MakeSafe)) {
        return make_safe(&cli);
    }
    if let Some(Command::Log(options)) = cli.command.clone() {
        return record::run(&cli, &options);
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transom-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make_safe(cli: &Cli) -> ExitCode {
    let wired = match Config::outputs(cli) {
        Ok(wired) => wired,
        Err(mistakes) => {
            for mistake in mistakes {
                eprintln!("transom-agent make-safe: {mistake}");
            }
            return ExitCode::FAILURE;
        }
    };
    let Some(wired) = wired else {
        println!("nothing is wired: there is nothing to make safe");
        return ExitCode::SUCCESS;
    };
    match actuator::make_safe(&wired.board) {
        Ok(()) => {
            println!("the outputs are safe");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("transom-agent make-safe: THE OUTPUTS MAY BE POWERED: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is configured, as far as that can be read: no server is needed for this.
fn try_sound(cli: Cli) -> ExitCode {
    let mut trial = Trial {
        source: cli.audio.clone().unwrap_or(AudioSource::None),
        play: PlayConfig {
            speaker: match cli.speaker.clone() {
                Some(SpeakerDevice::Alsa(device)) => Some(device),
                _ => None,
            },
            chime: None,
        },
    };
    if let Ok(config) = Config::load(cli) {
        trial = Trial {
            source: config.audio.value.clone(),
            play: config.play(),
        };
    }
    match trial.run(&mut std::io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
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
    actuator::share_the_risk(config.control.actuator.is_some());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if let Some(board) = &config.control.board {
            tracing::info!("board: {board}");
        }
        let recorder = recorder(&config)?;
        let control = config.control.actuator.clone();
        let control = control.map(|actuator| match recorder {
            Some(recorder) => Control::start_recorded(actuator, recorder),
            None => Control::start(actuator),
        });
        let link = control.as_ref().map(|control| control.link().clone());
        let published = publish(&config, link).await;
        if let Some(control) = control {
            let safe = control.shutdown().await;
            published?;
            safe?;
            return Ok(());
        }
        published
    })
}

/// What writes down what happens, where something is driven and the file says where.
fn recorder(config: &Config) -> std::io::Result<Option<Recorder>> {
    match (&config.record, &config.control.actuator) {
        (Some(record), Some(_)) => record.start().map(Some),
        _ => Ok(None),
    }
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
    let (mut feed, second) = MediaFeed::start_all(&config.feed())?;
    let playback = Playback::start(&config.play(), feed.control.sound().clone())?;
    if let Some(endpoint) = config.talk() {
        let talk = TalkConfig {
            endpoint: Endpoint::new(endpoint)?,
            addresses: AddressPolicy::default(),
        };
        let play = playback.handle().clone();
        tokio::spawn(talk::run(talk, play, shutdown.clone()));
    }
    let bell_figures = Arc::new(BellFigures::default());
    // Held to the end: dropped, nobody waits for the button.
    let _bell = bell(config, actuator.as_ref(), playback.handle(), &bell_figures)?;
    let outputs = actuator.clone();
    // Who may drive nothing is offered no channels to do it by.
    let driven = actuator.filter(|_| config.control.drives());
    let figures = Arc::new(PublishFigures::default());
    let second = second.zip(config.second());
    let of_second = second.as_ref().map(|(feed, _)| StreamFigures {
        feed: feed.control.clone(),
        publisher: Arc::default(),
    });
    if let Some(address) = &config.metrics {
        let names = HostNames::of_this_machine(&config.metrics_hosts);
        let server = MetricsServer::open(address.value.0, names).await?;
        let metrics = Metrics {
            main: StreamFigures {
                feed: feed.control.clone(),
                publisher: Arc::clone(&figures),
            },
            second: of_second.clone(),
            stills: feed.stills.clone(),
            control: outputs,
            bell: bell_figures,
            process,
        };
        tokio::spawn(server.serve(Arc::new(metrics)));
    }
    if let (Some((feed, (endpoint, rate))), Some(of_second)) = (second, of_second) {
        let publisher = PublisherConfig {
            endpoint: Endpoint::new(endpoint)?,
            addresses: AddressPolicy::default(),
            rate,
            actuator: None,
            figures: of_second.publisher,
        };
        tokio::spawn(publish_second(feed, publisher, shutdown.clone()));
    }
    feed.wait_for_format(FORMAT_WAIT).await;
    let publisher = PublisherConfig {
        endpoint,
        addresses: AddressPolicy::default(),
        rate: config.rate(),
        actuator: driven,
        figures: Arc::clone(&figures),
    };
    manager.ready();
    // In one task: what keeps the publisher from going on keeps the manager from being told.
    tokio::select! {
        published = publisher::run(publisher, feed, shutdown) => Ok(published?),
        never = service::report(&manager, &figures) => match never {},
    }
}

/// Publishes the second stream, with a session of its own. Its lines in the log
/// stand behind its name.
async fn publish_second(
    mut feed: MediaFeed,
    publisher: PublisherConfig,
    shutdown: watch::Receiver<bool>,
) {
    let publishing = async {
        feed.wait_for_format(FORMAT_WAIT).await;
        if let Err(error) = publisher::run(publisher, feed, shutdown).await {
            tracing::warn!("no second stream any more: {error}");
        }
    };
    publishing.instrument(tracing::info_span!("second")).await;
}

/// Waits for the board's button, if it has one.
fn bell(
    config: &Config,
    outputs: Option<&ActuatorLink>,
    speaker: &PlayHandle,
    figures: &Arc<BellFigures>,
) -> std::io::Result<Option<Bell>> {
    let Some(button) = config.bell.button.clone() else {
        if config.bell.run.is_some() {
            tracing::warn!(
                "bell: there is no button: name one in a board file, and the file in [control]"
            );
        }
        return Ok(None);
    };
    let speaker = speaker.clone();
    let mut told: Vec<Box<dyn OnRing>> = vec![Box::new(move |_: Ring| speaker.chime())];
    let chimes = |wiring: &board::Wiring| wiring.chime.is_some();
    if let Some(outputs) = outputs.filter(|_| chimes(&button.wiring)) {
        let outputs = outputs.clone();
        told.push(Box::new(move |_: Ring| outputs.order(OutputOrder::Chime)));
    }
    if let Some(run) = config.bell.run.clone() {
        told.push(Box::new(Hook::start(run, Arc::clone(figures))?));
    }
    Bell::start(button, told, Arc::clone(figures)).map(Some)
}
