//! The log: one line an event, to stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use transom_rtc_telemetry::{Crate, LogFilter, LogFilterError, LogNames};

/// What a filter may name.
const NAMES: LogNames = LogNames {
    crates: &[
        Crate {
            name: "transom_agent",
            modules: &[
                "actuator",
                "backoff",
                "bell",
                "board",
                "cli",
                "clock",
                "config",
                "control",
                "doctor",
                "encode",
                "feed",
                "jpeg",
                "logging",
                "metrics",
                "output",
                "publish",
                "publisher",
                "queue",
                "rate",
                "record",
                "regular",
                "second",
                "service",
                "signal",
                "slot",
                "sound",
                "source",
                "still",
                "stop",
                "talk",
                "taps",
            ],
        },
        Crate {
            name: "transom_rtc_tokio",
            modules: &[],
        },
        Crate {
            name: "transom_rtc_dtls",
            modules: &[],
        },
        Crate {
            name: "transom_boards_linux",
            modules: &[],
        },
        Crate {
            name: "transom_record",
            modules: &[],
        },
    ],
    libraries: &["dtls", "mio", "sctp_proto", "webrtc_srtp", "webrtc_util"],
};

/// Checks a level (`info`) or filter (`info,transom_agent::publisher=debug`).
///
/// # Errors
/// The first item that means nothing.
pub fn check(filter: &str) -> Result<(), LogFilterError> {
    LogFilter::parse(filter, &NAMES).map(drop)
}

/// Starts the log. To be called once; a second call changes nothing.
///
/// # Errors
/// Those of [`check`].
pub fn start(filter: &str) -> Result<(), LogFilterError> {
    let filter = LogFilter::parse(filter, &NAMES)?;
    let info = Targets::new().with_default(LevelFilter::INFO);
    let targets: Targets = filter.as_str().parse().unwrap_or(info);
    let _already = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // Who tells modules apart wants to see which it was.
        .with_target(filter.names_modules())
        // Said on stderr as well, which panics where the terminal is gone.
        .log_internal_errors(false)
        .finish()
        .with(targets)
        .try_init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_taken_and_slips_refused() {
        for good in [
            "info",
            "DEBUG",
            "info,transom_agent=debug",
            "transom_agent=trace",
            "warn,transom_agent::publisher=debug,dtls=off",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "inof",
            "verbose",
            "info,inof",
            "info,transom_agent=loud",
            "info,transom_agent::publihser=debug",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_modules_are_those_of_the_crate() {
        let source = include_str!("lib.rs");
        let lines = source.lines().map(|line| line.trim_start_matches("pub "));
        let modules = lines.filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
        let modules: Vec<&str> = modules.collect();
        assert_eq!(modules, NAMES.crates[0].modules);
    }
}
