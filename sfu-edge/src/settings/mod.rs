//! What the program was told: flags over environment over file over defaults.

mod cli;
mod file;
mod log;
mod value;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use cli::{Cli, Command, DoctorOptions, one_line};
pub use file::{File, FileError, Limits, TokenEntry};
pub use value::{Advertise, Family, Hold, HttpAddr, ListenAddr, Workers};

use crate::auth::Scope;
use crate::tls::CertificateFiles;
use transom_rtc_telemetry::{LogFilter, LogFilterError};

/// Looked for, in this order, where no `--config` is given.
const PLACES: [&str; 2] = ["transom-sfu.toml", "/etc/transom/transom-sfu.toml"];

/// Everything that can be set, with its defaults filled in.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that was read, where there is one.
    pub file: Option<PathBuf>,
    /// Where the values come from that a flag can give.
    pub origins: Origins,
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Whether the LAN is served by HTTPS, on [`ListenAddr::DEFAULT_PORT`].
    pub lan: bool,
    /// Where else is listened: HTTPS, but for loopback.
    pub listen: Vec<SocketAddr>,
    /// The certificate for HTTPS, where it is not our own.
    pub tls: Option<CertificateFiles>,
    /// Whether plain HTTP may leave this machine: a TLS proxy stands before it.
    pub allow_plain_http: bool,
    /// What the links on stdout begin with, where it is not `http`.
    pub public_url: Option<String>,
    /// UDP port for all media.
    pub udp_port: u16,
    /// Threads that send media.
    pub workers: Workers,
    /// How long packets of a stream with many subscribers may wait for company.
    pub hold: Hold,
    /// Where the secrets are kept.
    pub state_dir: PathBuf,
    /// Addresses that stand in answers besides those of the interfaces.
    pub advertise: Vec<Advertise>,
    /// Interfaces whose addresses stand in answers; `*` is a wildcard.
    pub interfaces: Vec<String>,
    /// Interfaces whose addresses do not.
    pub exclude_interfaces: Vec<String>,
    /// Address families of the candidates.
    pub families: Vec<Family>,
    /// What is logged: a level, and levels of modules.
    pub log: String,
    /// Bounds.
    pub limits: Limits,
    /// Tokens besides the three in the state directory.
    pub tokens: Vec<TokenEntry>,
}

/// Where a value comes from; the first wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag or a variable of the environment.
    CommandLine,
    /// The file.
    File,
    /// Nobody said anything.
    Default,
}

impl Origin {
    const fn of(on_command_line: bool, in_file: bool) -> Self {
        match (on_command_line, in_file) {
            (true, _) => Self::CommandLine,
            (false, true) => Self::File,
            (false, false) => Self::Default,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommandLine => "flag or environment",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// The origin of each value of [`Settings`] that has more than one.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // named as the values are
pub struct Origins {
    pub http: Origin,
    pub lan: Origin,
    pub listen: Origin,
    pub tls: Origin,
    pub udp_port: Origin,
    pub workers: Origin,
    pub hold: Origin,
    pub state_dir: Origin,
    pub advertise: Origin,
    pub interfaces: Origin,
    pub exclude_interfaces: Origin,
    pub families: Origin,
    pub log: Origin,
}

impl Origins {
    fn new(cli: &Cli, file: &File) -> Self {
        Self {
            http: Origin::of(cli.http.is_some(), file.http.is_some()),
            lan: Origin::of(cli.lan, file.lan.is_some()),
            listen: Origin::of(!cli.listen.is_empty(), !file.listen.is_empty()),
            tls: Origin::of(cli.tls_cert.is_some(), file.tls_cert.is_some()),
            udp_port: Origin::of(cli.udp_port.is_some(), file.udp_port.is_some()),
            workers: Origin::of(cli.workers.is_some(), file.workers.is_some()),
            hold: Origin::of(cli.hold_ms.is_some(), file.hold_ms.is_some()),
            state_dir: Origin::of(cli.state_dir.is_some(), file.state_dir.is_some()),
            advertise: Origin::of(!cli.advertise.is_empty(), !file.advertise.is_empty()),
            interfaces: Origin::of(!cli.interface.is_empty(), file.interfaces.is_some()),
            exclude_interfaces: Origin::of(false, file.exclude_interfaces.is_some()),
            families: Origin::of(false, file.families.is_some()),
            log: Origin::of(cli.log.is_some(), file.log.is_some()),
        }
    }
}

/// Why the settings do not hold together. Each message is one line and names the mend.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read or understood.
    #[error(transparent)]
    File(#[from] FileError),
    /// Plain HTTP would leave the machine.
    #[error(
        "refusing plain HTTP on {0}: tokens could be read on the way; serve it by HTTPS with --lan or --listen, or put a TLS proxy in front and set `allow_plain_http = true` in transom-sfu.toml"
    )]
    PlainHttp(SocketAddr),
    /// Two sockets would have one port.
    #[error(
        "{0} and {1} cannot both be listened on: they share the port; give one of `http`, `listen` and `lan` (port 8443) another"
    )]
    SamePort(SocketAddr, SocketAddr),
    /// One of the two files is not named.
    #[error("a certificate needs its key: give both --tls-cert and --tls-key, or neither")]
    HalfCertificate,
    /// There is no place for the secrets.
    #[error(
        "no place to keep secrets: neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set; give one with --state-dir"
    )]
    NoStateDir,
    /// The log filter means nothing.
    #[error(transparent)]
    Log(#[from] LogFilterError),
}

