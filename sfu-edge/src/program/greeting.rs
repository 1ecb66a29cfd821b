use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use crate::secrets::Secrets;
use crate::settings::Settings;

/// What stdout says at the start: how to watch and how to publish.
pub(super) struct Greeting<'a> {
    pub(super) settings: &'a Settings,
    pub(super) secrets: &'a Secrets,
    /// Where HTTP listens, with its real port.
    pub(super) http: SocketAddr,
}

impl Greeting<'_> {
    /// Prints to stdout. Into the journal, which others may read and which
    /// keeps, no token is written.
    pub(super) fn print(&self) {
        let text = match stdout_is_journal() {
            true => self.concealed(),
            false => self.revealed(),
        };
        // Nobody reads: then nobody misses it.
        let _ = io::stdout()
            .write_all(text.as_bytes())
            .and_then(|()| io::stdout().flush());
    }

    /// With the tokens.
    pub(super) fn revealed(&self) -> String {
        let base = self.base();
        let mut text = String::new();
        let _ = writeln!(
            text,
            "Watch:    {base}/#token={}",
            self.secrets.watch.reveal()
        );
        let _ = writeln!(
            text,
            "Publish:  TRANSOM_TOKEN={} transom-agent --whip {base}/whip/door",
            self.secrets.publish.reveal()
        );
        text
    }

    fn concealed(&self) -> String {
        format!(
            "Serving {}; `transom-sfu --show-link --state-dir {}` prints the link with its token.\n",
            self.base(),
            self.settings.state_dir.display()
        )
    }

    fn base(&self) -> String {
        match &self.settings.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.http),
        }
    }
}

/// systemd.exec(5): `JOURNAL_STREAM` names the device and inode of the stream
/// to the journal; children inherit it, so it must be compared.
fn stdout_is_journal() -> bool {
    let Ok(journal) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(fd) = io::stdout().as_fd().try_clone_to_owned() else {
        return false;
    };
    let Ok(metadata) = std::fs::File::from(fd).metadata() else {
        return false;
    };
    journal == format!("{}:{}", metadata.dev(), metadata.ino())
}
