use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::{Advertise, Hold, HttpAddr, ListenAddr, Workers};

/// A small WHIP/WHEP SFU: agents and browsers publish named streams, browsers watch them.
///
/// The first start makes random tokens and prints a link with one of them: open
/// it in a browser on this machine. With --lan, phones and other machines are
/// served too, by HTTPS. All media goes through one UDP port.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "transom-sfu", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Configuration file (TOML) [default: transom-sfu.toml here, then in
    /// /etc/transom]. Flags and environment win over it.
    #[arg(long, value_name = "FILE", env = "TRANSOM_SFU_CONFIG")]
    pub config: Option<PathBuf>,

    /// Where the page, WHIP and WHEP are served to this machine, by plain HTTP
    /// [default: 127.0.0.1:7080]. Port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDR:PORT", env = "TRANSOM_SFU_HTTP")]
    pub http: Option<HttpAddr>,

    /// Serve phones and other machines on the network as well: HTTPS on port 8443
    /// of every address, with a certificate of our own that browsers warn of
    /// once and agents know by the fingerprint in their link.
    #[arg(long, env = "TRANSOM_SFU_LAN", value_parser = FalseyValueParser::new())]
    pub lan: bool,

    /// Serve this address as well; without a port, 8443. HTTPS, but for loopback,
    /// which is plain HTTP. May be repeated.
    #[arg(
        long,
        value_name = "ADDR[:PORT]",
        env = "TRANSOM_SFU_LISTEN",
        value_delimiter = ','
    )]
    pub listen: Vec<ListenAddr>,

    /// A certificate for HTTPS instead of our own: PEM, the chain in it. Read
    /// again when it changes.
    #[arg(long, value_name = "FILE", env = "TRANSOM_SFU_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert: PEM.
    #[arg(long, value_name = "FILE", env = "TRANSOM_SFU_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// UDP port for the media of all sessions [default: 7082]. 0 takes a free one.
    #[arg(long, value_name = "PORT", env = "TRANSOM_SFU_UDP_PORT")]
    pub udp_port: Option<u16>,

    /// Threads that send media, 1 to 64 [default: 1]. More help where one core is
    /// full: a stream's first 16 viewers stay on the first, the others are spread.
    #[arg(long, value_name = "N", env = "TRANSOM_SFU_WORKERS")]
    pub workers: Option<Workers>,

    /// How long packets may wait for the rest of their picture, so that they leave
    /// together: 0 to 5 milliseconds [default: 0]. For streams of 32 viewers and
    /// more whose publisher spaces its packets, as browsers do: it saves
    /// processor time and costs this much delay.
    #[arg(long, value_name = "MS", env = "TRANSOM_SFU_HOLD_MS")]
    pub hold_ms: Option<Hold>,

    /// Where tokens and certificate are kept [default: $STATE_DIRECTORY, else
    /// $XDG_STATE_HOME/transom-sfu, else ~/.local/state/transom-sfu].
    #[arg(long, value_name = "DIR", env = "TRANSOM_SFU_STATE_DIR")]
    pub state_dir: Option<PathBuf>,

    /// An address that others reach this machine by, such as a router's; with a
    /// port if that is mapped. May be repeated.
    #[arg(
        long,
        value_name = "ADDR",
        env = "TRANSOM_SFU_ADVERTISE",
        value_delimiter = ','
    )]
    pub advertise: Vec<Advertise>,

    /// Offer only the addresses of this interface; `*` is a wildcard. May be repeated.
    #[arg(
        long,
        value_name = "NAME",
        env = "TRANSOM_SFU_INTERFACE",
        value_delimiter = ','
    )]
    pub interface: Vec<String>,

    /// What to log: off, error, warn, info, debug or trace [default: info]; and
    /// other levels for modules, such as info,transom_sfu::media=debug. Each
    /// line names its module: transom_sfu::control (sessions), ::directory,
    /// ::http, ::media, ::program, ::tls; transom_rtc_dtls and dtls (handshakes),
    /// sctp_proto (data channels).
    #[arg(long, value_name = "FILTER", env = "TRANSOM_SFU_LOG")]
    pub log: Option<String>,

    /// Explain the configuration that flags, environment and file add up to, and end.
    #[arg(long)]
    pub check_config: bool,

    /// The same as `transom-sfu link`.
    #[arg(long, conflicts_with = "check_config")]
    pub show_link: bool,

    /// Print the viewer's link as a QR code too, even where stdout is no terminal.
    #[arg(long)]
    pub qr: bool,
}

impl Cli {
    /// Whether the links are asked for, and nothing else.
    pub fn asks_for_links(&self) -> bool {
        self.show_link || matches!(self.command, Some(Command::Link { .. }))
    }

    /// Whether the link is asked for that drives.
    pub fn asks_to_drive(&self) -> bool {
        matches!(self.command, Some(Command::Link { drive: true }))
    }

