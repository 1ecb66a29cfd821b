//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::board::BoardOptions;
use crate::config::{
    Bitrate, EncoderName, Fingerprint, Format, MetricsAddr, Size, SpeakerDevice, TalkUrl, Token,
    WhipUrl,
};
use crate::feed::{AudioSource, VideoSource};
use crate::record::LogOptions;

const EXAMPLES: &str = "\
Examples:
  transom-agent --whip http://127.0.0.1:7080/whip/front --token TOKEN
      publish a made picture and sound, to see that everything works
  TRANSOM_AGENT_WHIP='https://192.168.1.5:8443/whip/front#token=TOKEN&fp=sha256:...' transom-agent
      the same to another machine, by the link that transom-sfu --lan prints there
  transom-agent --whip URL --source v4l2:/dev/video0 --audio alsa:default
      publish a camera and its microphone; either may come and go
  transom-agent --whip URL --source file:clip.mp4 --audio none
      publish a recording (H.264 without B-frames), looped
  transom-agent --config transom-agent.toml --check-config
      check a file and see what would be done
  transom-agent doctor --whip URL --source v4l2:/dev/video0
      look for what is wrong, and say what mends it
  transom-agent sound --speaker alsa:default --audio alsa:default
      list the sound cards, play the chime, and show what the microphone hears
  transom-agent board
      what is wired on this board, and which GPIO lines there are
  transom-agent log show --since 1h
      what happened in the last hour: who drove, what stopped it

