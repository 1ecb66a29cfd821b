use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use super::{Certificate, CertificateError};
use crate::private_file;

/// The file's name in the state directory: key and certificate in one, so that
/// they cannot part.
const FILE_NAME: &str = "tls.pem";

/// The self-signed certificate that the first start makes.
///
/// It stays what it is while addresses come and go: agents know it by its
/// fingerprint, and a browser that has been told to trust it would have to be
/// told again. The names in it are those of the day it was made.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where the own certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An earlier start made it.
    Kept,
    /// This start made the first one.
    Made,
    /// This start made another: what was kept is over.
    MadeAfterExpiry,
    /// This start made another: what was kept cannot be used.
    MadeAfterDamage(CertificateError),
}

/// Why there is no own certificate. Each message names the mend.
#[derive(Debug, thiserror::Error)]
pub enum OwnCertificateError {
    /// The file cannot be read or written.
    #[error("cannot {doing} {}: {source}; let the user that runs transom-sfu own it, with mode 600, or give another directory with --state-dir", .path.display())]
    Io {
        /// "read" or "write".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the private key.
    #[error("{0} can be read by others (mode {mode:o}); run `chmod 600 {0}`, or remove it to have a new certificate made, and pair the agents again", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The random source or the signature failed.
    #[error(
        "the system gives no random bytes, so no certificate can be made; try again once it has started up"
    )]
    Generation,
}

impl OwnCertificate {
    /// Reads the certificate in `state_dir`, or makes one for `names` (host
    /// names and addresses) if there is none that is of use at `now`.
    pub fn load_or_create(
        state_dir: &Path,
        names: &[String],
        now: SystemTime,
    ) -> Result<Self, OwnCertificateError> {
        let found = Self::find(state_dir)?;
        let (certificate, origin) = match found {
            Some(Ok(certificate)) if !certificate.is_expired(now) => (certificate, Origin::Kept),
            Some(Ok(_)) => (Self::make(state_dir, names, true)?, Origin::MadeAfterExpiry),
            Some(Err(error)) => (
                Self::make(state_dir, names, true)?,
                Origin::MadeAfterDamage(error),
            ),
            None => (Self::make(state_dir, names, false)?, Origin::Made),
        };
        Ok(Self {
            certificate,
            origin,
        })
    }

    /// The certificate in `state_dir`, whether it is of use or not; `None`
    /// where no start has made one.
    pub fn find(
        state_dir: &Path,
    ) -> Result<Option<Result<Certificate, CertificateError>>, OwnCertificateError> {
        let path = state_dir.join(FILE_NAME);
        let failed = |source| OwnCertificateError::Io {
            doing: "read",
            path: path.clone(),
            source,
        };
        let pem = match fs::read(&path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if let Some(mode) = private_file::exposed_mode(&path).map_err(failed)? {
            return Err(OwnCertificateError::Exposed { path, mode });
        }
        Ok(Some(Certificate::from_pem(&pem, &pem)))
    }

    fn make(
        state_dir: &Path,
        names: &[String],
        replace: bool,
    ) -> Result<Certificate, OwnCertificateError> {
        let pem = generate(names).map_err(|_| OwnCertificateError::Generation)?;
        let written = match replace {
            true => private_file::replace(state_dir, FILE_NAME, &pem),
            false => private_file::create(state_dir, FILE_NAME, &pem),
        };
        match written {
            Ok(()) => Certificate::from_pem(pem.as_bytes(), pem.as_bytes())
                .map_err(|_| OwnCertificateError::Generation),
            // Another start was quicker: its certificate is the one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match Self::find(state_dir)? {
                    Some(Ok(certificate)) => Ok(certificate),
                    _ => Err(OwnCertificateError::Generation),
                }
            }
            Err(source) => Err(OwnCertificateError::Io {
                doing: "write",
                path: state_dir.join(FILE_NAME),
                source,
            }),
        }
    }
}

/// The names by which this machine may be called on its network: its host
/// name, that of multicast DNS, `localhost` and `addresses`.
pub fn host_names(addresses: &[IpAddr]) -> Vec<String> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    names_of(host.trim(), addresses)
}

