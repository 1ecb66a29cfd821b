//! The tokens that the first start makes, and every later one finds again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;

use crate::auth::Token;
use crate::private_file;

/// The file's name in the state directory.
const FILE_NAME: &str = "secrets.toml";
/// The publisher's token alone, for who starts an agent on this machine: systemd's `LoadCredential=`.
const PUBLISH_FILE_NAME: &str = "publish-token";
/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// One token a scope, good for every stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// For agents and other publishers.
    pub publish: Token,
    /// For viewers.
    pub watch: Token,
    /// For operators; watching is included.
    pub drive: Token,
}

/// Why there are no secrets. Each message names the mend.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The directory or file cannot be made or read.
    #[error("cannot {doing} {}: {source}; give a writable directory with --state-dir", .path.display())]
    Io {
        /// "create", "read" or "write".
        doing: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is there and cannot be read.
    #[error("cannot read {}: {source}; let the user that runs transom-sfu own it, with mode 600, or give another directory with --state-dir", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} is not a file of secrets: {message}; mend it, or remove it to have new tokens made", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why, on one line.
        message: String,
    },
    /// Others may read the file.
    #[error("{0} can be read by others (mode {mode:o}); run `chmod 600 {0}`, and remove it if the tokens may have leaked", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The system gives no randomness.
    #[error(
        "the system gives no random bytes, so no tokens can be made; try again once it has started up"
    )]
    Random,
}

impl Secrets {
    /// Reads the secrets in `state_dir`, or makes them if there are none.
    pub fn load_or_create(state_dir: &Path) -> Result<Self, SecretsError> {
        let path = state_dir.join(FILE_NAME);
        match fs::read_to_string(&path) {
            Ok(text) => {
                check_mode(&path)?;
                Self::parse(&path, &text)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let secrets = Self::generate()?;
                match private_file::create(state_dir, FILE_NAME, &secrets.to_text()) {
                    Ok(()) => Ok(secrets),
                    // Another start was quicker: its secrets are the ones.
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                        let text =
                            fs::read_to_string(&path).map_err(|source| SecretsError::Io {
                                doing: "read",
                                path: path.clone(),
                                source,
                            })?;
                        Self::parse(&path, &text)
                    }
                    Err(source) => Err(SecretsError::Io {
                        doing: "write",
                        path,
                        source,
                    }),
                }
            }
            Err(source) => Err(SecretsError::Unreadable { path, source }),
        }
    }

    /// Reads the secrets in `state_dir`, and makes none: `None` before the first start.
    pub fn load(state_dir: &Path) -> Result<Option<Self>, SecretsError> {
        let path = state_dir.join(FILE_NAME);
        match fs::read_to_string(&path) {
            Ok(text) => {
                check_mode(&path)?;
                Self::parse(&path, &text).map(Some)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SecretsError::Unreadable { path, source }),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, SecretsError> {
        toml::from_str(text).map_err(|e| SecretsError::Malformed {
            path: path.into(),
            // Only the message: the full text would quote the line, and with it a token.
            message: e.message().lines().next().unwrap_or_default().into(),
        })
    }

    /// Writes the publisher's token into a file of its own in `state_dir`, as private as the others.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn hand_out(&self, state_dir: &Path) -> Result<(), SecretsError> {
        let path = state_dir.join(PUBLISH_FILE_NAME);
        let text = format!("{}\n", self.publish.reveal());
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        private_file::replace(state_dir, PUBLISH_FILE_NAME, &text).map_err(|source| {
            SecretsError::Io {
                doing: "write",
                path,
                source,
            }
        })
    }

    fn generate() -> Result<Self, SecretsError> {
        let random = SystemRandom::new();
        let token = || {
            let mut bytes = [0; TOKEN_BYTES];
            random.fill(&mut bytes).map_err(|_| SecretsError::Random)?;
            // Begins with a letter: after `--token`, a dash would look like a flag.
            bytes[0] &= 0x7f;
            Token::new(&base64url(&bytes)).map_err(|_| SecretsError::Random)
        };
        Ok(Self {
            publish: token()?,
            watch: token()?,
            drive: token()?,
        })
    }

    fn to_text(&self) -> String {
        format!(
            "# Made by the first start of transom-sfu. Whoever reads this file may do all that\n\
             # the tokens allow. Remove it to have new ones made at the next start.\n\
             publish = \"{}\"\nwatch = \"{}\"\ndrive = \"{}\"\n",
            self.publish.reveal(),
            self.watch.reveal(),
            self.drive.reveal(),
        )
    }
}

fn check_mode(path: &Path) -> Result<(), SecretsError> {
    let mode = private_file::exposed_mode(path).map_err(|source| SecretsError::Io {
        doing: "read",
        path: path.into(),
        source,
    })?;
    match mode {
        None => Ok(()),
        Some(mode) => Err(SecretsError::Exposed {
            path: path.into(),
            mode,
        }),
    }
}

/// RFC 4648 section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .enumerate()
            .fold(0_u32, |g, (i, b)| g | u32::from(*b) << (16 - 8 * i));
        for i in 0..=chunk.len() {
            out.push(char::from(
                ALPHABET[(group >> (18 - 6 * i) & 0x3f) as usize],
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::test_dir::TestDir;

    #[test]
    fn the_first_start_makes_what_later_ones_find() {
        let dir = TestDir::new("secrets");
        let state = dir.path().join("deep/state");
        assert!(Secrets::load(&state).unwrap().is_none());
        assert!(!state.exists(), "looking makes nothing");
        let first = Secrets::load_or_create(&state).unwrap();
        let again = Secrets::load_or_create(&state).unwrap();
        assert_eq!(first.publish.reveal(), again.publish.reveal());
        assert_eq!(first.publish.reveal().len(), 43);
        assert_ne!(first.publish.reveal(), first.watch.reveal());
        let mode = fs::metadata(state.join(FILE_NAME))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let left = fs::read_dir(&state).unwrap().count();
        assert_eq!(left, 1, "no draft is left behind");
    }

    #[test]
    fn the_publishers_token_is_handed_out_alone_and_kept_up_to_date() {
        let dir = TestDir::new("secrets-out");
        let path = dir.path().join(PUBLISH_FILE_NAME);
        for _ in 0..2 {
            let secrets = Secrets::load_or_create(dir.path()).unwrap();
            secrets.hand_out(dir.path()).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.trim(), secrets.publish.reveal());
            assert_eq!(private_file::exposed_mode(&path).unwrap(), None);
            fs::remove_file(dir.path().join(FILE_NAME)).unwrap();
        }
    }

    #[test]
    fn a_readable_or_broken_file_is_refused_without_quoting_it() {
        let dir = TestDir::new("secrets-bad");
        let path = dir.path().join(FILE_NAME);
        Secrets::load_or_create(dir.path()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Secrets::load_or_create(dir.path()).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(
            &path,
            "publish = \"a-token-that-stays-secret\"\nwatch = 3\n",
        )
        .unwrap();
        let error = Secrets::load_or_create(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("remove it") && !error.contains("stays-secret"),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn no_token_looks_like_a_flag() {
        for _ in 0..200 {
            let secrets = Secrets::generate().unwrap();
            for token in [&secrets.publish, &secrets.watch, &secrets.drive] {
                assert!(!token.reveal().starts_with('-'));
            }
        }
    }

    #[test]
    fn base64url_of_rfc_4648() {
        for (plain, coded) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64url(plain.as_bytes()), coded);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }
}
