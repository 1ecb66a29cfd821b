//! `transom-agent doctor`: what is wrong around the agent, and what mends it.
//!
//! The checks do what the agent would do, with the same code: they read the
//! configuration, ask the server, open the devices and encode. The way to the
//! server is walked stage by stage, and what lies behind a stage that fails is
//! not looked at: one fault, one failure.

mod board;
mod camera;
mod configuration;
mod device;
mod driving;
mod encoder;
mod metrics;
mod raspberry_pi;
mod robot;
mod server;
mod sound;
mod token;
mod udp;
mod video;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use transom_boards_hal::CameraWish;
use transom_rtc_doctor::{Examination, Finding, Format, machine};
use transom_rtc_tokio::client::Endpoint;

use crate::actuator::ActuatorConfig;
use crate::cli::{Cli, DoctorOptions};
use crate::config::Config;
use video::Coding;

/// The kernel or a disk answers.
const LOCAL: Duration = Duration::from_secs(5);
/// Somebody on the network answers. Longer than what the stages allow
/// themselves, so that each can say what it waited for.
const NETWORK: Duration = Duration::from_secs(15);
/// A camera's first picture, and the encoder's measurement.
const DEVICE: Duration = Duration::from_secs(15);

/// Examines, prints, and gives the exit status.
pub fn run(cli: &Cli, options: &DoctorOptions) -> ExitCode {
    let format = match options.json {
        true => Format::Json,
        false => Format::People,
    };
    let mut examination = Examination::new("transom-agent", env!("CARGO_PKG_VERSION"), format);
    let asked = cli.clone();
    let config = examination.learn("config", LOCAL, move || configuration::examine(asked));
    examination.check("clock", LOCAL, || machine::clock(SystemTime::now()));
    match config.flatten() {
        Some(config) => {
            let round_trip = match config.has_server() {
                true => examine_way(&mut examination, &config),
                false => {
                    let why = "no address to publish to is known yet";
                    examination.note("server", Finding::skipped(why));
                    None
                }
            };
            examine_media(&mut examination, &config);
            examine_driving(&mut examination, &config, round_trip);
            let (address, open) = (config.metrics.map(|m| m.value), config.metrics_open);
            examination.check("metrics-port", LOCAL, move || {
                metrics::examine(address, open)
            });
        }
        None => examination.note(
            "server",
            Finding::skipped(
                "what depends on the configuration is looked at once that can be read",
            ),
        ),
    }
    examination.check("heat", LOCAL, machine::heat);
    examination.conclude()
}

/// Where to publish, as the agent itself has it.
fn endpoint(config: &Config) -> Result<Endpoint, Finding> {
    let endpoint = Endpoint::new(config.endpoint());
    endpoint.map_err(|error| {
        Finding::fail(
            error.to_string(),
            "correct `whip` and `token`: `transom-sfu link` on the server prints both",
        )
    })
}

/// The way to the server, stage by stage; its round trip, if it goes so far.
fn examine_way(examination: &mut Examination, config: &Config) -> Option<Duration> {
    let endpoint = match endpoint(config) {
        Ok(endpoint) => endpoint,
        Err(finding) => {
            examination.note("server", finding);
            return None;
        }
    };
    let url = endpoint.url().clone();
    let resolved = examination.learn("server-name", NETWORK, move || server::resolve(&url));
    let addresses = resolved.flatten()?;
    let connected = examination.learn("server-tcp", NETWORK, move || server::connect(&addresses));
    if connected != Some(true) {
        return None;
    }
    let asked = endpoint.clone();
    let greeted = examination.learn("server-http", NETWORK, move || server::greet(&asked));
    let greeting = greeted.flatten()?;
    if let Some(date) = greeting.date {
        let compare = move || server::compare_clocks(&date);
        examination.check("server-clock", LOCAL, compare);
    }
    let (asked, given) = (endpoint.clone(), config.token.is_some());
    let granted = examination.learn("token", NETWORK, move || token::examine(&asked, given));
    match granted.flatten() {
        Some(ground) => {
            let reached = move || udp::examine(&endpoint, ground);
            examination.learn("udp", NETWORK, reached).flatten()
        }
        None => {
            let why = "a trial needs a token that may publish, and a transom-sfu";
            examination.note("udp", Finding::skipped(why));
            None
        }
    }
}

/// What commands drive, and whether it stops in time.
fn examine_driving(examination: &mut Examination, config: &Config, round_trip: Option<Duration>) {
    let Some(ActuatorConfig { board, kernel }) = config.control.actuator.clone() else {
        let none = "nothing is driven: there is no board in [control]";
        return examination.note("board", Finding::skipped(none));
    };
    examination.check("board", LOCAL, move || board::examine(&board));
    examination.check("priority", LOCAL, driving::priority);
    examination.note("limit", driving::limit(&kernel, round_trip));
    let fps = config.feed().fps;
    examination.note("picture", driving::picture(&kernel, fps, round_trip));
}

/// What is captured, and whether it can be encoded in time.
fn examine_media(examination: &mut Examination, config: &Config) {
    let feed = config.feed();
    let (source, fps, size, codec) = (feed.video.clone(), feed.fps, feed.size, feed.codec);
    let wish = CameraWish { size, fps, codec };
    let coding = examination.learn("video", DEVICE, move || video::examine(&source, wish));
    let audio = feed.audio.clone();
    examination.check("sound", DEVICE, move || sound::examine(&audio));
    match coding {
        Some(Coding::Here(size, fps)) => {
            let bps = feed.video_bps;
            let choice = feed.encoder;
            let measure = move || encoder::examine(choice, size, fps, bps);
            examination.check("encoder", DEVICE, measure);
        }
        Some(Coding::Elsewhere) => examination.note(
            "encoder",
            Finding::skipped("the source is H.264 already and passed through"),
        ),
        None => {}
    }
    examination.check("codecs", LOCAL, encoder::hardware);
}