/// Default of `http`.
const DEFAULT_HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7080);
/// What `lan` listens on, where the system has IPv6: both families.
pub const LAN: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), ListenAddr::DEFAULT_PORT);
/// Default of `udp_port`.
const DEFAULT_UDP_PORT: u16 = 7082;
/// Bridges of containers and virtual machines: nobody outside reaches them.
const DEFAULT_EXCLUDED: [&str; 3] = ["docker*", "veth*", "virbr*"];

impl Settings {
    /// Joins flags, environment (already in `cli`) and file: the given one,
    /// else the first there is of `transom-sfu.toml` here and in `/etc/transom`.
    pub fn new(cli: &Cli, env: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let path = match &cli.config {
            Some(path) => Some(path.clone()),
            None => PLACES.iter().map(PathBuf::from).find(|p| p.exists()),
        };
        let file = path
            .as_deref()
            .map_or_else(|| Ok(File::default()), File::read)?;
        let settings = Self::merge(cli, file, env)?;
        Ok(Self {
            file: path,
            ..settings
        })
    }

    /// The same for the doctor: every mistake, and the settings as far as they
    /// can be understood.
    pub fn examine(
        cli: &Cli,
        env: impl Fn(&str) -> Option<String>,
    ) -> (Option<Self>, Vec<SettingsError>) {
        let path = match &cli.config {
            Some(path) => Some(path.clone()),
            None => PLACES.iter().map(PathBuf::from).find(|p| p.exists()),
        };
        let (file, mistakes) = path
            .as_deref()
            .map_or_else(|| (Some(File::default()), Vec::new()), File::examine);
        let mut mistakes: Vec<_> = mistakes.into_iter().map(SettingsError::from).collect();
        let settings = match file.map(|file| Self::assemble(cli, file, env)) {
            Some(Ok(settings)) => {
                mistakes.extend(settings.problems());
                Some(Self {
                    file: path,
                    ..settings
                })
            }
            Some(Err(mistake)) => {
                mistakes.push(mistake);
                None
            }
            None => None,
        };
        (settings, mistakes)
    }

