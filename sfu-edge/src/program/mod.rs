//! The program from its command line to its end.

mod address;
mod greeting;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::auth::{Grant, Scope, StreamPattern, TokenTable};
use crate::control::{CandidatePolicy, Control, gather, unmatched_interfaces};
use crate::directory::DirectoryConfig;
use crate::http::{self, App, ConnectionLimits, RateLimit, RateLimiter};
use crate::media::Bitrate;
use crate::media::api::{Media, MediaCommand, MediaConfig, MediaStartError};
use crate::secrets::{Secrets, SecretsError};
use crate::settings::{Cli, Family, Limits, Origin, Settings, SettingsError};
use greeting::Greeting;

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
    /// HTTP cannot listen.
    #[error(
        "cannot listen on {0}: the port is in use; stop the other program or choose another port with --http"
    )]
    HttpInUse(SocketAddr),
    /// HTTP cannot listen, for another reason.
    #[error("cannot listen on {0}: {1}; choose another address with --http")]
    Http(SocketAddr, io::Error),
    /// The system refuses what every program needs.
    #[error("cannot start: {0}")]
    System(io::Error),
    /// The port was left to the system, and there was no start to choose it.
    #[error(
        "port 0 is chosen at the start, and none was with this --state-dir; start transom-sfu, or name its address with --http"
    )]
    NeverStarted,
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
        let policy = candidate_policy(&settings, settings.udp_port, true);
        print!("{settings}");
        println!("candidates          {}", candidates_text(&policy));
        for warning in unmatched_interfaces(&policy) {
            eprintln!("transom-sfu: {warning}");
        }
        return Ok(());
    }
    start_log(&settings);
    let secrets = Secrets::load_or_create(&settings.state_dir)?;
    let tokens = tokens(&settings, Some(&secrets))?;
    if cli.show_link {
        let http = served_at(&settings)?;
        print!(
            "{}",
            Greeting {
                settings: &settings,
                secrets: &secrets,
                http
            }
            .revealed()
        );
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(ProgramError::System)?;
    runtime.block_on(serve(&settings, &secrets, tokens, start_media))?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

/// Where HTTP listens: as it was said, or as the latest start found it.
fn served_at(settings: &Settings) -> Result<SocketAddr, ProgramError> {
    let said = settings.origins.http != Origin::Default;
    if said && settings.http.port() != 0 {
        return Ok(settings.http);
    }
    match address::recorded(&settings.state_dir) {
        Some(http) => Ok(http),
        None if settings.http.port() != 0 => Ok(settings.http),
        None => Err(ProgramError::NeverStarted),
    }
}

async fn serve(
    settings: &Settings,
    secrets: &Secrets,
    tokens: TokenTable,
    start_media: impl FnOnce(MediaConfig, Handle) -> Result<Media, MediaStartError>,
) -> Result<(), ProgramError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ProgramError::System)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ProgramError::System)?;
    let (listener, http) = listen(settings.http).await?;
    let Media {
        port,
        mut events,
        udp,
        fingerprint,
        ipv6,
        thread,
    } = start_media(media_config(settings), Handle::current())?;

    let policy = candidate_policy(settings, udp.port(), ipv6);
    tell_candidates(&policy);
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
    let serving = tokio::spawn(http::serve(listener, http::router(app), limits, stopped));

    Greeting {
        settings,
        secrets,
        http,
    }
    .print();
    if let Err(error) = address::record(&settings.state_dir, http) {
        tracing::warn!(%error, "cannot note the address; --show-link needs --http then");
    }
    // One line that scripts wait for, whatever the log level.
    eprintln!("listening http={http} udp={udp}");

    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let outcome = loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => control.handle_event(event),
                None => break Err(ProgramError::MediaEnded),
            },
            _ = tick.tick() => control.handle_timeout(),
            _ = interrupt.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
        }
    };
    tracing::info!("ending");
    let _ = stop.send(true);
    let _ = serving.await;
    // Full queue or ended thread: then there is nobody to say goodbye.
    let _ = port.send(MediaCommand::Shutdown);
    let farewell = tokio::task::spawn_blocking(move || thread.join());
    let _ = tokio::time::timeout(MEDIA_FAREWELL, farewell).await;
    outcome
}

fn start_log(settings: &Settings) {
    use std::io::IsTerminal as _;
    let filter = tracing_subscriber::EnvFilter::new(&settings.log);
    // A second start in one process (tests) keeps the first log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
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

async fn listen(http: SocketAddr) -> Result<(TcpListener, SocketAddr), ProgramError> {
    let listener = TcpListener::bind(http)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => ProgramError::HttpInUse(http),
            _ => ProgramError::Http(http, error),
        })?;
    let real = listener
        .local_addr()
        .map_err(|error| ProgramError::Http(http, error))?;
    Ok((listener, real))
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
        loopback: settings.http.ip().is_loopback(),
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
