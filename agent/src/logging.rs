//! The log: one line an event, to stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// A filter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "log filter `{filter}`: give error, warn, info, debug or trace, or a filter such as info,transom_agent=debug"
)]
pub struct FilterError {
    /// The filter given.
    pub filter: String,
}

/// Checks a level (`info`) or filter (`info,transom_agent=debug`).
pub fn check(filter: &str) -> Result<(), FilterError> {
    parse(filter).map(drop)
}

/// Starts the log. To be called once; a second call changes nothing.
pub fn start(filter: &str) -> Result<(), FilterError> {
    let filter = parse(filter)?;
    let _already = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        // Said on stderr as well, which panics where the terminal is gone.
        .log_internal_errors(false)
        .try_init();
    Ok(())
}

fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    let error = || FilterError {
        filter: filter.to_owned(),
    };
    // A single misspelt word would silently count as the name of a module.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let first = filter.split(',').next().unwrap_or_default().trim();
    if !first.contains('=') && !levels.contains(&first.to_ascii_lowercase().as_str()) {
        return Err(error());
    }
    EnvFilter::try_new(filter).map_err(|_| error())
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
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "inof", "verbose", "info,transom_agent=loud"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
