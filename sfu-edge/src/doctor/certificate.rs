use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::verify_server_name;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use transom_rtc_doctor::Finding;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::tls::OwnCertificate;

/// A chain is a few KiB.
const MAX_LEN: u64 = 1 << 20;

/// Renewal should have happened by then.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// Whether browsers accept the certificate in `cert` with the key in `key`:
/// readable, a pair, of today, and for `host` if that is known.
pub(super) fn examine(
    cert: &Path,
    key: &Path,
    host: Option<&str>,
    now: SystemTime,
) -> Vec<Finding> {
    match examine_all(cert, key, host, now) {
        Ok(findings) => findings,
        Err(finding) => finding.into(),
    }
}

/// The certificate that the server made for itself, if it has; `served` is whether
/// the configuration has it speak HTTPS.
pub(super) fn examine_own(state_dir: &Path, served: bool, now: SystemTime) -> Finding {
    const AGAIN: &str =
        "start transom-sfu: it makes another, and the agents are to be paired again";
    // What is wrong with the directory itself is for the check of the state to say.
    let found = match state_dir.is_dir() {
        true => OwnCertificate::find(state_dir),
        false => Ok(None),
    };
    match found {
        Ok(None) if served => Finding::ok("the first start makes the server's own"),
        Ok(None) => Finding::skipped(
            "none is served: --lan makes one, --certificate FILE --key FILE examines another's",
        ),
        Ok(Some(Ok(own))) if own.is_expired(now) => {
            Finding::fail("the server's own certificate has expired", AGAIN)
        }
        Ok(Some(Ok(own))) if own.is_early(now) => Finding::fail(
            "the server's own certificate is not valid yet",
            "set the clock right: `timedatectl` says whether it is",
        ),
        Ok(Some(Ok(own))) => {
            Finding::ok(format!("the server's own, SHA-256 {}", own.fingerprint()))
        }
        Ok(Some(Err(error))) => {
            Finding::fail(format!("the server's own cannot be used: {error}"), AGAIN)
        }
        Err(error) => Finding::fail(
            error.to_string(),
            "run the doctor as the user that the server runs as",
        ),
    }
}

/// The first thing without which the others make no sense is the error.
fn examine_all(
    cert: &Path,
    key: &Path,
    host: Option<&str>,
    now: SystemTime,
) -> Result<Vec<Finding>, Finding> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(cert)?).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let Some(chain) = chain else {
        return Err(Finding::fail(
            format!("{} holds no certificate in PEM form", cert.display()),
            "name the file that begins with -----BEGIN CERTIFICATE-----, the whole chain in it (fullchain.pem)",
        ));
    };
    let Some(first) = chain.first().cloned() else {
        return Ok(Vec::new());
    };
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| {
        Finding::fail(
            format!("{} holds no private key in PEM form", key.display()),
            "name the file that begins with -----BEGIN PRIVATE KEY----- (privkey.pem), without a passphrase",
        )
    })?;
    let findings = [
        Some(pair(chain, &secret, cert, key)),
        Some(dates(&first, cert, now)?),
        Some(match host {
            Some(host) => name(&first, cert, host),
            None => Finding::skipped(
                "which name it must be for is not known: set public_url, or give --host NAME",
            ),
        }),
        exposed(key),
    ];
    Ok(findings.into_iter().flatten().collect())
}

fn read(path: &Path) -> Result<Vec<u8>, Finding> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_LEN).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| {
        Finding::fail(
            format!("{}: {error}", path.display()),
            "check the path, and let the user that runs the server read the file",
        )
    })
}

fn pair(
    chain: Vec<CertificateDer<'static>>,
    secret: &PrivateKeyDer<'_>,
    cert: &Path,
    key: &Path,
) -> Finding {
    let signing = match any_supported_type(secret) {
        Ok(signing) => signing,
        Err(_) => {
            return Finding::fail(
                format!(
                    "the key in {} is of a kind that is not supported",
                    key.display()
                ),
                "use an ECDSA (P-256 or P-384), Ed25519 or RSA key",
            );
        }
    };
    match CertifiedKey::new(chain, signing).keys_match() {
        // Unknown: the key does not tell its public half, and the server tries.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            Finding::ok("certificate and key belong together")
        }
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Finding::fail(
            format!(
                "the key in {} is not that of the certificate in {}",
                key.display(),
                cert.display()
            ),
            "name the two files that were made together; the server's certificate must stand first in its file",
        ),
        Err(error) => Finding::fail(
            format!("{}: {error}", cert.display()),
            "have the certificate issued anew",
        ),
    }
}

