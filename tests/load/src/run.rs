//! One run against a server: publish, join, warm up, measure, leave.

use std::io;
use std::iter::repeat_n;
use std::process::Command;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use transom_rtc_dtls::{Certificate, CertificateError};
use transom_rtc_proto::peer::CloseReason;
use transom_rtc_proto::port::{DtlsFailure, SrtpProfile};
use transom_rtc_proto::sdp::Direction;
use transom_rtc_tokio::client::{
    ClientError, Endpoint, EndpointConfig, EndpointError, Retry, Session as HttpSession,
};

use crate::audience::{Audience, Farewell, Seat};
use crate::call::{Call, CallError, place};
use crate::cipher::CipherKind;
use crate::clock::Clock;
use crate::outcome::{Outcome, ServerFigures};
use crate::process::{self, CpuReading, ProcessError};
use crate::publisher::{Publisher, PublisherConfig};
use crate::rogue::Rogue;
use crate::schedule::PublisherKind;
use crate::tally::Tally;

/// Longest that one end may take to connect.
pub(crate) const CONNECT: Duration = Duration::from_secs(15);

/// Longest that a stream may take to be live after its publisher is connected.
const LIVE: Duration = Duration::from_secs(5);

/// Between two attempts to join a stream that is not live yet.
const AGAIN: Duration = Duration::from_millis(100);

/// The next subscriber joins when this one has its first packet, and after so
/// long at the latest.
const JOIN_GAP: Duration = Duration::from_millis(150);

/// Before it falls silent, a publisher goes on for so long after the last join.
const LIVELY: Duration = Duration::from_secs(1);

/// Sessions that are ended at the same time.
const CLOSED_AT_ONCE: usize = 32;

/// Who is loaded.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) whip: String,
    pub(crate) whep: String,
    pub(crate) whip_token: Option<String>,
    pub(crate) whep_token: Option<String>,
}

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct RunConfig {
    pub(crate) target: Target,
    pub(crate) pid: Option<u32>,
    pub(crate) subscribers: usize,
    /// More subscribers, that misbehave and count for nothing.
    pub(crate) rogues: Vec<Rogue>,
    pub(crate) publisher: PublisherKind,
    /// So many times the picture packets of that kind.
    pub(crate) times: usize,
    pub(crate) cipher: CipherKind,
    pub(crate) loss_percent: f64,
    /// The publisher falls silent before the warm-up.
    pub(crate) idle: bool,
    pub(crate) warmup: Duration,
    pub(crate) measure: Duration,
    /// Shell commands run when the measurement begins and when it has ended.
    pub(crate) at_start: Option<String>,
    pub(crate) at_end: Option<String>,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RunError {
    /// A URL or token is of no use.
    #[error("{option}: {source}")]
    Endpoint {
        option: &'static str,
        source: EndpointError,
    },
    /// The server's process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// No certificate.
    #[error("cannot make a DTLS certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The publisher has no session.
    #[error("cannot publish to {url}: {source}")]
    Publish { url: String, source: CallError },
    /// The publisher has a session, but no connection.
    #[error("the publisher does not connect: {0}")]
    PublisherClosed(CloseReason),
    /// A subscriber has no session.
    #[error("subscriber {index} cannot watch {url}: {source}")]
    Watch {
        index: usize,
        url: String,
        source: CallError,
    },
    /// A subscriber has a session, but no connection.
    #[error("subscriber {index} does not connect: {reason}")]
    SubscriberClosed { index: usize, reason: CloseReason },
    /// The server did not let a subscriber go.
    #[error("subscriber {index} cannot end its session: {source}")]
    Leave { index: usize, source: ClientError },
    /// The server knows no GCM.
    #[error(
        "server does not take GCM: a subscriber that offers AEAD_AES_128_GCM alone is refused ({0}); measure it with --cipher cm"
    )]
    NoGcm(CloseReason),
    /// A command at an end of the measured time.
    #[error("`{command}` failed: {why}")]
    Command { command: String, why: String },
    /// Nobody answered in time.
    #[error("{0} in {1} s")]
    Timeout(&'static str, u64),
    /// A thread or its sockets failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs it.
pub(crate) async fn run(config: &RunConfig) -> Result<Outcome, RunError> {
    let (whip, whep) = config.target.endpoints()?;
    let resident_before = config.pid.map(process::resident).transpose()?;

    let clock = Clock::new();
    let mut sessions = Vec::new();
    let publisher = (config.publisher, config.times);
    let begun = begin(publisher, clock, &whip, &mut sessions).await;
    let (publisher, published_with) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            close(sessions).await;
            return Err(error);
        }
    };
    let audience = Audience::start(Handle::current(), clock)?;
    let measured = measure(config, clock, &whep, &audience, &publisher, &mut sessions).await;
    let farewell = audience.end();
    let ended = publisher.end();
    let unclosed = close(sessions).await;

    let Measured {
        tally,
        took,
        own_cpu,
        server,
        receive_buffer_errors,
    } = measured?;
    let Farewell {
        joins,
        closed,
        transport_cc,
    } = farewell?;
    Ok(Outcome {
        publisher: config.publisher.name(),
        cipher: config.cipher.name(),
        subscribers: config.subscribers,
        loss_percent: config.loss_percent,
        idle: config.idle,
        measured: took,
        own_cpu,
        tally,
        server: server.map(|server| ServerFigures {
            resident_before: resident_before.unwrap_or(0),
            ..server
        }),
        joins,
        closed,
        transport_cc,
        published: ended?,
        published_with,
        receive_buffer_errors,
        unclosed,
    })
}

