//! An emergency stop that outlives the agent: a file that is there while it holds.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

/// After a disk that was full, or could not be written.
const AGAIN: Duration = Duration::from_secs(1);
/// The file's name in the agent's state directory.
const NAME: &str = "emergency-stop";
const TEXT: &[u8] = b"An emergency stop holds this device. Reset it by the page, or delete this file while the agent is stopped.\n";

/// Where a hold is noted; in systemd's state directory, and nowhere without one.
#[derive(Clone, Debug)]
pub(super) struct HoldFile(Option<PathBuf>);

impl HoldFile {
    /// In the directory that systemd gave the service (`StateDirectory=`).
    pub(super) fn of_the_service() -> Self {
        let directory = std::env::var_os("STATE_DIRECTORY").filter(|path| !path.is_empty());
        Self(directory.map(|path| Path::new(&path).join(NAME)))
    }

    /// Whether a former agent left it held. What cannot be read counts as held.
    pub(super) fn is_there(&self) -> bool {
        let Some(path) = &self.0 else { return false };
        path.try_exists().unwrap_or_else(|error| {
            tracing::warn!(
                "{}: {error}: it counts as an emergency stop",
                path.display()
            );
            true
        })
    }

    /// Notes each change, from this call on, until the sender is gone. Disks are slow: nobody waits for this.
    pub(super) fn follow(self, held: watch::Receiver<bool>) -> impl Future<Output = ()> {
        // Not when it is first polled: what comes before that is a change too.
        let noted = *held.borrow();
        self.note_changes(held, noted)
    }

    async fn note_changes(self, mut held: watch::Receiver<bool>, mut noted: bool) {
        let mut told = false;
        let mut last = false;
        loop {
            let is_held = *held.borrow_and_update();
            if is_held != noted {
                let file = self.clone();
                match tokio::task::spawn_blocking(move || file.note(is_held)).await {
                    Ok(Ok(())) => (noted, told) = (is_held, false),
                    Ok(Err(error)) if !std::mem::replace(&mut told, true) => {
                        tracing::warn!(
                            "the emergency stop is not noted on disk, and ends with the agent until it is: {error}"
                        );
                    }
                    _ => {}
                }
            }
            if last {
                return;
            }
            let again = async {
                match is_held == noted {
                    true => std::future::pending().await,
                    false => tokio::time::sleep(AGAIN).await,
                }
            };
            tokio::select! {
                changed = held.changed() => match changed {
                    Ok(()) => {}
                    // Once more, if it could not be noted yet.
                    Err(_) if is_held != noted => last = true,
                    Err(_) => return,
                },
                () = again => {}
            }
        }
    }

    fn note(&self, held: bool) -> io::Result<()> {
        let Some(path) = &self.0 else {
            if held {
                tracing::warn!(
                    "the emergency stop ends with this agent: outside systemd, STATE_DIRECTORY names a folder to note it in"
                );
            }
            return Ok(());
        };
        let told =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if held {
            fs::write(path, TEXT).map_err(told)?;
            File::open(path)
                .and_then(|file| file.sync_all())
                .map_err(told)?;
        } else if let Err(error) = fs::remove_file(path)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(told(error));
        }
        // The name as well must outlive a loss of power.
        let folder = path.parent().unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_while_it_holds() {
        let folder = std::env::temp_dir().join(format!("transom-hold-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let file = HoldFile(Some(folder.join(NAME)));
        assert!(!file.is_there());
        for held in [true, true, false, false] {
            file.note(held).expect("a good folder");
            assert_eq!(file.is_there(), held);
        }
        fs::remove_dir_all(&folder).expect("its removal");
        let error = file.note(true).expect_err("no folder").to_string();
        assert!(error.contains(NAME), "{error}");
        let nowhere = HoldFile(None);
        nowhere.note(true).expect("nothing to do");
        assert!(!nowhere.is_there());
    }

    #[tokio::test]
    async fn what_could_not_be_noted_is_noted_once_it_can() {
        let name = format!("transom-hold-later-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let file = HoldFile(Some(folder.join(NAME)));
        let (say, held) = watch::channel(false);
        let following = tokio::spawn(file.clone().follow(held));
        say.send(true).expect("it follows");
        // The disk is not there yet, and nothing changes when it is.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!file.is_there());
        fs::create_dir_all(&folder).expect("a folder");
        let noted = async {
            while !file.is_there() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(10 * AGAIN, noted).await;
        in_time.expect("it was never tried again");
        // What could not be noted is tried once more at the end.
        fs::remove_dir_all(&folder).expect("its removal");
        say.send(false).expect("it follows");
        tokio::time::sleep(Duration::from_millis(100)).await;
        say.send(true).expect("it follows");
        tokio::time::sleep(Duration::from_millis(100)).await;
        fs::create_dir_all(&folder).expect("a folder");
        drop(say);
        following.await.expect("it ends with who says");
        fs::remove_dir_all(&folder).expect("its removal");
    }
}