fn dates(first: &CertificateDer<'_>, cert: &Path, now: SystemTime) -> Result<Finding, Finding> {
    let shown = cert.display();
    let parsed = X509Certificate::from_der(first);
    let Ok((_, parsed)) = parsed else {
        return Err(Finding::fail(
            format!("{shown} holds a damaged certificate"),
            "copy it again, or have it issued anew",
        ));
    };
    let validity = parsed.validity();
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let (from, until) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    let soon = now.saturating_add(i64::try_from(SOON.as_secs()).unwrap_or(0));
    Ok(if now > until {
        Finding::fail(
            format!("{shown} expired on {}", validity.not_after),
            "renew it (certbot: `sudo certbot renew`), then restart the server",
        )
    } else if now < from {
        Finding::fail(
            format!("{shown} is valid only from {} on", validity.not_before),
            "see whether this machine's clock is right",
        )
    } else if soon > until {
        Finding::warn(
            format!("{shown} expires on {}", validity.not_after),
            "renew it, and see why that does not happen by itself (`systemctl list-timers`)",
        )
    } else {
        Finding::ok(format!("valid until {}", validity.not_after))
    })
}

fn name(first: &CertificateDer<'_>, cert: &Path, host: &str) -> Finding {
    let Ok(server) = ServerName::try_from(host) else {
        return Finding::fail(
            format!("`{host}` is not a host name that a certificate can be for"),
            "correct public_url, or give --host NAME",
        );
    };
    let verified =
        ParsedCertificate::try_from(first).and_then(|parsed| verify_server_name(&parsed, &server));
    match verified {
        Ok(()) => Finding::ok(format!("it is for {host}")),
        Err(_) => Finding::fail(
            format!("{} is not for {host}", cert.display()),
            format!("have one issued for {host}, or use a name that it is for"),
        ),
    }
}

/// Whoever reads the key can be this server.
fn exposed(key: &Path) -> Option<Finding> {
    let mode = fs::metadata(key).ok()?.permissions().mode() & 0o777;
    (mode & 0o007 != 0).then(|| {
        Finding::warn(
            format!("{} can be read by everybody (mode {mode:o})", key.display()),
            format!(
                "`chmod 640 {0}`, its group the one that the server runs as",
                key.display()
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use transom_rtc_doctor::Verdict;

    use super::*;
    use crate::test_dir::TestDir;

    struct Files(TestDir);

    impl Files {
        fn new(name: &str) -> Self {
            Self(TestDir::new(name))
        }

        /// Writes a pair for door.example, valid in these years.
        fn pair(&self, from: i32, until: i32) {
            let mut params = rcgen::CertificateParams::new(vec!["door.example".into()]).unwrap();
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(until, 1, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            let made = params.self_signed(&key).unwrap();
            self.write("cert.pem", &made.pem());
            self.write("key.pem", &key.serialize_pem());
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }

        fn examine(&self, host: Option<&str>) -> Vec<Finding> {
            let (cert, key) = (
                self.0.path().join("cert.pem"),
                self.0.path().join("key.pem"),
            );
            // 2026-01-01.
            let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
            examine(&cert, &key, host, now)
        }

        fn fails_with(&self, host: Option<&str>, word: &str) {
            let findings = self.examine(host);
            let failed = findings.iter().find(|f| f.verdict == Verdict::Fail);
            assert!(failed.unwrap().found.contains(word), "{findings:?}");
        }
    }

    #[test]
    fn a_good_pair_is_good() {
        let files = Files::new("cert-good");
        files.pair(2025, 2035);
        let findings = files.examine(Some("door.example"));
        assert!(
            findings.iter().all(|f| f.verdict == Verdict::Ok),
            "{findings:?}"
        );
        assert_eq!(findings.len(), 3);
    }

    #[test]
    fn each_fault_is_told() {
        let files = Files::new("cert-bad");
        files.pair(2020, 2025);
        files.fails_with(None, "expired on");
        files.pair(2030, 2035);
        files.fails_with(None, "valid only from");
        files.pair(2025, 2035);
        files.fails_with(Some("garage.example"), "not for garage.example");
        files.fails_with(Some("no host"), "not a host name");
        let other = rcgen::KeyPair::generate().unwrap();
        files.write("key.pem", &other.serialize_pem());
        files.fails_with(None, "is not that of the certificate");
        files.write("key.pem", "nonsense");
        files.fails_with(None, "no private key");
        files.write("cert.pem", "nonsense");
        files.fails_with(None, "no certificate");
        fs::remove_file(files.0.path().join("cert.pem")).unwrap();
        files.fails_with(None, "No such file");
    }

    #[test]
    fn a_key_for_everybody_is_a_warning() {
        let files = Files::new("cert-mode");
        files.pair(2025, 2035);
        let key = files.0.path().join("key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let findings = files.examine(Some("door.example"));
        assert!(
            findings.iter().any(|f| f.verdict == Verdict::Warn),
            "{findings:?}"
        );
    }
}