impl Target {
    /// Where to publish and where to watch.
    pub(crate) fn endpoints(&self) -> Result<(Endpoint, Endpoint), RunError> {
        let endpoint = |option, url: &str, token: &Option<String>| {
            Endpoint::new(EndpointConfig::new(url, token.as_deref()))
                .map_err(|source| RunError::Endpoint { option, source })
        };
        Ok((
            endpoint("--whip", &self.whip, &self.whip_token)?,
            endpoint("--whep", &self.whep, &self.whep_token)?,
        ))
    }
}

/// Publishes and waits until media flows.
pub(crate) async fn begin(
    (kind, times): (PublisherKind, usize),
    clock: Clock,
    whip: &Endpoint,
    sessions: &mut Vec<HttpSession>,
) -> Result<(Publisher, SrtpProfile), RunError> {
    let certificate = Certificate::generate()?;
    let call = place(whip, Direction::Send, &certificate, clock).await;
    let Call { http, link, .. } = call.map_err(|source| RunError::Publish {
        url: whip.url().to_string(),
        source,
    })?;
    sessions.push(http);
    let publisher_config = PublisherConfig {
        kind,
        times,
        certificate,
    };
    let (publisher, connected) =
        Publisher::start(Handle::current(), clock, link, publisher_config)?;
    match timeout(CONNECT, connected).await {
        Ok(Ok(Ok(profile))) => Ok((publisher, profile)),
        Ok(Ok(Err(reason))) => Err(RunError::PublisherClosed(reason)),
        Ok(Err(_)) => {
            publisher.end()?;
            Err(RunError::PublisherClosed(CloseReason::Local))
        }
        Err(_) => Err(RunError::Timeout(
            "the publisher did not connect",
            CONNECT.as_secs(),
        )),
    }
}

struct Measured {
    tally: Tally,
    took: Duration,
    /// CPU time of this process.
    own_cpu: Duration,
    server: Option<ServerFigures>,
    receive_buffer_errors: u64,
}