    fn merge(
        cli: &Cli,
        file: File,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let settings = Self::assemble(cli, file, env)?;
        match settings.problems().into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(settings),
        }
    }

    /// Joined, and not yet checked.
    fn assemble(
        cli: &Cli,
        file: File,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let origins = Origins::new(cli, &file);
        let state_dir = cli.state_dir.clone().or(file.state_dir);
        let settings = Self {
            file: None,
            origins,
            http: cli.http.or(file.http).map_or(DEFAULT_HTTP, |a| a.0),
            lan: cli.lan || file.lan.unwrap_or(false),
            listen: first_given(&cli.listen, file.listen)
                .into_iter()
                .map(|a| a.0)
                .collect(),
            tls: certificate_files(
                cli.tls_cert.clone().or(file.tls_cert),
                cli.tls_key.clone().or(file.tls_key),
            )?,
            allow_plain_http: file.allow_plain_http,
            public_url: file.public_url,
            udp_port: cli.udp_port.or(file.udp_port).unwrap_or(DEFAULT_UDP_PORT),
            workers: cli.workers.or(file.workers).unwrap_or_default(),
            hold: cli.hold_ms.or(file.hold_ms).unwrap_or_default(),
            state_dir: match state_dir {
                Some(dir) => dir,
                None => default_state_dir(env).ok_or(SettingsError::NoStateDir)?,
            },
            advertise: first_given(&cli.advertise, file.advertise),
            interfaces: match cli.interface.is_empty() {
                true => file.interfaces.unwrap_or_else(|| vec!["*".into()]),
                false => cli.interface.clone(),
            },
            exclude_interfaces: file
                .exclude_interfaces
                .unwrap_or_else(|| DEFAULT_EXCLUDED.map(str::to_owned).to_vec()),
            families: file
                .families
                .unwrap_or_else(|| vec![Family::Ipv4, Family::Ipv6]),
            log: cli
                .log
                .clone()
                .or(file.log)
                .unwrap_or_else(|| "info".into()),
            limits: file.limits,
            tokens: file.tokens,
        };
        Ok(settings)
    }

    /// What makes no sense.
    fn problems(&self) -> Vec<SettingsError> {
        let mut problems = Vec::new();
        if !self.http.ip().is_loopback() && !self.allow_plain_http {
            problems.push(SettingsError::PlainHttp(self.http));
        }
        let lan = self.lan.then_some(LAN);
        let all: Vec<SocketAddr> = [self.http]
            .into_iter()
            .chain(self.listen.iter().copied())
            .chain(lan)
            .collect();
        for (n, one) in all.iter().enumerate() {
            let others = all
                .iter()
                .skip(n + 1)
                .filter(|other| collide(*one, **other));
            problems.extend(others.map(|other| SettingsError::SamePort(*one, *other)));
        }
        problems.extend(self.log_filter().err());
        problems
    }

    /// What is allowed and yet hardly meant. Each is one line, which names the mend
    /// behind its last semicolon.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for token in &self.tokens {
            let name = &token.name;
            if token.drives_blindly() {
                doubts.push(format!(
                    "the token of `{name}` has the scope `drive` without `watch`, and nobody drives without a viewer's session; give it {}",
                    scopes_with("watch", &token.scopes)
                ));
            }
            if token.overrides_in_vain() {
                doubts.push(format!(
                    "the token of `{name}` has the scope `admin` without `drive`, and nobody takes the lease who may not drive; give it {}",
                    scopes_with("drive", &token.scopes)
                ));
            }
        }
        doubts
    }

    /// What is logged, understood.
    ///
    /// # Errors
    /// Where an item of `log` means nothing.
    pub fn log_filter(&self) -> Result<LogFilter, SettingsError> {
        Ok(LogFilter::parse(&self.log, &log::NAMES)?)
    }
}

/// What to write: the scopes of a token, and the one before them that they need.
fn scopes_with(needed: &str, scopes: &[Scope]) -> String {
    let all = [needed]
        .into_iter()
        .chain(scopes.iter().map(|s| s.as_str()));
    let all: Vec<String> = all.map(|scope| format!("\"{scope}\"")).collect();
    format!("scopes = [{}]", all.join(", "))
}

/// Whether the second socket could not be bound after the first.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = |a: SocketAddr| a.ip().is_unspecified();
    one.port() == other.port()
        && one.port() != 0
        && (one.ip() == other.ip()
            || (everywhere(one) && (one.is_ipv6() || other.is_ipv4()))
            || (everywhere(other) && (other.is_ipv6() || one.is_ipv4())))
}

fn certificate_files(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<CertificateFiles>, SettingsError> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(CertificateFiles { cert, key })),
        (None, None) => Ok(None),
        _ => Err(SettingsError::HalfCertificate),
    }
}

fn first_given<T: Clone>(flags: &[T], file: Vec<T>) -> Vec<T> {
    match flags.is_empty() {
        true => file,
        false => flags.to_vec(),
    }
}

