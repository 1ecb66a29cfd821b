//! The program from its command line to its end.

mod address;
mod doors;
mod greeting;
mod heap;
mod heartbeat;
mod identity;
mod qr;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use transom_rtc_telemetry::{Process, ServiceManager};

use crate::auth::{Grant, Scope, StreamPattern, TokenTable};
use crate::control::{CandidatePolicy, Control, gather, network_addresses, unmatched_interfaces};
use crate::directory::DirectoryConfig;
use crate::http::{self, App, ConnectionLimits, RateLimit, RateLimiter};
use crate::media::Bitrate;
use crate::media::api::{Media, MediaCommand, MediaConfig, MediaStartError};
use crate::metrics::Metrics;
use crate::secrets::{Secrets, SecretsError};
use crate::settings::{Cli, Family, Limits, Origin, Settings, SettingsError};
use crate::tls::{Certificate, FilesError, OwnCertificateError, ServerTls, keep_fresh};
use doors::{OpenDoor, Scheme};
use greeting::Greeting;
use heap::Heap;
use heartbeat::Heartbeat;

/// Why the program ended before it was asked to. Each message is one line and
/// names the mend.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The settings do not hold together.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There are no tokens.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Two holders have one token.
    #[error("the token of `{0}` in transom-sfu.toml is another holder's too; give each its own")]
    TokenTwice(String),
    /// The media thread did not start.
    #[error(transparent)]
    Media(#[from] MediaStartError),
    /// The port is another program's; the flag chooses another.
    #[error(
        "cannot listen on {0}: the port is in use; stop the other program or choose another port with {1}"
    )]
    ListenInUse(SocketAddr, &'static str),
    /// The system refuses the address; the flag chooses another.
    #[error("cannot listen on {0}: {1}; choose another address with {2}")]
    Listen(SocketAddr, io::Error, &'static str),
    /// The configured certificate.
    #[error(transparent)]
    Certificate(#[from] FilesError),
    /// Our own certificate.
    #[error(transparent)]
    OwnCertificate(#[from] OwnCertificateError),
    /// An address would be served by HTTPS without one.
    #[error("HTTPS without a certificate; give one with --tls-cert and --tls-key")]
    NoCertificate,
    /// TLS does not take the certificate.
    #[error("TLS cannot be set up: {0}; check --tls-cert and --tls-key")]
    Tls(#[from] rustls::Error),
    /// The system refuses what every program needs.
    #[error("cannot start: {0}")]
    System(io::Error),
    /// The port was left to the system, and there was no start to choose it.
    #[error(
        "port 0 is chosen at the start, and none was with this --state-dir; start transom-sfu, or name its address with --http"
    )]
    NeverStarted,
    /// There was no start at all.
    #[error(
        "there are no tokens in {} yet: the first start of transom-sfu makes them; if it runs, give its --config or --state-dir", .0.display()
    )]
    NoSecrets(PathBuf),
    /// The media thread ended by itself.
    #[error("the media thread ended unexpectedly; the lines above say why")]
    MediaEnded,
}

/// How often graces are checked and figures swept.
const TICK: Duration = Duration::from_millis(250);
/// Room in the queues to and from the media thread.
const MEDIA_QUEUE: usize = 1024;
/// How long the media thread gets to say goodbye to its peers.
const MEDIA_FAREWELL: Duration = Duration::from_secs(2);

