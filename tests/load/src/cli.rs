use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::churn::ChurnConfig;
use crate::cipher::CipherKind;
use crate::floor::FloorConfig;
use crate::rogue::Rogue;
use crate::run::{RunConfig, Target};
use crate::schedule::PublisherKind;

/// Load for any WHIP and WHEP server: one publisher with real ICE, DTLS and
/// SRTP, and many subscribers that cost little, so that what is measured is the
/// server.
///
/// Subscribers count packets by their clear headers and open one in 64; they
/// answer with receiver reports, transport-wide feedback where the server takes
/// it, NACKs for what --loss drops, and STUN consent. Their sockets never
/// coalesce (no UDP_GRO): every datagram that is counted was one.
#[derive(Clone, Debug, Parser)]
#[command(name = "transom-load", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    /// Load a server and tell what it took
    Run(Run),
    /// Join and leave, again and again, and see whether the server's memory grows
    Churn(Churn),
    /// Measure what the machine takes for the same packets without a server:
    /// seal and send, nothing else
    Floor(Floor),
}

#[derive(Clone, Debug, Args)]
struct Server {
    /// Where to publish
    #[arg(long, value_name = "URL")]
    whip: String,
    /// Where to watch
    #[arg(long, value_name = "URL")]
    whep: String,
    /// Bearer token for both
    #[arg(long, allow_hyphen_values = true)]
    token: Option<String>,
    /// Bearer token for publishing, where it is another
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    whip_token: Option<String>,
    /// Bearer token for watching, where it is another
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    whep_token: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    server: Server,
    /// The server's process, whose CPU time and memory are read from /proc; without
    /// it, only what arrives is told
    #[arg(long)]
    pid: Option<u32>,
    #[command(flatten)]
    load: Load,
    /// Percentage of picture packets that subscribers drop and ask for again
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    loss: f64,
    /// So many picture packets in the place of each
    #[arg(long, value_name = "FACTOR", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    times: u16,
    /// More subscribers, that misbehave while it is measured and whose packets do
    /// not count; may be repeated
    #[arg(long, value_enum, value_delimiter = ',')]
    rogue: Vec<Rogue>,
    /// The publisher stays connected but stops sending a second after the last join,
    /// before the warm-up
    #[arg(long)]
    idle: bool,
    /// Shell command to run before the measured time; it is waited for
    #[arg(long, value_name = "COMMAND")]
    at_start: Option<String>,
    /// Shell command to run after it
    #[arg(long, value_name = "COMMAND")]
    at_end: Option<String>,
    /// Seconds between the last join and the measurement
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    warmup: f64,
    /// Seconds measured
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    seconds: f64,
    /// Print key=value lines
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Churn {
    #[command(flatten)]
    server: Server,
    /// The server's process, whose memory, threads and open files are read from /proc
    #[arg(long)]
    pid: u32,
    /// Subscribers that join, get media and leave
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    cycles: usize,
    /// How many of them at a time
    #[arg(long, value_name = "N", default_value_t = 20)]
    at_once: usize,
    /// How the publisher sends
    #[arg(long, value_enum, default_value_t = PublisherKind::Burst)]
    publisher: PublisherKind,
    /// SRTP profiles that the subscribers offer
    #[arg(long, value_enum, default_value_t = CipherKind::Gcm)]
    cipher: CipherKind,
    /// Print key=value lines
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Floor {
    #[command(flatten)]
    load: Load,
    /// Seconds of each run
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
    /// How often; the median is told
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Print key=value lines
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Clone, Copy, Debug, Args)]
struct Load {
    /// Subscribers
    #[arg(short, long, value_name = "N", default_value_t = 100)]
    n: usize,
    /// How the publisher sends
    #[arg(long, value_enum, default_value_t = PublisherKind::Burst)]
    publisher: PublisherKind,
    /// SRTP profiles that the subscribers offer
    #[arg(long, value_enum, default_value_t = CipherKind::Gcm)]
    cipher: CipherKind,
}

impl Server {
    fn target(&self) -> Target {
        let or_both = |own: &Option<String>| own.clone().or_else(|| self.token.clone());
        Target {
            whip: self.whip.clone(),
            whep: self.whep.clone(),
            whip_token: or_both(&self.whip_token),
            whep_token: or_both(&self.whep_token),
        }
    }
}

impl Run {
    pub(crate) fn config(&self) -> RunConfig {
        RunConfig {
            target: self.server.target(),
            pid: self.pid,
            subscribers: self.load.n,
            rogues: self.rogue.clone(),
            publisher: self.load.publisher,
            times: self.times.into(),
            cipher: self.load.cipher,
            loss_percent: self.loss,
            idle: self.idle,
            warmup: seconds(self.warmup),
            measure: seconds(self.seconds),
            at_start: self.at_start.clone(),
            at_end: self.at_end.clone(),
        }
    }
}

impl Churn {
    pub(crate) fn config(&self) -> ChurnConfig {
        ChurnConfig {
            target: self.server.target(),
            pid: self.pid,
            cycles: self.cycles,
            at_once: self.at_once.max(1),
            publisher: self.publisher,
            cipher: self.cipher,
        }
    }
}

impl Floor {
    pub(crate) fn config(&self) -> FloorConfig {
        FloorConfig {
            subscribers: self.load.n,
            publisher: self.load.publisher,
            cipher: self.load.cipher,
            measure: seconds(self.seconds),
            runs: self.runs,
        }
    }
}

fn seconds(s: f64) -> Duration {
    Duration::try_from_secs_f64(s).unwrap_or_default()
}

const EXAMPLES: &str = "\
Examples:
  transom-load run --whip http://127.0.0.1:7080/whip/door --whep http://127.0.0.1:7080/whep/door \\
      --whip-token PUBLISH --whep-token WATCH --pid $(pidof transom-sfu) -n 100
      Our server; the tokens are in its state folder's secrets.toml.
  transom-load run --whip 'http://127.0.0.1:1985/rtc/v1/whip/?app=live&stream=door' \\
      --whep 'http://127.0.0.1:1985/rtc/v1/whep/?app=live&stream=door' \\
      --pid $(pidof srs) --cipher cm --loss 2
      SRS, whose subscribers lose 2 % of the picture and ask for it again.
  transom-load floor -n 100 --publisher paced --cipher gcm
      What the machine itself takes.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_token_may_begin_like_an_option() {
        let line =
            "transom-load run --whip http://a/ --whep http://b/ --token -Zt --whep-token --n";
        let cli = Cli::try_parse_from(line.split(' ')).expect("parses");
        let What::Run(run) = cli.what else {
            panic!("another command");
        };
        let target = run.config().target;
        assert_eq!(target.whip_token.as_deref(), Some("-Zt"));
        assert_eq!(target.whep_token.as_deref(), Some("--n"));
    }

    #[test]
    fn one_token_serves_both_and_its_own_wins() {
        let line = "transom-load run --whip http://a/ --whep http://b/ --token t --whep-token w";
        let cli = Cli::try_parse_from(line.split(' ')).expect("parses");
        let What::Run(run) = cli.what else {
            panic!("another command");
        };
        let config = run.config();
        assert_eq!(config.target.whip_token.as_deref(), Some("t"));
        assert_eq!(config.target.whep_token.as_deref(), Some("w"));
    }
}
