//! `transom-sfu doctor`: what is wrong around the server, and what mends it.
//!
//! Nothing is changed: no token is made, no directory; ports are tried and let
//! go. The checks take what the server itself uses (its reading of the
//! configuration, its socket, its choice of candidates), so that the doctor
//! cannot be of another opinion.

mod addresses;
mod certificate;
mod configuration;
mod limits;
mod ports;
mod state;
mod tokens;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use transom_rtc_doctor::{Examination, Finding, Format, machine};

use crate::settings::{Cli, DoctorOptions, Settings};

/// Everything here asks the kernel or a disk.
const BOUND: Duration = Duration::from_secs(5);

/// Examines, prints, and gives the exit status.
pub fn run(cli: &Cli, options: &DoctorOptions) -> ExitCode {
    let format = match options.json {
        true => Format::Json,
        false => Format::People,
    };
    let mut examination = Examination::new("transom-sfu", env!("CARGO_PKG_VERSION"), format);
    let asked = cli.clone();
    let settings = examination.learn("config", BOUND, move || configuration::examine(&asked));
    match settings.flatten() {
        Some(settings) => examine(&mut examination, settings, options),
        None => examination.note(
            "server",
            Finding::skipped(
                "what depends on the configuration is looked at once that can be read",
            ),
        ),
    }
    examination.check("clock", BOUND, || machine::clock(SystemTime::now()));
    examination.check("heat", BOUND, machine::heat);
    examination.conclude()
}

fn examine(examination: &mut Examination, settings: Settings, options: &DoctorOptions) {
    let dir = settings.state_dir.clone();
    examination.check("state", BOUND, move || state::examine(&dir));
    examination.note("tokens", tokens::examine(&settings));
    examination.note("admins", tokens::admins(&settings));
    examination.note("metrics", tokens::metrics(&settings));
    let dir = settings.state_dir.clone();
    examination.check("disk", BOUND, move || machine::disk(&dir));
    let http = settings.http;
    examination.check("http-port", BOUND, move || ports::http(http, "--http"));
    let (listen, lan) = (settings.listen.clone(), settings.lan);
    if lan || !listen.is_empty() {
        examination.check("listen-port", BOUND, move || ports::others(&listen, lan));
    }
    let udp_port = settings.udp_port;
    examination.check("udp-port", BOUND, move || ports::udp(udp_port));
    examination.check("udp-socket", BOUND, ports::socket);
    let limits = settings.limits.clone();
    let told = settings.clone();
    examination.check("addresses", BOUND, move || addresses::examine(&told));
    let named = options.certificate.clone().zip(options.key.clone());
    let served = settings.tls.clone().map(|files| (files.cert, files.key));
    let files = named.or(served);
    let dir = settings.state_dir.clone();
    let mut further = settings.listen.iter();
    let https = settings.lan || further.any(|addr| !addr.ip().is_loopback());
    let host = options.host.clone().or_else(|| host_of(&settings));
    examination.check("certificate", BOUND, move || match files {
        Some((cert, key)) => {
            let now = SystemTime::now();
            certificate::examine(&cert, &key, host.as_deref(), now)
        }
        None => certificate::examine_own(&dir, https, SystemTime::now()).into(),
    });
    let (workers, needed) = (settings.workers, limits.clone());
    examination.check("open-files", BOUND, move || {
        limits::open_files(&needed, workers.into())
    });
    examination.check("memory", BOUND, move || limits::memory(&limits));
}

/// The host that `public_url` names.
fn host_of(settings: &Settings) -> Option<String> {
    let url = settings.public_url.as_deref()?;
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_owned())
}

/// A path as it stands in a sentence.
fn shown(path: &Option<PathBuf>) -> String {
    match path {
        Some(path) => path.display().to_string(),
        None => "no file; the defaults, flags and environment".into(),
    }
}
