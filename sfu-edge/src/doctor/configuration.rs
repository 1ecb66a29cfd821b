use transom_rtc_doctor::Finding;

use super::shown;
use crate::program;
use crate::settings::{Cli, FileError, Settings, SettingsError};

/// Of a message without a mend.
const OTHERWISE: &str = "change this setting";

/// Every mistake of the configuration, and what can be understood of it.
pub(super) fn examine(cli: &Cli) -> (Vec<Finding>, Option<Settings>) {
    let (settings, mistakes) = Settings::examine(cli, |name| std::env::var(name).ok());
    let mut findings: Vec<Finding> = mistakes.iter().map(told).collect();
    if let Some(settings) = &settings {
        if let Err(error) = program::tokens(settings, None) {
            findings.push(Finding::fail_told(error, "; ", OTHERWISE));
        }
        if findings.is_empty() {
            findings.push(Finding::ok(shown(&settings.file)));
        }
    }
    (findings, settings)
}

fn told(mistake: &SettingsError) -> Finding {
    match mistake {
        SettingsError::File(FileError::Malformed {
            path,
            line,
            message,
        }) => Finding::mistake(path, *line, message),
        // Messages of the program name the mend behind their last semicolon.
        other => Finding::fail_told(other, "; ", OTHERWISE),
    }
}