async fn measure(
    config: &RunConfig,
    clock: Clock,
    whep: &Endpoint,
    audience: &Audience,
    publisher: &Publisher,
    sessions: &mut Vec<HttpSession>,
) -> Result<Measured, RunError> {
    let certificate = Certificate::generate()?;
    let mut late = Vec::new();
    let rogues = config.rogues.iter().copied().map(Some);
    let all = repeat_n(None, config.subscribers).chain(rogues);
    for (index, rogue) in all.enumerate() {
        let Call {
            http,
            link,
            posted,
            answered,
        } = join(clock, whep, &certificate, index).await?;
        sessions.push(http);
        let profile = config.cipher.profile_of(index);
        let (_, mut first_rtp) = audience.join(Seat {
            link,
            certificate: certificate.clone(),
            profile,
            loss_ppm: parts_per_million(config.loss_percent),
            rogue,
            posted,
            answered,
        });
        match timeout(JOIN_GAP, &mut first_rtp).await {
            Ok(joined) => has_joined(index, profile, joined.unwrap_or(Ok(())))?,
            Err(_) => late.push((index, profile, first_rtp)),
        }
        if publisher.is_over() {
            break;
        }
    }
    for (index, profile, first_rtp) in late {
        let joined = timeout(CONNECT, first_rtp)
            .await
            .map_err(|_| RunError::Timeout("a subscriber got no RTP packet", CONNECT.as_secs()))?;
        has_joined(index, profile, joined.unwrap_or(Ok(())))?;
    }
    if config.idle {
        // The last one to join has its key frame by then: a server that still
        // wanted one would go on asking.
        sleep(LIVELY).await;
        publisher.fall_silent();
    }
    sleep(config.warmup).await;

    command(config.at_start.as_deref())?;
    let errors = process::receive_buffer_errors();
    audience.mark();
    let own_before = CpuReading::take(std::process::id())?;
    let before = config.pid.map(CpuReading::take).transpose()?;
    let begun = clock.now();
    let (sent_before, asked_before) = (publisher.sent(), publisher.asked());
    sleep(config.measure).await;
    let mut tally = audience.read();
    let after = config.pid.map(CpuReading::take).transpose()?;
    tally.sent += publisher.sent() - sent_before;
    tally.key_frames_asked = publisher.asked() - asked_before;
    let took = clock.now().since(begun);
    command(config.at_end.as_deref())?;
    let own_cpu = CpuReading::take(std::process::id())?.since(&own_before).cpu;
    let server = match (config.pid, before, after) {
        (Some(pid), Some(before), Some(after)) => Some(ServerFigures {
            used: after.since(&before),
            resident_before: 0,
            resident: process::resident(pid)?,
        }),
        _ => None,
    };
    Ok(Measured {
        tally,
        took,
        own_cpu,
        server,
        receive_buffer_errors: process::receive_buffer_errors().saturating_sub(errors),
    })
}

/// Runs what is to be run at an end of the measured time, and waits for it.
fn command(line: Option<&str>) -> Result<(), RunError> {
    let Some(line) = line else {
        return Ok(());
    };
    let failed = |why: String| RunError::Command {
        command: line.to_owned(),
        why,
    };
    let output = Command::new("sh").args(["-c", line]).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(
            String::from_utf8_lossy(&output.stderr)
                .trim()
                .replace('\n', ", "),
        )),
    }
}

/// Posts a subscriber's offer. The stream may be a moment from being live, and
/// the server may ask for patience.
pub(crate) async fn join(
    clock: Clock,
    whep: &Endpoint,
    certificate: &Certificate,
    index: usize,
) -> Result<Call, RunError> {
    let began = clock.now();
    loop {
        match place(whep, Direction::Receive, certificate, clock).await {
            Ok(call) => return Ok(call),
            Err(CallError::Client(error))
                if may_retry(&error) && clock.now().since(began) < LIVE =>
            {
                sleep(AGAIN).await;
            }
            Err(source) => {
                return Err(RunError::Watch {
                    index,
                    url: whep.url().to_string(),
                    source,
                });
            }
        }
    }
}

fn may_retry(error: &ClientError) -> bool {
    let waits = matches!(
        error,
        ClientError::NotLive { .. } | ClientError::NotFound { .. } | ClientError::Unexpected { .. }
    );
    waits && error.retry() != Retry::Slowly
}

pub(crate) fn has_joined(
    index: usize,
    profile: SrtpProfile,
    joined: Result<(), CloseReason>,
) -> Result<(), RunError> {
    joined.map_err(|reason| match (profile, reason) {
        (
            SrtpProfile::AeadAes128Gcm,
            CloseReason::Dtls(DtlsFailure::NoProfile | DtlsFailure::Handshake),
        ) => RunError::NoGcm(reason),
        _ => RunError::SubscriberClosed { index, reason },
    })
}

/// Ends the sessions on the server, the publisher's, which is the first, after
/// all others; how many it did not let go.
pub(crate) async fn close(sessions: Vec<HttpSession>) -> usize {
    let mut sessions = sessions.into_iter();
    let publisher = sessions.next();
    let mut unclosed = 0;
    // Together: some servers take a third of a second for each.
    let mut closing = JoinSet::new();
    for session in sessions {
        if closing.len() == CLOSED_AT_ONCE
            && let Some(closed) = closing.join_next().await
        {
            unclosed += usize::from(!closed.unwrap_or(false));
        }
        closing.spawn(async move { session.close().await.is_ok() });
    }
    while let Some(closed) = closing.join_next().await {
        unclosed += usize::from(!closed.unwrap_or(false));
    }
    if let Some(publisher) = publisher {
        unclosed += usize::from(publisher.close().await.is_err());
    }
    unclosed
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 100 %
fn parts_per_million(percent: f64) -> u32 {
    (percent.clamp(0.0, 100.0) * 1e4).round() as u32
}