/// Does what the command line says, until SIGINT or SIGTERM.
pub fn run(
    cli: &Cli,
    start_media: impl FnOnce(MediaConfig, Handle) -> Result<Media, MediaStartError>,
) -> Result<(), ProgramError> {
    let settings = Settings::new(cli, |name| std::env::var(name).ok())?;
    if cli.check_config {
        tokens(&settings, None)?;
        if let Some(files) = &settings.tls {
            files.load()?;
        }
        let policy = candidate_policy(&settings, settings.udp_port, true);
        greeting::say(&format!(
            "{settings}candidates          {}\n",
            candidates_text(&policy)
        ));
        for warning in unmatched_interfaces(&policy)
            .iter()
            .chain(&settings.doubts())
        {
            eprintln!("transom-sfu: {warning}");
        }
        return Ok(());
    }
    start_log(&settings)?;
    if cli.asks_for_links() {
        // Who asks may be another user, whose files the server could not read.
        let secrets = Secrets::load(&settings.state_dir)?;
        let secrets = secrets.ok_or_else(|| ProgramError::NoSecrets(settings.state_dir.clone()))?;
        return show_links(&settings, &secrets, cli);
    }
    let secrets = Secrets::load_or_create(&settings.state_dir)?;
    let tokens = tokens(&settings, Some(&secrets))?;
    if let Err(error) = secrets.hand_out(&settings.state_dir) {
        tracing::warn!("{error}");
    }
    Heap::unite();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(ProgramError::System)?;
    runtime.block_on(serve(&settings, &secrets, tokens, cli.qr, start_media))?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

/// Prints the links of the server that runs, or ran last.
fn show_links(settings: &Settings, secrets: &Secrets, cli: &Cli) -> Result<(), ProgramError> {
    let doors = served_at(settings)?;
    let secure = doors.iter().any(|door| door.scheme == Scheme::Https);
    let certificate = match secure {
        true => identity::find(settings)?,
        false => None,
    };
    let addresses = network_addresses(&candidate_policy(settings, settings.udp_port, true));
    let greeting = Greeting {
        settings,
        secrets,
        doors: &doors,
        addresses: &addresses,
        certificate: certificate.as_ref(),
        qr: cli.qr,
    };
    match cli.asks_to_drive() {
        true => greeting.print_drive_links(),
        false => greeting.print_links(),
    }
    Ok(())
}

/// What is listened on: as it was said on the command line, or as the latest
/// start found it.
fn served_at(settings: &Settings) -> Result<Vec<OpenDoor>, ProgramError> {
    let said = settings.origins.http != Origin::Default;
    let recorded = address::recorded(&settings.state_dir);
    let wanted = doors::wanted(settings);
    let complete = wanted.iter().all(|door| door.address.port() != 0);
    match (recorded.is_empty(), complete) {
        (_, true) if said => Ok(wanted),
        (false, _) => Ok(recorded),
        (true, true) => Ok(wanted),
        (true, false) => Err(ProgramError::NeverStarted),
    }
}

/// The certificate and the TLS of the doors that others come by, if there are any.
fn secure(settings: &Settings) -> Result<Option<(Certificate, ServerTls)>, ProgramError> {
    let wanted = doors::wanted(settings);
    if wanted.iter().all(|door| door.scheme == Scheme::Http) {
        return Ok(None);
    }
    let policy = candidate_policy(settings, settings.udp_port, true);
    let certificate = identity::load_or_create(settings, &network_addresses(&policy))?;
    let tls = ServerTls::new(&certificate)?;
    Ok(Some((certificate, tls)))
}

async fn serve(
    settings: &Settings,
    secrets: &Secrets,
    tokens: TokenTable,
    qr: bool,
    start_media: impl FnOnce(MediaConfig, Handle) -> Result<Media, MediaStartError>,
) -> Result<(), ProgramError> {
    let process = Process::new();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ProgramError::System)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ProgramError::System)?;
    let (certificate, tls) = secure(settings)?.unzip();
    let (doors, opened) = doors::open(settings, tls.as_ref()).await?;
    let Media {
        port,
        mut events,
        udp,
        fingerprint,
        ipv6,
        relayed,
        figures,
        thread,
    } = start_media(media_config(settings), Handle::current())?;

    let policy = candidate_policy(settings, udp.port(), ipv6);
    tell_candidates(&policy);
    for doubt in settings.doubts() {
        tracing::warn!("{doubt}");
    }
    let addresses = network_addresses(&policy);
    let control = Control::new(
        directory_config(&settings.limits),
        Arc::clone(&port),
        fingerprint,
        policy,
    );
    let control = Arc::new(control);
    let app = Arc::new(App {
        control: Arc::clone(&control),
        tokens,
        metrics: Metrics {
            media: figures,
            relay: relayed,
            process,
        },
        rate_limiter: Mutex::new(RateLimiter::new(RateLimit {
            per_second: f64::from(settings.limits.requests_per_second.get()),
            burst: f64::from(settings.limits.request_burst.get()),
        })),
        started: Instant::now(),
        instance: instance_name(),
    });
    let limits = ConnectionLimits {
        total: as_usize(settings.limits.max_connections.get()),
        per_address: as_usize(settings.limits.max_connections_per_address.get()),
        head_timeout: http::HEAD_TIMEOUT,
    };
    let (stop, stopped) = watch::channel(false);
    if let (Some(files), Some(tls)) = (&settings.tls, tls) {
        tokio::spawn(keep_fresh(files.clone(), tls, stopped.clone()));
    }
    let serving = tokio::spawn(http::serve(doors, http::router(app), limits, stopped));

    Greeting {
        settings,
        secrets,
        doors: &opened,
        addresses: &addresses,
        certificate: certificate.as_ref(),
        qr,
    }
    .print();
    if let Err(error) = address::record(&settings.state_dir, &opened) {
        tracing::warn!(%error, "cannot note the addresses; `transom-sfu link` needs --http then");
    }
    eprintln!("{}", listening(&opened, udp));

    let workers = usize::from(std::num::NonZeroUsize::from(settings.workers));
    let manager = ServiceManager::from_env();
    let mut heartbeat = Heartbeat::new(manager, Arc::clone(&port), workers, Instant::now());
    heartbeat.ready(&format!("serving; {}", listening(&opened, udp)));
    let mut heap = Heap::new(Instant::now());
    let runtime = Handle::current();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let outcome = loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => control.handle_event(event),
                None => break Err(ProgramError::MediaEnded),
            },
            _ = tick.tick() => {
                control.handle_timeout();
                heartbeat.handle_timeout(Instant::now(), &runtime);
                heap.handle_timeout(Instant::now(), control.sessions());
            }
            _ = interrupt.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
        }
    };
    tracing::info!("ending");
    heartbeat.stopping();
    let _ = stop.send(true);
    let _ = serving.await;
    // Full queue or ended thread: then there is nobody to say goodbye.
    let _ = port.send(MediaCommand::Shutdown);
    let farewell = tokio::task::spawn_blocking(move || thread.join());
    let _ = tokio::time::timeout(MEDIA_FAREWELL, farewell).await;
    outcome
}

