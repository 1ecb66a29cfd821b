use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::{Certificate, CertificateError, ServerTls};

/// A certificate that something else renews, such as an ACME client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

/// Why the files are of no use. Each message names the mend.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// One cannot be read.
    #[error("cannot read {}: {source}; check {flag} and who may read the file", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The flag that names it.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// One does not hold what it should, or they do not fit.
    #[error("{}: {error}; check --tls-cert and --tls-key", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: CertificateError,
    },
}

/// Longest file read, bytes; a chain of a few certificates has some thousand.
const MAX_FILE_LEN: u64 = 1 << 20;
/// How often is looked whether they changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl CertificateFiles {
    /// Reads both.
    pub fn load(&self) -> Result<Certificate, FilesError> {
        let cert = read(&self.cert, "--tls-cert")?;
        let key = read(&self.key, "--tls-key")?;
        Certificate::from_pem(&cert, &key).map_err(|error| FilesError::Certificate {
            path: match error {
                CertificateError::NoPrivateKey | CertificateError::Key => self.key.clone(),
                _ => self.cert.clone(),
            },
            error,
        })
    }

    fn stamps(&self) -> [Option<Stamp>; 2] {
        [Stamp::of(&self.cert), Stamp::of(&self.key)]
    }
}

fn read(path: &Path, flag: &'static str) -> Result<Vec<u8>, FilesError> {
    use io::Read as _;
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|f| f.take(MAX_FILE_LEN).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(source) => Err(FilesError::Io {
            path: path.into(),
            flag,
            source,
        }),
    }
}

/// What tells a file from the one that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// Of the file that a link leads to: ACME clients exchange the link.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            len: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }
}

/// The files as they were seen last.
#[derive(Debug)]
struct Watched {
    files: CertificateFiles,
    seen: [Option<Stamp>; 2],
}

impl Watched {
    /// The certificate, if the files are others than the last time; an error
    /// is told once, until they change again.
    fn poll(&mut self) -> Option<Result<Certificate, FilesError>> {
        let now = self.files.stamps();
        if now == std::mem::replace(&mut self.seen, now) {
            return None;
        }
        Some(self.files.load())
    }
}

/// Shows what the files hold whenever they change, until `stop`; what cannot
/// be used (a new certificate whose key is not there yet) changes nothing.
pub async fn keep_fresh(files: CertificateFiles, tls: ServerTls, mut stop: watch::Receiver<bool>) {
    let seen = files.stamps();
    let mut watched = Watched { files, seen };
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        // A card that is slow is not waited for here.
        let looked = tokio::task::spawn_blocking(move || {
            let polled = watched.poll();
            (watched, polled)
        });
        let Ok((back, polled)) = looked.await else {
            return;
        };
        watched = back;
        match polled {
            None => {}
            Some(Ok(certificate)) => {
                tls.exchange(&certificate);
                tracing::info!(fingerprint = certificate.fingerprint(), "new certificate");
            }
            Some(Err(error)) => tracing::warn!(%error, "the former certificate stays"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    fn renew(files: &CertificateFiles) -> String {
        let made = rcgen::generate_simple_self_signed(vec!["door".into()]).unwrap();
        fs::write(&files.cert, made.cert.pem()).unwrap();
        fs::write(&files.key, made.key_pair.serialize_pem()).unwrap();
        files.load().unwrap().fingerprint()
    }

    #[test]
    fn new_files_are_noticed_and_bad_ones_told_once() {
        let dir = TestDir::new("tls-files");
        let files = CertificateFiles {
            cert: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
        };
        let first = renew(&files);
        let mut watched = Watched {
            seen: files.stamps(),
            files: files.clone(),
        };
        assert!(watched.poll().is_none());

        fs::write(&files.cert, "half a certi").unwrap();
        let error = watched.poll().unwrap().unwrap_err().to_string();
        assert!(
            error.contains("cert.pem") && error.contains("--tls-cert"),
            "{error}"
        );
        assert!(watched.poll().is_none());

        let second = renew(&files);
        let seen = watched.poll().unwrap().unwrap().fingerprint();
        assert!(seen == second && seen != first);

        fs::remove_file(&files.key).unwrap();
        let error = watched.poll().unwrap().unwrap_err().to_string();
        assert!(
            error.contains("key.pem") && error.contains("--tls-key"),
            "{error}"
        );
    }
}