fn names_of(host: &str, addresses: &[IpAddr]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !host.is_empty() && host.len() <= 253 && host.chars().all(is_name) && host != "localhost" {
        names.push(host.to_owned());
        if !host.contains('.') {
            names.push(format!("{host}.local"));
        }
    }
    names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    names.extend(addresses.iter().map(ToString::to_string));
    names
}

/// Key and certificate as PEM.
///
/// Valid from 2000 to 2049 (the last year of UTCTime, RFC 5280 section
/// 4.1.2.5): a Pi has no clock battery and may make it in 1970, and nothing
/// would renew it on agents that know it by its fingerprint.
fn generate(names: &[String]) -> Result<String, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    params.distinguished_name = DistinguishedName::new();
    let title = names.get(1).map_or("transom-sfu", String::as_str);
    params
        .distinguished_name
        .push(DnType::CommonName, format!("Transom on {title}"));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::test_dir::TestDir;

    fn load(dir: &TestDir, names: &[String], now: SystemTime) -> OwnCertificate {
        OwnCertificate::load_or_create(dir.path(), names, now).unwrap()
    }

    #[test]
    fn the_first_start_makes_what_later_ones_keep_whatever_their_addresses() {
        let dir = TestDir::new("tls-own");
        // A Pi that does not know the date.
        let first = load(&dir, &names_of("door", &[]), UNIX_EPOCH);
        assert_eq!(first.origin, Origin::Made);
        assert!(first.certificate.is_self_signed());
        let now = SystemTime::now();
        assert!(!first.certificate.is_early(now) && !first.certificate.is_expired(now));
        let moved = names_of("gate", &["10.1.2.3".parse().unwrap()]);
        let again = load(&dir, &moved, now);
        assert_eq!(again.origin, Origin::Kept);
        assert_eq!(
            again.certificate.fingerprint(),
            first.certificate.fingerprint()
        );
        let path = dir.path().join(FILE_NAME);
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn what_is_damaged_or_over_is_made_again() {
        let dir = TestDir::new("tls-own-damaged");
        let first = load(&dir, &names_of("door", &[]), UNIX_EPOCH);
        let path = dir.path().join(FILE_NAME);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let second = load(&dir, &names_of("door", &[]), UNIX_EPOCH);
        assert!(matches!(second.origin, Origin::MadeAfterDamage(_)));
        let late = UNIX_EPOCH + Duration::from_secs(100 * 31_557_600);
        let third = load(&dir, &names_of("door", &[]), late);
        assert_eq!(third.origin, Origin::MadeAfterExpiry);
        let [a, b, c] = [first, second, third].map(|own| own.certificate.fingerprint());
        assert!(a != b && b != c);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = TestDir::new("tls-own-exposed");
        load(&dir, &names_of("door", &[]), UNIX_EPOCH);
        let path = dir.path().join(FILE_NAME);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = OwnCertificate::load_or_create(dir.path(), &[], UNIX_EPOCH);
        let error = refused.unwrap_err().to_string();
        assert!(
            error.contains("chmod 600") && !error.contains('\n'),
            "{error}"
        );
    }

    #[test]
    fn it_names_the_machine_and_its_addresses() {
        let dir = TestDir::new("tls-own-names");
        let names = names_of("door", &["192.168.1.5".parse().unwrap()]);
        let own = load(&dir, &names, UNIX_EPOCH);
        let der = own.certificate.certified().cert[0].to_vec();
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
        let names = parsed.subject_alternative_name().unwrap().unwrap();
        let names = format!("{:?}", names.value.general_names);
        for name in [
            "\"localhost\"",
            "\"door\"",
            "\"door.local\"",
            "[192, 168, 1, 5]",
        ] {
            assert!(names.contains(name), "{name} in {names}");
        }
    }

    #[test]
    fn odd_host_names_are_left_out() {
        assert_eq!(names_of("(none)", &[]), ["localhost", "127.0.0.1", "::1"]);
        assert_eq!(names_of("", &[]).len(), 3);
        let qualified = names_of("door.example.org", &[]);
        assert_eq!(qualified.len(), 4, "{qualified:?}");
        assert!(generate(&names_of(&"a".repeat(250), &[])).is_ok());
    }
}