fn start_log(settings: &Settings) -> Result<(), ProgramError> {
    use std::io::IsTerminal as _;
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let filter = settings.log_filter()?;
    let info = Targets::new().with_default(LevelFilter::INFO);
    let targets: Targets = filter.as_str().parse().unwrap_or(info);
    // A second start in one process (tests) keeps the first log.
    let _ = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .finish()
        .with(targets)
        .try_init();
    Ok(())
}

pub(crate) fn tokens(
    settings: &Settings,
    secrets: Option<&Secrets>,
) -> Result<TokenTable, ProgramError> {
    let mut table = TokenTable::default();
    if let Some(secrets) = secrets {
        let own = [
            ("publish", &secrets.publish, vec![Scope::Publish]),
            ("watch", &secrets.watch, vec![Scope::Watch]),
            ("drive", &secrets.drive, vec![Scope::Watch, Scope::Drive]),
        ];
        for (holder, token, scopes) in own {
            let grant = Grant {
                holder: holder.into(),
                scopes,
                streams: vec![StreamPattern::any()],
            };
            if !table.add(token, grant) {
                return Err(ProgramError::TokenTwice(holder.into()));
            }
        }
    }
    for entry in &settings.tokens {
        let grant = Grant {
            holder: entry.name.clone(),
            scopes: entry.scopes.clone(),
            streams: entry.streams.clone(),
        };
        if !table.add(&entry.token, grant) {
            return Err(ProgramError::TokenTwice(entry.name.clone()));
        }
    }
    Ok(table)
}

/// One line that scripts wait for, whatever the log level: this machine's own
/// door, the media's port, and then all other doors.
fn listening(opened: &[OpenDoor], udp: SocketAddr) -> String {
    let mut words: Vec<String> = opened
        .iter()
        .map(|door| format!("{}={}", door.scheme.as_str(), door.address))
        .collect();
    words.insert(1.min(words.len()), format!("udp={udp}"));
    format!("listening {}", words.join(" "))
}

fn media_config(settings: &Settings) -> MediaConfig {
    MediaConfig {
        udp_port: settings.udp_port,
        max_sessions: as_usize(settings.limits.max_sessions.get()),
        queue: MEDIA_QUEUE,
        workers: settings.workers.into(),
        hold: settings.hold.into(),
        max_publish: Bitrate::from_mbps(settings.limits.max_publish_mbps.get()),
    }
}

pub(crate) fn candidate_policy(settings: &Settings, udp_port: u16, ipv6: bool) -> CandidatePolicy {
    let mut families = settings.families.clone();
    families.retain(|f| ipv6 || *f != Family::Ipv6);
    CandidatePolicy {
        udp_port,
        advertise: settings.advertise.clone(),
        interfaces: settings.interfaces.clone(),
        exclude_interfaces: settings.exclude_interfaces.clone(),
        families,
        loopback: doors::wanted(settings)
            .iter()
            .any(|door| door.address.ip().is_loopback()),
    }
}

/// Once, at the start; answers are given with what there is at their time.
fn tell_candidates(policy: &CandidatePolicy) {
    for warning in unmatched_interfaces(policy) {
        tracing::warn!("{warning}");
    }
    if gather(policy).is_empty() {
        tracing::warn!(
            "no address to offer: clients cannot connect; set `advertise`, or widen `interfaces` and `families`"
        );
    }
    tracing::info!("candidates {}", candidates_text(policy));
}

fn candidates_text(policy: &CandidatePolicy) -> String {
    let candidates = gather(policy);
    let addresses: Vec<String> = candidates.iter().map(|c| c.addr.to_string()).collect();
    match addresses.is_empty() {
        true => "none".into(),
        false => addresses.join(" "),
    }
}

fn directory_config(limits: &Limits) -> DirectoryConfig {
    DirectoryConfig {
        max_streams: as_usize(limits.max_streams.get()),
        max_subscribers: as_usize(limits.max_subscribers.get()),
        max_sessions: as_usize(limits.max_sessions.get()),
        ..DirectoryConfig::default()
    }
}

fn as_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Not a secret: it only tells one start from another.
fn instance_name() -> String {
    let mut bytes = [0; 8];
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