/// systemd's `StateDirectory=`, else the XDG base directory, else its default.
fn default_state_dir(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name| env(name).filter(|v| !v.is_empty());
    if let Some(dirs) = set("STATE_DIRECTORY") {
        return dirs.split(':').next().map(PathBuf::from);
    }
    let state_home = set("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".local/state")))?;
    Some(state_home.join("transom-sfu"))
}

/// What `--check-config` prints: the result of all sources, with no secret in it.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |items: Vec<String>| match items.is_empty() {
            true => "none".to_owned(),
            false => items.join(", "),
        };
        let text = |items: &[String]| listed(items.to_vec());
        let from = &self.origins;
        match &self.file {
            Some(path) => writeln!(f, "file                {}", path.display())?,
            None => writeln!(f, "file                none ({})", PLACES.join(", "))?,
        }
        writeln!(f, "http                {} ({})", self.http, from.http)?;
        if !self.http.ip().is_loopback() {
            writeln!(
                f,
                "allow_plain_http    true: a TLS proxy must stand before it"
            )?;
        }
        writeln!(f, "lan                 {} ({})", self.lan, from.lan)?;
        let listen = self.listen.iter().map(ToString::to_string).collect();
        writeln!(
            f,
            "listen              {} ({})",
            listed(listen),
            from.listen
        )?;
        if let Some(CertificateFiles { cert, key }) = &self.tls {
            writeln!(f, "tls_cert            {} ({})", cert.display(), from.tls)?;
            writeln!(f, "tls_key             {}", key.display())?;
        }
        if let Some(url) = &self.public_url {
            writeln!(f, "public_url          {url}")?;
        }
        writeln!(
            f,
            "udp_port            {} ({})",
            self.udp_port, from.udp_port
        )?;
        writeln!(f, "workers             {} ({})", self.workers, from.workers)?;
        writeln!(
            f,
            "state_dir           {} ({})",
            self.state_dir.display(),
            from.state_dir
        )?;
        let advertise = self.advertise.iter().map(ToString::to_string).collect();
        writeln!(
            f,
            "advertise           {} ({})",
            listed(advertise),
            from.advertise
        )?;
        writeln!(
            f,
            "interfaces          {} ({})",
            text(&self.interfaces),
            from.interfaces
        )?;
        writeln!(
            f,
            "exclude_interfaces  {} ({})",
            text(&self.exclude_interfaces),
            from.exclude_interfaces
        )?;
        let families = self.families.iter().map(ToString::to_string).collect();
        writeln!(
            f,
            "families            {} ({})",
            listed(families),
            from.families
        )?;
        writeln!(f, "log                 {} ({})", self.log, from.log)?;
        let l = &self.limits;
        writeln!(
            f,
            "limits              {} streams, {} subscribers a stream, {} sessions, {} Mbit/s a publisher, {} connections ({} an address), {} requests/s an address (burst {})",
            l.max_streams,
            l.max_subscribers,
            l.max_sessions,
            l.max_publish_mbps,
            l.max_connections,
            l.max_connections_per_address,
            l.requests_per_second,
            l.request_burst
        )?;
        for token in &self.tokens {
            let scopes = token.scopes.iter().map(ToString::to_string).collect();
            writeln!(
                f,
                "token               {}: {} on {}",
                token.name,
                listed(scopes),
                token.streams_text()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn settings(args: &[&str], toml: &str) -> Result<Settings, SettingsError> {
        let cli = Cli::try_parse_from([&["transom-sfu"], args].concat()).unwrap();
        let file = File::parse(Path::new("transom-sfu.toml"), toml)?;
        Settings::merge(&cli, file, |name| {
            (name == "HOME").then(|| "/home/pi".into())
        })
    }

    #[test]
    fn every_mistake_is_told_to_the_doctor() {
        let args = [
            "transom-sfu",
            "--http",
            "0.0.0.0:8443",
            "--lan",
            "--log",
            "inof",
        ];
        let cli = Cli::try_parse_from(args).unwrap();
        let home = |name: &str| (name == "HOME").then(|| "/home/pi".into());
        let settings = Settings::assemble(&cli, File::default(), home).unwrap();
        let problems = settings.problems();
        assert!(
            matches!(
                problems[..],
                [
                    SettingsError::PlainHttp(_),
                    SettingsError::SamePort(..),
                    SettingsError::Log(_)
                ]
            ),
            "{problems:?}"
        );
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let s = settings(&["--udp-port", "9"], "udp_port = 8\nhttp = \"[::1]:80\"").unwrap();
        assert_eq!(s.udp_port, 9);
        assert_eq!(s.http.to_string(), "[::1]:80");
        let s = settings(&[], "").unwrap();
        assert_eq!(s.http.to_string(), "127.0.0.1:7080");
        assert_eq!(s.state_dir, Path::new("/home/pi/.local/state/transom-sfu"));
        assert_eq!(s.interfaces, ["*"]);
        let s = settings(
            &[
                "--advertise",
                "192.0.2.1",
                "--advertise",
                "[2001:db8::1]:99",
            ],
            "",
        )
        .unwrap();
        assert_eq!(s.advertise.len(), 2);
    }

    #[test]
    fn the_explanation_says_where_values_come_from() {
        let s = settings(&["--udp-port", "9"], "http = \"127.0.0.1:80\"").unwrap();
        let shown = s.to_string();
        for line in [
            "udp_port            9 (flag or environment)",
            "http                127.0.0.1:80 (file)",
            "log                 info (default)",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
    }

    #[test]
    fn plain_http_stays_on_the_machine() {
        let error = settings(&["--http", "0.0.0.0:7080"], "")
            .unwrap_err()
            .to_string();
        assert!(error.contains("allow_plain_http = true"), "{error}");
        assert_eq!(error.lines().count(), 1);
        assert!(settings(&["--http", "0.0.0.0:7080"], "allow_plain_http = true").is_ok());
        assert!(settings(&["--http", "localhost:7080"], "").is_ok());
    }

    #[test]
    fn the_lan_is_served_where_that_is_said() {
        assert!(!settings(&[], "").unwrap().lan);
        assert!(settings(&["--lan"], "").unwrap().lan);
        let s = settings(&["--listen", "192.168.1.5:9443"], "lan = true").unwrap();
        assert!(s.lan && s.listen == ["192.168.1.5:9443".parse::<SocketAddr>().unwrap()]);
    }

    #[test]
    fn sockets_that_would_be_in_each_others_way_are_told() {
        for (args, fits) in [
            (&["--listen", "0.0.0.0:7080"][..], false),
            (&["--listen", "[::]:7080"], false),
            (&["--listen", "192.168.1.5:7080"], true),
            (&["--listen", "[::1]:7080"], true),
            (&["--lan", "--listen", "0.0.0.0:8443"], false),
            (&["--lan", "--listen", "0.0.0.0:9443"], true),
            (&["--listen", "10.0.0.1:0", "--listen", "10.0.0.1:0"], true),
        ] {
            let result = settings(args, "");
            assert_eq!(result.is_ok(), fits, "{args:?}: {result:?}");
        }
    }

    #[test]
    fn a_certificate_has_its_key() {
        let error = settings(&["--tls-cert", "a.pem"], "").unwrap_err();
        assert!(error.to_string().contains("--tls-key"), "{error}");
        let s = settings(&[], "tls_cert = \"a.pem\"\ntls_key = \"b.pem\"").unwrap();
        assert!(s.to_string().contains("tls_key             b.pem"));
    }

    #[test]
    fn a_wrong_log_level_is_explained() {
        for (log, words) in [
            ("inof", &["`inof`", "--log info"][..]),
            (
                "info,transom_sfu::medai=debug",
                &["transom_sfu::medai", "media"],
            ),
            ("transom_sfu=a=b", &["`a=b`", "debug"]),
        ] {
            let error = settings(&["--log", log], "").unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{error}");
            }
        }
        assert!(settings(&["--log", "info,transom_sfu::media=debug,dtls=warn"], "").is_ok());
    }

    #[test]
    fn systemds_state_directory_comes_first() {
        let env = |name: &str| match name {
            "STATE_DIRECTORY" => Some("/var/lib/transom-sfu:/var/lib/other".to_owned()),
            "XDG_STATE_HOME" => Some("/x".to_owned()),
            _ => None,
        };
        assert_eq!(default_state_dir(env), Some("/var/lib/transom-sfu".into()));
        assert_eq!(default_state_dir(|_| None), None);
    }

    #[test]
    fn a_token_that_drives_and_sees_nothing_is_doubted() {
        let doubts = |scopes: &str| {
            let token = "name = \"n\"\ntoken = \"0123456789abcdef\"";
            let toml = format!("[[token]]\n{token}\nscopes = [{scopes}]");
            settings(&[], &toml).unwrap().doubts()
        };
        assert!(doubts("\"watch\", \"drive\"").is_empty());
        assert!(doubts("\"publish\"").is_empty());
        let told = doubts("\"drive\", \"metrics\"");
        assert_eq!(told.len(), 1);
        assert!(
            told[0].ends_with("; give it scopes = [\"watch\", \"drive\", \"metrics\"]"),
            "{told:?}"
        );
        assert!(doubts("\"watch\", \"drive\", \"admin\"").is_empty());
        let told = doubts("\"watch\", \"admin\"");
        assert_eq!(told.len(), 1);
        assert!(
            told[0].ends_with("; give it scopes = [\"drive\", \"watch\", \"admin\"]"),
            "{told:?}"
        );
    }

    #[test]
    fn the_explanation_shows_no_token() {
        let s = settings(
            &[],
            "[[token]]\nname = \"kiosk\"\ntoken = \"do-not-show-me-please\"\nscopes = [\"watch\"]\nstreams = [\"door*\"]",
        );
        let shown = s.unwrap().to_string();
        assert!(shown.contains("kiosk: watch on door*"), "{shown}");
        assert!(!shown.contains("do-not-show"), "{shown}");
    }
}