The file holds the same settings:
  whip = \"http://127.0.0.1:7080/whip/front\"
  token = \"TOKEN\"
  fingerprint = \"sha256:...\"  # of the server's certificate, if no authority signed it
  log = \"info\"             # or \"info,transom_agent::publisher=debug\"
  metrics = \"127.0.0.1:9101\"  # figures for Prometheus; off by default
  metrics_hosts = [\"robot.example\"]  # names it may be asked by, besides the host's own
  [video]
  source = \"test\"          # or \"file:PATH\", \"v4l2:/dev/video0\", \"csi\"
  size = \"640x480\"
  fps = 30
  bitrate = \"1500k\"
  min_bitrate = \"150k\"
  format = \"auto\"          # of a camera's frames
  encoder = \"auto\"         # or \"openh264\", \"v4l2:/dev/video11\"
  [video.controls]         # all optional; what the camera lacks is told
  exposure = \"auto\"        # or \"10ms\"
  focus = \"auto\"           # or a number in the camera's units
  hflip = false
  vflip = false
  power_line = \"50Hz\"      # or \"60Hz\", \"auto\", \"off\"
  other = { Brightness = 120 }  # by the driver's own name
  [video.second]           # a second, smaller stream of the same camera
  stream = \"front-low\"     # or whip = \"http://...\"
  size = \"320x240\"
  bitrate = \"250k\"
  [audio]
  source = \"test\"          # or \"file:PATH.wav\", \"alsa:default\", \"none\"
  bitrate = \"32k\"
  speaker = \"none\"         # or \"alsa:default\": plays the chime and who talks back
  chime = \"ding.wav\"       # in place of two tones
  talk = \"http://127.0.0.1:7080/whep/front-talk\"  # who publishes it is heard
  [control]
  board = \"none\"           # or \"auto\", \"raspberry-pi-5\", a board file of your own, \"sim\"
  limit_ms = 300           # without a command that fresh it stops
  [record]
  dir = \"record\"           # what happens is written down there; off by default
  max_mb = 64              # the oldest goes
  [bell]
  run = [\"/usr/local/bin/ring\", \"door\"]  # told of each ring of the board's button

With a board, the process `transom-agent actuator` owns the output lines; the agent starts it.";

/// Captures camera and microphone and publishes them by WHIP.
///
/// Flags win over the environment, the environment over the file, the file
/// over the defaults. A device that is absent is waited for; a server that is
/// away is tried again for ever.
#[derive(Clone, Debug, Parser)]
#[command(name = "transom-agent", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do besides publishing.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The TOML file [default: transom-agent.toml here, then in /etc/transom]
    #[arg(long, value_name = "FILE", env = "TRANSOM_AGENT_CONFIG")]
    pub config: Option<PathBuf>,

    /// Where to publish, such as http://HOST:7080/whip/NAME, or the whole link that
    /// transom-sfu printed, token and fingerprint in it; better in the environment
    #[arg(
        long,
        value_name = "URL",
        env = "TRANSOM_AGENT_WHIP",
        hide_env_values = true
    )]
    pub whip: Option<WhipUrl>,

    /// The token for publishing; better in the environment or the file, since
    /// flags are seen in the list of processes
    #[arg(
        long,
        value_name = "TOKEN",
        env = "TRANSOM_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<Token>,

    /// The SHA-256 fingerprint of the server's certificate, over https: that one is
    /// trusted and no other [default: what public authorities signed]
    #[arg(long, value_name = "SHA256", env = "TRANSOM_AGENT_FINGERPRINT")]
    pub fingerprint: Option<Fingerprint>,

    /// Where pictures come from: test, file:PATH, v4l2:/dev/videoN, or csi (csi:1 for
    /// the second one) through rpicam-vid [default: test]
    #[arg(long, value_name = "SOURCE", env = "TRANSOM_AGENT_SOURCE")]
    pub source: Option<VideoSource>,

    /// Where sound comes from: test, file:PATH.wav, alsa:DEVICE or none [default: test]
    #[arg(long, value_name = "SOUND", env = "TRANSOM_AGENT_AUDIO")]
    pub audio: Option<AudioSource>,

    /// Where the chime and who talks back are heard: alsa:DEVICE or none [default: none]
    #[arg(long, value_name = "SPEAKER", env = "TRANSOM_AGENT_SPEAKER")]
    pub speaker: Option<SpeakerDevice>,

    /// A stream to hear by the speaker: who publishes it talks back. Such as
    /// http://HOST:7080/whep/NAME-talk; a token that may watch it behind #token=, if
    /// ours may not
    #[arg(
        long,
        value_name = "URL",
        env = "TRANSOM_AGENT_TALK",
        hide_env_values = true
    )]
    pub talk: Option<TalkUrl>,

    /// The size of pictures made here; a wish to a camera [default: 640x480]
    #[arg(long, value_name = "WxH", env = "TRANSOM_AGENT_SIZE")]
    pub size: Option<Size>,

    /// Pictures a second, likewise [default: 30]
    #[arg(long, value_name = "N", env = "TRANSOM_AGENT_FPS")]
    pub fps: Option<u32>,

    /// In which form a camera's frames are wanted: auto, h264, mjpeg, i420, nv12, yuyv,
    /// or raw for any but h264 [default: auto]
    #[arg(long, value_name = "FORMAT", env = "TRANSOM_AGENT_FORMAT")]
    pub format: Option<Format>,

    /// What encodes: auto (hardware where it works, else openh264), openh264, or
    /// v4l2:/dev/videoN [default: auto]
    #[arg(long, value_name = "ENCODER", env = "TRANSOM_AGENT_ENCODER")]
    pub encoder: Option<EncoderName>,

    /// Bits a second of the picture at most; less where packets are lost [default: 1500k]
    #[arg(long, value_name = "RATE", env = "TRANSOM_AGENT_BITRATE")]
    pub bitrate: Option<Bitrate>,

    /// Bits a second of the picture at least [default: 150k]
    #[arg(long, value_name = "RATE", env = "TRANSOM_AGENT_MIN_BITRATE")]
    pub min_bitrate: Option<Bitrate>,

    /// Bits a second of the sound [default: 32k]
    #[arg(long, value_name = "RATE", env = "TRANSOM_AGENT_AUDIO_BITRATE")]
    pub audio_bitrate: Option<Bitrate>,

    /// off, error, warn, info, debug or trace [default: info]; and other levels for
    /// modules, such as info,transom_agent::publisher=debug, which then stand in each
    /// line: transom_agent::publisher (sessions), ::feed, ::source (cameras), ::encode,
    /// ::sound, ::talk, ::control (actuator); transom_rtc_tokio (WHIP, ICE), transom_rtc_dtls and
    /// dtls (handshakes), sctp_proto (data channels)
    #[arg(long, value_name = "FILTER", env = "TRANSOM_AGENT_LOG")]
    pub log: Option<String>,

    /// Serve figures for Prometheus at http://ADDR:PORT/metrics, to this machine
    /// without a token, such as 127.0.0.1:9101; to this machine alone also a still
    /// picture at /snapshot.jpg [default: off]
    #[arg(long, value_name = "ADDR:PORT", env = "TRANSOM_AGENT_METRICS")]
    pub metrics: Option<MetricsAddr>,

    /// Print the effective configuration, each value with its origin, and end
    #[arg(long)]
    pub check_config: bool,
}

