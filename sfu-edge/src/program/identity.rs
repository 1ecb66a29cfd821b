//! The certificate that others than this machine see.

use std::net::IpAddr;
use std::time::SystemTime;

use super::ProgramError;
use crate::settings::Settings;
use crate::tls::{Certificate, Origin, OwnCertificate, host_names};

/// The configured certificate, or our own, which is made if need be for a
/// machine that has `addresses`.
pub(super) fn load_or_create(
    settings: &Settings,
    addresses: &[IpAddr],
) -> Result<Certificate, ProgramError> {
    let now = SystemTime::now();
    if let Some(files) = &settings.tls {
        let certificate = files.load()?;
        if certificate.is_expired(now) {
            tracing::warn!("the certificate in --tls-cert has expired, if this clock is right");
        } else if certificate.is_early(now) {
            tracing::warn!("the certificate in --tls-cert is not valid yet; is this clock right?");
        }
        return Ok(certificate);
    }
    let own = OwnCertificate::load_or_create(&settings.state_dir, &host_names(addresses), now)?;
    let again = |why: &dyn std::fmt::Display| {
        tracing::warn!(
            "the certificate in {} {why}: a new one was made; browsers warn again, and agents must be paired again with the link that `transom-sfu link` prints",
            settings.state_dir.display()
        );
    };
    match own.origin {
        Origin::Kept => {}
        Origin::Made => tracing::info!("a certificate was made, which stays"),
        Origin::MadeAfterExpiry => again(&"has expired"),
        Origin::MadeAfterDamage(error) => again(&format_args!("cannot be used ({error})")),
    }
    Ok(own.certificate)
}

/// The certificate of the latest start, if there is one and it is of use.
pub(super) fn find(settings: &Settings) -> Result<Option<Certificate>, ProgramError> {
    if let Some(files) = &settings.tls {
        return Ok(Some(files.load()?));
    }
    let found = OwnCertificate::find(&settings.state_dir)?;
    Ok(found.and_then(Result::ok))
}
