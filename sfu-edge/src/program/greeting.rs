use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use super::doors::{OpenDoor, Scheme};
use super::qr::qr_code;
use crate::auth::Token;
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::tls::Certificate;

/// What stdout says at the start: what is open, how to watch and how to publish.
pub(super) struct Greeting<'a> {
    pub(super) settings: &'a Settings,
    pub(super) secrets: &'a Secrets,
    /// What is listened on, this machine's own door first.
    pub(super) doors: &'a [OpenDoor],
    /// By which others reach this machine.
    pub(super) addresses: &'a [IpAddr],
    /// That of the HTTPS doors.
    pub(super) certificate: Option<&'a Certificate>,
    /// A QR code is asked for even if stdout is no terminal.
    pub(super) qr: bool,
}

/// Most links of one kind: the first serve nearly everybody.
const MAX_LINKS: usize = 4;

impl Greeting<'_> {
    /// Prints to stdout. Into the journal, which others may read and which
    /// keeps, no token is written.
    pub(super) fn print(&self) {
        match stdout_is_journal() {
            true => say(&format!("{}{}", self.opened(), self.concealed())),
            false => say(&format!("{}{}", self.opened(), self.links())),
        }
    }

    /// Prints the links alone, which were asked for.
    pub(super) fn print_links(&self) {
        say(&self.links());
    }

    /// Prints the links that drive the robot, which were asked for.
    pub(super) fn print_drive_links(&self) {
        say(&self.drive_links());
    }

    /// What is open, in plain words, without a token.
    pub(super) fn opened(&self) -> String {
        let mut text = String::new();
        for door in self.doors {
            let kind = match door.scheme {
                Scheme::Http if door.address.ip().is_loopback() => {
                    "plain HTTP, for this machine only"
                }
                Scheme::Http => "PLAIN HTTP, for the TLS proxy before it",
                Scheme::Https => "HTTPS, for everybody who reaches this address",
            };
            let urls = door.urls(self.addresses);
            if urls.is_empty() {
                let _ = writeln!(
                    text,
                    "Open:     port {}, but this machine has no address on a network yet",
                    door.address.port()
                );
            }
            for url in urls.iter().take(MAX_LINKS) {
                let _ = writeln!(text, "Open:     {url} ({kind})");
            }
        }
        if let Some(certificate) = self.certificate {
            let kind = match certificate.is_self_signed() {
                true => "self-signed: browsers warn of it once",
                false => "signed by an authority",
            };
            let _ = writeln!(
                text,
                "          certificate {} ({kind})",
                certificate.fingerprint()
            );
        }
        text
    }

    /// The links, with the tokens.
    pub(super) fn links(&self) -> String {
        let (watch, publish) = (self.secrets.watch.reveal(), self.secrets.publish.reveal());
        let base = self.base();
        let mut text = String::new();
        let _ = writeln!(text, "Watch:    {base}/#token={watch}");
        let _ = writeln!(
            text,
            "Publish:  TRANSOM_TOKEN={publish} transom-agent --whip {base}/whip/door"
        );
        let lan = self.lan();
        if !lan.is_empty() {
            let _ = writeln!(text, "\nOn a phone or another machine:");
        }
        for url in &lan {
            let _ = writeln!(text, "Watch:    {url}/#token={watch}");
        }
        // By environment, since flags are seen in the list of processes.
        for url in &lan {
            let _ = writeln!(
                text,
                "Publish:  TRANSOM_AGENT_WHIP='{url}/whip/door#token={publish}{}' transom-agent",
                self.pin()
            );
        }
        text.push_str(&self.qr_code(&lan, &self.secrets.watch));
        text
    }

    /// The links with the token that may drive.
    fn drive_links(&self) -> String {
        let token = &self.secrets.drive;
        let lan = self.lan();
        let mut text = String::new();
        for url in [self.base()].iter().chain(&lan) {
            let _ = writeln!(text, "Drive:    {url}/#token={}", token.reveal());
        }
        text.push_str(&self.qr_code(&lan, token));
        text
    }

    /// For a phone, which does not reach this machine's own door; where it can be
    /// looked at, or was asked for.
    fn qr_code(&self, lan: &[String], token: &Token) -> String {
        let terminal = io::stdout().is_terminal();
        if !self.qr && !terminal {
            return String::new();
        }
        let base = match (&self.settings.public_url, lan.first()) {
            (Some(_), _) => self.base(),
            (None, Some(lan)) => lan.clone(),
            (None, None) if self.qr => {
                let serves_others = self.doors.iter().any(|d| d.scheme == Scheme::Https);
                return match serves_others {
                    true => "\nNo QR code: this machine has no address on a network yet; connect it and ask again.\n",
                    false => "\nNo QR code: only this machine is served; --lan serves phones too.\n",
                }
                .to_owned();
            }
            (None, None) => return String::new(),
        };
        let link = format!("{base}/#token={}", token.reveal());
        let code = qr_code(&link, terminal);
        code.map_or_else(String::new, |code| format!("\n{code}"))
    }

    fn concealed(&self) -> String {
        format!(
            "Serving {}; `sudo transom-sfu link --state-dir {}` prints the links with their tokens.\n",
            self.base(),
            self.settings.state_dir.display()
        )
    }

    /// What the certificate adds to an agent's link: nothing where an authority
    /// signed it, which will do so again with another key.
    fn pin(&self) -> String {
        match self.certificate {
            Some(certificate) if certificate.is_self_signed() => {
                format!("&fp={}", certificate.fingerprint())
            }
            _ => String::new(),
        }
    }

    /// The URLs for others than this machine.
    fn lan(&self) -> Vec<String> {
        let secure = self.doors.iter().filter(|d| d.scheme == Scheme::Https);
        let urls = secure.flat_map(|door| door.urls(self.addresses));
        urls.take(MAX_LINKS).collect()
    }

    fn base(&self) -> String {
        match (&self.settings.public_url, self.doors.first()) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(own)) => format!("{}://{}", own.scheme.as_str(), own.address),
            (None, None) => String::new(),
        }
    }
}

pub(super) fn say(text: &str) {
    // Nobody reads: then nobody misses it.
    let _ = io::stdout()
        .write_all(text.as_bytes())
        .and_then(|()| io::stdout().flush());
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::settings::Cli;

    #[test]
    fn why_there_is_no_qr_code_is_said_rightly() {
        let folder = std::env::temp_dir().join(format!("transom-greeting-{}", std::process::id()));
        let cli = Cli::parse_from(["transom-sfu", "--state-dir", "unused"]);
        let settings = Settings::new(&cli, |_| None).unwrap();
        let secrets = Secrets::load_or_create(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let own = OpenDoor {
            scheme: Scheme::Http,
            address: ([127, 0, 0, 1], 8080).into(),
        };
        let others = OpenDoor {
            scheme: Scheme::Https,
            address: ([0, 0, 0, 0], 8443).into(),
        };
        let said = |doors: &[OpenDoor], addresses: &[IpAddr]| {
            let greeting = Greeting {
                settings: &settings,
                secrets: &secrets,
                doors,
                addresses,
                certificate: None,
                qr: true,
            };
            greeting.links()
        };
        let here = [IpAddr::from([192, 168, 1, 5])];
        assert!(said(&[own], &here).contains("--lan serves phones too"));
        assert!(said(&[own, others], &[]).contains("no address on a network yet"));
        assert!(said(&[own, others], &here).contains("https://192.168.1.5:8443/#token="));
        assert!(!said(&[own, others], &here).contains("No QR code"));
    }
}