impl Cli {
    /// Understands a command line, its first word the program. The settings may
    /// stand before `doctor` and behind it.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let words: Vec<OsString> = words.into_iter().collect();
        // Behind `log` it is a format of its own.
        let of_log = words.iter().any(|word| word == "log");
        let mut command = Self::command().mut_args(|arg| match arg.get_id().as_str() {
            "check_config" => arg,
            "format" if of_log => arg,
            _ => arg.global(true),
        });
        let matches = command.try_get_matches_from_mut(words)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// What to do besides publishing.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Look for what is wrong, and say what mends it.
    ///
    /// Checks the configuration, the way to the server (name, TCP, TLS, HTTP, the
    /// token, UDP), clocks, camera, sound, whether the encoder keeps up, the robot's
    /// board, its priority and its limit, and the port for figures. Who
    /// publishes meanwhile is not disturbed; a camera in use is only asked who
    /// uses it, and no output line is touched. The status is 0 if all is well or there are warnings only, 1 if
    /// something is wrong, 2 for a slip on the command line.
    Doctor(DoctorOptions),
    /// List the sound cards, play the chime and show what the microphone hears.
    ///
    /// Tries the speaker and the microphone that are configured, or else ALSA's
    /// `default`. No server is needed. The status is 0 if both work.
    Sound,
    /// Tell what a board file has and which GPIO lines there are; `board test` switches one output.
    ///
    /// A board file says which line is the button, the lock, the wheels: one of those that the agent
    /// brings along, or your own (`--print` prints one to begin with). `board = "auto"` in `[control]`
    /// of transom-agent.toml takes the one for this machine.
    Board(BoardOptions),
    /// Make the outputs of the configured board safe, once, and end.
    ///
    /// For after an agent and its actuator that were killed: systemd's unit does it (ExecStopPost=). An actuator
    /// that lives is let be: it is waited for, and after three seconds the status is 1. It is 0 if all is safe, or
    /// if nothing is wired.
    MakeSafe,
    /// Tell what happened: commands, stops and why, the actuator's ends, latencies; or export it.
    ///
    /// The agent writes it down where `[record]` of transom-agent.toml says; it may run meanwhile. Times are UTC.
    /// `seq` is each entry's number, so that what is missing shows. docs/record.md explains the fields.
    Log(LogOptions),
}

/// How the doctor reports.
#[derive(Clone, Debug, Default, Args)]
pub struct DoctorOptions {
    /// One JSON object in place of lines for people.
    #[arg(long)]
    pub json: bool,
}

/// An error of the command line in one line: what is wrong and the tip, without
/// what may be a secret with a slip in it.
pub fn one_line(error: &clap::Error) -> String {
    let text = without_secret(error);
    let told: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let told = told.join("; ");
    let told = told.strip_prefix("error: ").unwrap_or(&told);
    format!("{told} (--help shows all flags)")
}

/// The error's text; it quotes the value that was refused.
fn without_secret(error: &clap::Error) -> String {
    let text = error.to_string();
    let of = |kind| match error.get(kind) {
        Some(ContextValue::String(value)) => value.as_str(),
        _ => "",
    };
    let (flag, value) = (of(ContextKind::InvalidArg), of(ContextKind::InvalidValue));
    let shown = match value.split_once('#') {
        _ if value.is_empty() => return text,
        _ if flag.starts_with("--token") => "..",
        Some((address, _)) if flag.starts_with("--whip") || flag.starts_with("--talk") => address,
        // user:password@
        None if (flag.starts_with("--whip") || flag.starts_with("--talk"))
            && value.contains('@') =>
        {
            ".."
        }
        _ => return text,
    };
    text.replace(value, shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_may_stand_on_either_side_of_doctor() {
        let read =
            |words: &[&str]| Cli::read(words.iter().map(OsString::from)).expect("a command line");
        let before = read(&["transom-agent", "--fps", "9", "doctor", "--json"]);
        let behind = read(&["transom-agent", "doctor", "--json", "--fps", "9"]);
        for cli in [before, behind] {
            assert_eq!(cli.fps, Some(9));
            assert!(matches!(cli.command, Some(Command::Doctor(o)) if o.json));
        }
        for format in ["csv", "mcap"] {
            let log = ["transom-agent", "log", "export", "--format", format];
            let log = read(&[log.as_slice(), &["-o", "a", "--config", "b"]].concat());
            assert!(matches!(log.command, Some(Command::Log(_))) && log.format.is_none());
        }
        let odd = ["transom-agent", "doctor", "--check-config"].map(OsString::from);
        assert!(Cli::read(odd).is_err());
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_teaches_and_shows_no_secret() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("Examples:") && help.contains("v4l2:/dev/video0"));
        assert!(help.contains("TRANSOM_TOKEN"));
        assert!(help.contains("info,transom_agent::publisher=debug"));
    }

    #[test]
    fn slips_are_told_in_one_line_with_the_mend() {
        let told = |args: &[&str]| {
            let args = ["transom-agent"].iter().chain(args);
            let line = one_line(&Cli::try_parse_from(args).expect_err("a slip"));
            assert!(!line.contains('\n'), "{line}");
            println!("{line}");
            line
        };
        assert!(told(&["--size", "big"]).contains("640x480"));
        assert!(told(&["--sorce", "test"]).contains("--source"));
        assert!(told(&["--source", "camera"]).contains("v4l2:/dev/videoN"));
        assert!(told(&["--fps", "many"]).contains("--fps"));
        assert!(told(&["--whip"]).contains("--whip"));
        assert!(told(&["--fingerprint", "12:34"]).contains("64 hexadecimal"));
        let secrets: [&[&str]; 5] = [
            &["--whip", "https://a/whip/b#token=hush&fp=sha256:0"],
            &["--whip", "a#token=hush"],
            &["--whip", "http://me:hush@a/whip/b"],
            &["--token", "hush hush"],
            &["--token=hush hush"],
        ];
        for args in secrets {
            assert!(!told(args).contains("hush"), "{args:?}");
        }
    }
}