    /// Understands a command line, its first word the program. The settings may
    /// stand before `doctor` and behind it.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command().mut_args(|arg| match arg.get_id().as_str() {
            "check_config" | "show_link" => arg,
            _ => arg.global(true),
        });
        let matches = command.try_get_matches_from_mut(words)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// What to do instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print the links of the running server again, with their tokens: to watch, and
    /// for agents to publish.
    Link {
        /// Print the link that drives the robot instead: who has it may move the wheels. Several
        /// who do ask each other for the lease; one who takes it unasked needs a `[[token]]` with
        /// scopes = ["watch", "drive", "admin"] in transom-sfu.toml.
        #[arg(long)]
        drive: bool,
    },

    /// Look for what is wrong, and say what mends it.
    ///
    /// Checks the configuration, the tokens and their file, the ports (and who holds them),
    /// the certificate, the addresses that clients are told, and what the machine
    /// has to give. Nothing is changed; a server may run meanwhile. Run it as the
    /// user that the server runs as. The status is 0 if all is well or there are
    /// warnings only, 1 if something is wrong, 2 for a slip on the command line.
    Doctor(DoctorOptions),
}

/// How the doctor examines and reports.
#[derive(Clone, Debug, Default, Args)]
pub struct DoctorOptions {
    /// One JSON object in place of lines for people.
    #[arg(long)]
    pub json: bool,

    /// A certificate to examine (PEM, its chain behind it), such as one that a
    /// proxy before this server uses.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,

    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,

    /// The name that the certificate must be for [default: that of public_url].
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  transom-sfu
      Serve this machine; open the printed link.
  transom-sfu --lan
      Serve the phones on the network too; point one's camera at the printed QR code.
  transom-sfu --listen 192.168.1.5 --tls-cert fullchain.pem --tls-key privkey.pem
      Serve one address by HTTPS, with a certificate from elsewhere.
  transom-sfu --interface 'wlan*' --advertise 203.0.113.7
      Offer the wireless addresses and that of the router that forwards UDP port 7082.
  transom-sfu --config /etc/transom/transom-sfu.toml --check-config
      See what a configuration means before a restart.
  transom-sfu link --qr
      Print the links again, for viewers and agents, and the QR code.

  transom-sfu doctor
      Look for what is wrong, and say what mends it.";

/// An error of the command line in one line: what is wrong and the tip.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let told = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let told = told.collect::<Vec<_>>().join("; ");
    let told = told.strip_prefix("error: ").unwrap_or(&told);
    format!("{told} (--help shows all flags)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_may_stand_on_either_side_of_doctor() {
        let read = |words: &[&str]| Cli::read(words.iter().map(OsString::from)).unwrap();
        let before = read(&["transom-sfu", "--udp-port", "9", "doctor", "--json"]);
        let behind = read(&["transom-sfu", "doctor", "--json", "--udp-port", "9"]);
        for cli in [before, behind] {
            assert_eq!(cli.udp_port, Some(9));
            let Some(Command::Doctor(options)) = cli.command else {
                panic!("no doctor");
            };
            assert!(options.json);
        }
        let odd = ["transom-sfu", "doctor", "--show-link"].map(OsString::from);
        assert!(Cli::read(odd).is_err());
    }

    #[test]
    fn the_flags_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn links_are_asked_for_in_two_ways_and_the_flags_may_follow() {
        let cli = |args: &[&str]| {
            let words = [&["transom-sfu"], args].concat();
            Cli::read(words.into_iter().map(OsString::from)).unwrap()
        };
        assert!(cli(&["--show-link"]).asks_for_links());
        let link = cli(&["link", "--qr", "--state-dir", "/x"]);
        assert!(link.asks_for_links() && link.qr && link.state_dir.is_some());
        assert!(!link.asks_to_drive());
        let drive = cli(&["link", "--drive"]);
        assert!(drive.asks_for_links() && drive.asks_to_drive());
        assert!(!cli(&["--lan", "--qr"]).asks_for_links());
    }

    #[test]
    fn the_help_teaches_the_way_to_a_phone() {
        let help = Cli::command().render_long_help().to_string();
        for word in ["--lan", "QR code", "--tls-cert", "fingerprint"] {
            assert!(help.contains(word), "{word}");
        }
        assert!(help.contains("info,transom_sfu::media=debug"), "{help}");
    }

    #[test]
    fn a_wrong_address_is_explained() {
        let error = Cli::try_parse_from(["transom-sfu", "--advertise", "example.org"]).unwrap_err();
        assert!(error.to_string().contains("203.0.113.7"), "{error}");
    }

    #[test]
    fn slips_are_told_in_one_line_with_the_mend() {
        let told = |args: &[&str]| {
            let args = [&["transom-sfu"], args].concat();
            let line = one_line(&Cli::try_parse_from(args).unwrap_err());
            assert!(!line.contains('\n') && !line.starts_with("error"), "{line}");
            line
        };
        assert!(told(&["--htpp", "x"]).contains("--http"));
        assert!(told(&["--udp-port", "many"]).contains("--udp-port"));
        assert!(told(&["--advertise", "example.org"]).contains("203.0.113.7"));
        assert!(told(&["--listen", "raspberrypi"]).contains("0.0.0.0:8443"));
        assert!(told(&["--show-link", "--check-config"]).contains("--check-config"));
    }
}
