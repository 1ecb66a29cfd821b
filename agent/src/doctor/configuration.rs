use transom_rtc_doctor::Finding;

use crate::cli::Cli;
use crate::config::{Config, ConfigError, FileError, PLACES};

/// Every mistake of the configuration, and what can be understood of it.
pub(super) fn examine(cli: Cli) -> (Vec<Finding>, Option<Config>) {
    let (config, mistakes) = Config::examine(cli);
    let mut findings: Vec<Finding> = mistakes.iter().map(told).collect();
    if let Some(config) = config.as_ref().filter(|_| findings.is_empty()) {
        findings.push(Finding::ok(match &config.file {
            Some(path) => path.display().to_string(),
            None => format!(
                "no file (looked for {}); flags, environment and defaults",
                PLACES.join(" and ")
            ),
        }));
    }
    (findings, config)
}

fn told(mistake: &ConfigError) -> Finding {
    match mistake {
        ConfigError::File(FileError::Content {
            path,
            line,
            message,
        }) => Finding::mistake(path, *line, message),
        // The agent's messages name the mend behind their last colon.
        other => Finding::fail_told(other, ": ", "change this setting"),
    }
}
