use transom_rtc_doctor::Finding;

use crate::cli::Cli;
use crate::config::{Config, ConfigError, FileError};

/// Every mistake of the configuration, and what can be understood of it.
pub(super) fn examine(cli: Cli) -> (Vec<Finding>, Option<Config>) {
    let (config, mistakes) = Config::examine(cli);
    let mut findings: Vec<Finding> = mistakes.iter().map(told).collect();
    if let Some(config) = config.as_ref().filter(|_| findings.is_empty()) {
        findings.push(Finding::ok(match &config.file {
            Some(path) => path.display().to_string(),
            None => "no file; flags, environment and defaults".to_owned(),
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
        }) => Finding::fail(
            format!("{}:{line}: {message}", path.display()),
            format!("mend line {line} of {}", path.display()),
        ),
        // The agent's messages name the mend behind their last colon.
        other => {
            let text = other.to_string();
            match text.rsplit_once(": ") {
                Some((found, mend)) => Finding::fail(found, mend),
                None => Finding::fail(text, "change this setting"),
            }
        }
    }
}
