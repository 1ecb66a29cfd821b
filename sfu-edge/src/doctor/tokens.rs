use transom_rtc_doctor::Finding;

use crate::auth::Scope;
use crate::settings::Settings;

/// What the configuration's own tokens are good for.
pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    let doubts = settings.doubts();
    let mut findings: Vec<Finding> = doubts
        .iter()
        .map(|doubt| match doubt.rsplit_once("; ") {
            Some((found, mend)) => Finding::warn(found, mend),
            None => Finding::warn(doubt, "change this setting"),
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(match settings.tokens.len() {
            0 => "none besides the three of the first start".to_owned(),
            n => format!("{n} besides the three of the first start"),
        }));
    }
    findings
}

/// Who may take the lease to drive from its holder.
pub(super) fn admins(settings: &Settings) -> Finding {
    let admins = settings.tokens.iter();
    let admins: Vec<&str> = admins
        .filter(|token| token.scopes.contains(&Scope::Admin))
        .map(|token| token.name.as_str())
        .collect();
    match admins.is_empty() {
        true => Finding::skipped(
            "nobody takes the lease to drive from its holder, but by a stop: a [[token]] with scopes = [\"watch\", \"drive\", \"admin\"] in transom-sfu.toml may",
        ),
        false => Finding::ok(format!(
            "the lease to drive is overridden by {}",
            admins.join(", ")
        )),
    }
}

/// Who may read `/metrics`, which has the port of all else.
pub(super) fn metrics(settings: &Settings) -> Finding {
    let readers = settings.tokens.iter();
    let readers: Vec<&str> = readers
        .filter(|token| token.scopes.contains(&Scope::Metrics))
        .map(|token| token.name.as_str())
        .collect();
    match readers.is_empty() {
        true => Finding::skipped(
            "nobody reads /metrics: a [[token]] with scopes = [\"metrics\"] in transom-sfu.toml lets Prometheus",
        ),
        false => Finding::ok(format!("/metrics is read by {}", readers.join(", "))),
    }
}
