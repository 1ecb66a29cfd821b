//! What the agent is to do: flags over environment over file over defaults.

mod control;
mod file;
mod limits;
mod record;
mod talk;
mod value;
mod video;
mod whip;

use std::fmt;
use std::path::{Path, PathBuf};

pub use control::{ControlConfig, ControlError};
pub use file::FileError;
pub use record::RecordError;
pub use talk::TalkUrl;
pub use value::{
    Bitrate, EncoderName, Format, MetricsAddr, Size, SpeakerDevice, Token, ValueError,
};
pub use video::{SecondError, SecondStream};
pub use whip::{Fingerprint, WhipUrl};

use crate::actuator::ActuatorConfig;
use crate::bell::{BellButton, BellConfig, Hook, HookError};
use crate::cli::Cli;
use crate::feed::{AudioSource, FeedConfig, VideoSource};
use crate::logging;
use crate::metrics::HostName;
use crate::rate::RateConfig;
use crate::record::RecordConfig;
use crate::sound::play::PlayConfig;
use file::File;
use transom_boards_hal::{CameraControls, FrameSize};
use transom_rtc_telemetry::LogFilterError;
use transom_rtc_tokio::client::{EndpointConfig, Trust};

/// Looked for, in this order, where no `--config` is given.
pub(crate) const PLACES: [&str; 2] = ["transom-agent.toml", "/etc/transom/transom-agent.toml"];

/// Stands in for what nobody said; RFC 6761 section 6.4: never a host.
const NO_SERVER: &str = "https://nowhere.invalid/whip/none";

/// The effective configuration, each value with where it comes from.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that was read, where there is one.
    pub file: Option<PathBuf>,
    /// Where to publish.
    pub whip: Setting<WhipUrl>,
    /// The secret to publish with; none is sent where it is absent.
    pub token: Option<Setting<Token>>,
    /// The certificate by which the server is known; where it is absent, by
    /// public authorities.
    pub fingerprint: Option<Setting<Fingerprint>>,
    /// What to log.
    pub log: Setting<String>,
    /// Where figures are served, if anywhere.
    pub metrics: Option<Setting<MetricsAddr>>,
    /// Whether that may be an address that others reach; the file alone says it.
    pub metrics_open: bool,
    /// Names of this machine, besides its own, that figures may be asked for under; likewise.
    pub metrics_hosts: Vec<HostName>,
    /// Where pictures come from.
    pub source: Setting<VideoSource>,
    /// The size of pictures.
    pub size: Setting<Size>,
    /// Pictures a second.
    pub fps: Setting<u32>,
    /// In which form a camera's frames are wanted.
    pub format: Setting<Format>,
    /// What encodes them.
    pub encoder: Setting<EncoderName>,
    /// What is set on a camera; the file alone says it.
    pub controls: CameraControls,
    /// A second stream; the file alone says it.
    pub second: Option<SecondStream>,
    /// What the picture may use at most.
    pub bitrate: Setting<Bitrate>,
    /// What the picture uses at least, however much is lost.
    pub min_bitrate: Setting<Bitrate>,
    /// Where sound comes from.
    pub audio: Setting<AudioSource>,
    /// What the sound uses.
    pub audio_bitrate: Setting<Bitrate>,
    /// Where the chime and who talks back are heard.
    pub speaker: Setting<SpeakerDevice>,
    /// A WAV file as the chime; the file alone says it.
    pub chime: Option<PathBuf>,
    /// Whom the speaker lets be heard.
    pub talk: Option<Setting<TalkUrl>>,
    /// What is wired and driven, if anything; the file alone says it.
    pub control: ControlConfig,
    /// What rings; likewise.
    pub bell: BellConfig,
    /// Where what happens is written down, if anywhere; likewise.
    pub record: Option<RecordConfig>,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a value comes from; the first wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag or a variable of the environment.
    CommandLine,
    /// The file.
    File,
    /// The board file.
    Board,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommandLine => "flag or environment",
            Self::File => "file",
            Self::Board => "board file",
            Self::Default => "default",
        })
    }
}

/// Why there is no configuration. Each text is one line and names the mend.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Nobody said where to publish.
    #[error(
        "no WHIP address: give --whip http://HOST:7080/whip/NAME or write whip = \"...\" into transom-agent.toml (`transom-sfu link` on the server prints it)"
    )]
    NoWhip,
    /// The log filter cannot be read.
    #[error(transparent)]
    Log(#[from] LogFilterError),
    /// Figures would be for everybody.
    #[error(
        "metrics on {0} could be read by anybody on the network: choose 127.0.0.1:PORT, or allow it by `metrics_open = true` in transom-agent.toml"
    )]
    MetricsOpen(MetricsAddr),
    /// A certificate is to be known, and there is none over http.
    #[error(
        "fingerprint: {0} is plain http, which has no certificate: write https://, or leave the fingerprint out"
    )]
    FingerprintOverHttp(WhipUrl),
    /// A rate of pictures that makes no sense.
    #[error("fps {0}: choose 1 to 120")]
    Fps(u32),
    /// A bitrate that makes no sense.
    #[error("bitrate {0}: choose 50k to 50M")]
    Bitrate(Bitrate),
    /// The least is more than the most.
    #[error("min_bitrate {min} is above bitrate {max}: lower it, or raise the bitrate")]
    Bounds {
        /// The least.
        min: Bitrate,
        /// The most.
        max: Bitrate,
    },
    /// Who talks back would not be heard.
    #[error("talk: there is no speaker to hear it by: set --speaker alsa:default too")]
    TalkWithoutSpeaker,
    /// The second stream makes no sense.
    #[error(transparent)]
    Second(#[from] SecondError),
    /// The file with the token cannot be read.
    #[error(
        "token_file {}: {source}: run this as the agent's user (`sudo -u transom-agent transom-agent doctor`), or correct the path", path.display()
    )]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file with the token holds something else.
    #[error("token_file {}: {source}", path.display())]
    TokenFileContent {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ValueError,
    },
    /// What is to be driven makes no sense.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The program that is to be told of rings is none.
    #[error(transparent)]
    Bell(#[from] HookError),
    /// The board file's camera or sound is none.
    #[error("{key} of the board file: {told}")]
    BoardNames {
        /// Which of them.
        key: &'static str,
        /// What is wrong.
        told: String,
    },
    /// The log of what happened cannot be so.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A bitrate Opus does not have.
    #[error("audio bitrate {0}: choose 6k to 510k")]
    AudioBitrate(Bitrate),
}

/// The configuration file: the one named, or that of the first place which has one.
fn place(cli: &Cli) -> Option<PathBuf> {
    let named = cli.config.clone();
    named.or_else(|| PLACES.iter().map(PathBuf::from).find(|path| path.exists()))
}

impl Config {
    /// Reads the file, if there is one, and puts the flags over it.
    pub fn load(cli: Cli) -> Result<Self, ConfigError> {
        let path = place(&cli);
        let file = path
            .as_deref()
            .map_or_else(|| Ok(File::default()), File::read)?;
        Self::layer(cli, file, path.as_deref())
    }

    /// The same for the doctor: every mistake, and the configuration as far as
    /// it can be understood. Where that leaves no address to publish to, it
    /// [has no server](Self::has_server).
    pub fn examine(mut cli: Cli) -> (Option<Self>, Vec<ConfigError>) {
        let path = place(&cli);
        let (file, mistakes) = path
            .as_deref()
            .map_or_else(|| (Some(File::default()), Vec::new()), File::examine);
        let mut mistakes: Vec<_> = mistakes.into_iter().map(ConfigError::from).collect();
        let file = file.map(|mut file| {
            if cli.whip.is_none() && file.whip.is_none() {
                // One that is a mistake is told as such.
                if mistakes.is_empty() {
                    mistakes.push(ConfigError::NoWhip);
                }
                cli.whip = NO_SERVER.parse().ok();
            }
            // What else there is can be looked at all the same.
            if let Err(mistake) = file.control.clone().check() {
                mistakes.push(mistake.into());
                file.control = Default::default();
            }
            file
        });
        let config = match file.map(|file| Self::assemble(cli, file, path.as_deref())) {
            Some(Ok(config)) => {
                mistakes.extend(config.problems());
                Some(config)
            }
            Some(Err(mistake)) => {
                mistakes.push(mistake);
                None
            }
            None => None,
        };
        (config, mistakes)
    }

    /// What has outputs, whatever is wrong with all else: for who makes them safe
    /// when the service is gone, and with it the token.
    ///
    /// # Errors
    /// What is wrong, where that may be what hides the outputs.
    pub fn outputs(cli: &Cli) -> Result<Option<ActuatorConfig>, Vec<ConfigError>> {
        let Some(path) = place(cli) else {
            return Ok(None);
        };
        let (file, mistakes) = File::examine(&path);
        let control = file.unwrap_or_default().control.check();
        let wired = control.map_err(|mistake| vec![mistake.into()])?.actuator;
        match wired {
            None if !mistakes.is_empty() => {
                Err(mistakes.into_iter().map(ConfigError::from).collect())
            }
            wired => Ok(wired),
        }
    }

    /// Where what happened is written down, whatever is wrong with all else: for who reads it,
    /// and may know no token.
    ///
    /// # Errors
    /// What is wrong, where that may be what hides it.
    pub fn record_dir(cli: &Cli) -> Result<Option<PathBuf>, Vec<ConfigError>> {
        let Some(path) = place(cli) else {
            return Ok(None);
        };
        let (file, mistakes) = File::examine(&path);
        match file.and_then(|file| file.record.dir) {
            None if !mistakes.is_empty() => {
                Err(mistakes.into_iter().map(ConfigError::from).collect())
            }
            dir => Ok(dir),
        }
    }

    fn layer(cli: Cli, file: File, path: Option<&Path>) -> Result<Self, ConfigError> {
        let config = Self::assemble(cli, file, path)?;
        match config.problems().into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(config),
        }
    }

    /// Layered, and not yet checked.
    fn assemble(cli: Cli, file: File, path: Option<&Path>) -> Result<Self, ConfigError> {
        let bitrate = pick(
            cli.bitrate,
            file.video.bitrate,
            Bitrate::from_bps(1_500_000),
        );
        let default_min = Bitrate::from_bps(150_000.min(bitrate.value.bps()));
        // A pairing link tells what its own layer does not say otherwise.
        let token = |said: Option<Token>, whip: &Option<WhipUrl>| {
            said.or_else(|| whip.as_ref().and_then(WhipUrl::token))
        };
        let fingerprint = |said: Option<Fingerprint>, whip: &Option<WhipUrl>| {
            said.or_else(|| whip.as_ref().and_then(WhipUrl::fingerprint))
        };
        let whip = choose(cli.whip.clone(), file.whip.clone()).ok_or(ConfigError::NoWhip)?;
        let fps = pick(cli.fps, file.video.fps, 30);
        let second = file.video.second;
        let second = second.map(|second| second.check(&whip.value, fps.value));
        let control = file.control.check()?;
        let wiring = control.wiring.as_ref();
        let camera = wiring.and_then(|wiring| wiring.camera.as_ref());
        let camera = camera.map(|camera| named("[camera] source", &camera.source));
        let sound = wiring.and_then(|wiring| wiring.sound.as_ref());
        let sound = sound.map(|sound| named("[sound] source", &sound.source));
        let said = choose(token(cli.token, &cli.whip), token(file.token, &file.whip));
        let config = Self {
            file: path.map(Path::to_owned),
            token: match (said, &file.token_file) {
                (None, Some(path)) => token_in(path)?,
                (said, _) => said,
            },
            fingerprint: choose(
                fingerprint(cli.fingerprint, &cli.whip),
                fingerprint(file.fingerprint, &file.whip),
            ),
            whip,
            log: pick(cli.log, file.log, "info".to_owned()),
            metrics: choose(cli.metrics, file.metrics),
            metrics_open: file.metrics_open,
            metrics_hosts: file.metrics_hosts,
            source: or_board(cli.source, file.video.source, camera, VideoSource::Test)?,
            size: pick(cli.size, file.video.size, Size(FrameSize::new(640, 480))),
            fps,
            format: pick(cli.format, file.video.format, Format::default()),
            encoder: pick(cli.encoder, file.video.encoder, EncoderName::default()),
            controls: file.video.controls.into(),
            second: second.transpose()?,
            bitrate,
            min_bitrate: pick(cli.min_bitrate, file.video.min_bitrate, default_min),
            audio: or_board(cli.audio, file.audio.source, sound, AudioSource::Test)?,
            audio_bitrate: pick(
                cli.audio_bitrate,
                file.audio.bitrate,
                Bitrate::from_bps(32_000),
            ),
            speaker: pick(cli.speaker, file.audio.speaker, SpeakerDevice::None),
            chime: file.audio.chime,
            talk: choose(cli.talk, file.audio.talk),
            bell: BellConfig {
                button: wiring
                    .filter(|wiring| wiring.button.is_some())
                    .map(|wiring| {
                        let wiring = wiring.clone();
                        BellButton { wiring }
                    }),
                run: file.bell.words(),
            },
            control,
            record: file.record.check()?,
        };
        Ok(config)
    }

    /// What makes no sense.
    fn problems(&self) -> Vec<ConfigError> {
        let mut problems = Vec::new();
        problems.extend(logging::check(&self.log.value).err().map(ConfigError::from));
        let metrics = self.metrics.as_ref().map(|metrics| metrics.value);
        if let Some(address) = metrics.filter(|a| !a.is_loopback() && !self.metrics_open) {
            problems.push(ConfigError::MetricsOpen(address));
        }
        let whip = &self.whip.value;
        if self.fingerprint.is_some() && !whip.url().is_https() {
            problems.push(ConfigError::FingerprintOverHttp(whip.clone()));
        }
        if !(1..=120).contains(&self.fps.value) {
            problems.push(ConfigError::Fps(self.fps.value));
        }
        let (min, max) = (self.min_bitrate.value, self.bitrate.value);
        for bitrate in [min, max] {
            if !(50_000..=50_000_000).contains(&bitrate.bps()) {
                problems.push(ConfigError::Bitrate(bitrate));
            }
        }
        if min.bps() > max.bps() {
            problems.push(ConfigError::Bounds { min, max });
        }
        if self.talk.is_some() && self.speaker.value == SpeakerDevice::None {
            problems.push(ConfigError::TalkWithoutSpeaker);
        }
        if let Some(run) = &self.bell.run {
            problems.extend(Hook::check(run).err().map(ConfigError::from));
        }
        if !(6_000..=510_000).contains(&self.audio_bitrate.value.bps()) {
            problems.push(ConfigError::AudioBitrate(self.audio_bitrate.value));
        }
        problems
    }

    /// Whether it says where to publish. Only one that was
    /// [examined](Self::examine) may not.
    pub fn has_server(&self) -> bool {
        self.whip.value.to_string() != NO_SERVER
    }

    /// The WHIP server, and how it is known.
    pub fn endpoint(&self) -> EndpointConfig {
        let token = self.token.as_ref().map(|token| token.value.secret());
        let mut endpoint = EndpointConfig::new(&self.whip.value.to_string(), token);
        if let Some(fingerprint) = &self.fingerprint {
            endpoint.trust = Trust::Fingerprint(fingerprint.value.0);
        }
        endpoint
    }

    /// The stream that is heard on the board, if there is a speaker for it.
    pub fn talk(&self) -> Option<EndpointConfig> {
        let talk = self.talk.as_ref()?;
        Some(talk.value.endpoint(&self.endpoint()))
    }

    /// Where the second stream goes, and within which bounds; the server is
    /// known as the first stream's, if it is the same one.
    pub fn second(&self) -> Option<(EndpointConfig, RateConfig)> {
        let second = self.second.as_ref()?;
        let mut endpoint = self.endpoint();
        let same = second.whip.url().same_origin(self.whip.value.url());
        let token = second.token.as_ref().map(|token| token.secret().to_owned());
        // A token goes to the server that it is for.
        endpoint.token = token.or(endpoint.token.filter(|_| same));
        endpoint.url = second.whip.to_string();
        match second.whip.fingerprint() {
            Some(fingerprint) => endpoint.trust = Trust::Fingerprint(fingerprint.0),
            None if !same => endpoint.trust = EndpointConfig::new("", None).trust,
            None => {}
        }
        let bps = second.config.video_bps;
        let rate = RateConfig {
            min_bps: bps.min(self.min_bitrate.value.bps()).min(50_000),
            max_bps: bps,
            start_bps: bps,
        };
        Some((endpoint, rate))
    }

    /// What to capture.
    pub fn feed(&self) -> FeedConfig {
        FeedConfig {
            video: self.source.value.clone(),
            size: self.size.value.0,
            fps: self.fps.value,
            video_bps: self.bitrate.value.bps(),
            max_video_bps: self.bitrate.value.bps(),
            codec: self.format.value.0,
            controls: self.controls.clone(),
            encoder: self.encoder.value.0.clone(),
            second: self.second.as_ref().map(|second| second.config),
            audio: self.audio.value.clone(),
            audio_bps: self.audio_bitrate.value.bps(),
        }
    }

    /// What is played, and where.
    pub fn play(&self) -> PlayConfig {
        PlayConfig {
            speaker: match &self.speaker.value {
                SpeakerDevice::None => None,
                SpeakerDevice::Alsa(device) => Some(device.clone()),
            },
            chime: self.chime.clone(),
        }
    }

    /// The bounds of the rate controller.
    pub fn rate(&self) -> RateConfig {
        RateConfig {
            min_bps: self.min_bitrate.value.bps(),
            max_bps: self.bitrate.value.bps(),
            start_bps: self.bitrate.value.bps(),
        }
    }

    /// The effective configuration for a human, as `--check-config` prints it.
    pub fn explain(&self) -> String {
        let file = match &self.file {
            Some(path) => format!("the file {}", path.display()),
            None => format!("no file (looked for {})", PLACES.join(" and ")),
        };
        let mut text = format!("The configuration is good. Read: {file}, flags, environment.\n\n");
        let mut line = |name: &str, value: &dyn fmt::Display, origin: Origin, what: &str| {
            // Not every value pads itself.
            let value = value.to_string();
            text.push_str(&format!("{name:<17} = {value:<24} # {what} [{origin}]\n"));
        };
        let whip = &self.whip;
        line("whip", &whip.value, whip.origin, "where to publish");
        match &self.token {
            Some(token) => line(
                "token",
                &token.value,
                token.origin,
                "sent as a Bearer token",
            ),
            None => line("token", &"absent", Origin::Default, "no token is sent"),
        }
        match &self.fingerprint {
            Some(fingerprint) => line(
                "fingerprint",
                &fingerprint.value,
                fingerprint.origin,
                "the server's certificate, and no other",
            ),
            None if whip.value.url().is_https() => line(
                "fingerprint",
                &"absent",
                Origin::Default,
                "a public authority must have signed",
            ),
            None => {}
        }
        let audio = &self.audio;
        let source = &self.source;
        line(
            "video.source",
            &source.value,
            source.origin,
            meaning(&source.value),
        );
        line(
            "video.size",
            &self.size.value,
            self.size.origin,
            "of made pictures; a wish to a camera",
        );
        line(
            "video.fps",
            &self.fps.value,
            self.fps.origin,
            "pictures a second, likewise",
        );
        line(
            "video.format",
            &self.format.value,
            self.format.origin,
            "in which form a camera's frames are wanted",
        );
        line(
            "video.encoder",
            &self.encoder.value,
            self.encoder.origin,
            "auto: hardware where it works, else openh264",
        );
        line(
            "video.bitrate",
            &self.bitrate.value,
            self.bitrate.origin,
            "at most, bits a second",
        );
        line(
            "video.min_bitrate",
            &self.min_bitrate.value,
            self.min_bitrate.origin,
            "at least, however much is lost",
        );
        video::explain(&self.controls, self.second.as_ref(), |name, value, what| {
            line(name, value, Origin::File, what);
        });
        line(
            "audio.source",
            &audio.value,
            audio.origin,
            "test, a WAV file, a card or none",
        );
        line(
            "audio.bitrate",
            &self.audio_bitrate.value,
            self.audio_bitrate.origin,
            "of Opus, bits a second",
        );
        line(
            "audio.speaker",
            &self.speaker.value,
            self.speaker.origin,
            "plays the chime and who talks back",
        );
        if let Some(chime) = &self.chime {
            line(
                "audio.chime",
                &chime.display(),
                Origin::File,
                "in place of the two tones",
            );
        }
        if let Some(talk) = &self.talk {
            line(
                "audio.talk",
                &talk.value,
                talk.origin,
                "who publishes this stream is heard by the speaker",
            );
        }
        let origin = match (&self.control.actuator, &self.control.board) {
            (None, None) => Origin::Default,
            _ => Origin::File,
        };
        control::explain(&self.control, |name, value, what| {
            line(name, value, origin, what);
        });
        if let Some(run) = &self.bell.run {
            line(
                "bell.run",
                &run.join(" "),
                Origin::File,
                "told of each ring",
            );
        }
        record::explain(self.record.as_ref(), |name, value, origin, what| {
            line(name, value, origin, what);
        });
        line("log", &self.log.value, self.log.origin, "to stderr");
        match &self.metrics {
            Some(metrics) => line(
                "metrics",
                &metrics.value,
                metrics.origin,
                "figures for Prometheus, at /metrics",
            ),
            None => line("metrics", &"off", Origin::Default, "no figures are served"),
        }
        if !self.metrics_hosts.is_empty() {
            let names: Vec<String> = self.metrics_hosts.iter().map(ToString::to_string).collect();
            line(
                "metrics_hosts",
                &names.join(" "),
                Origin::File,
                "names besides this machine's own that they are served under",
            );
        }
        text
    }
}

/// The token in a file that somebody else writes, such as systemd; none where there is none (yet).
fn token_in(file: &Path) -> Result<Option<Setting<Token>>, ConfigError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = file.to_owned();
            return Err(ConfigError::TokenFile { path, source });
        }
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let value = text.parse().map_err(|source| {
        let path = file.to_owned();
        ConfigError::TokenFileContent { path, source }
    })?;
    let origin = Origin::File;
    Ok(Some(Setting { value, origin }))
}

fn meaning(source: &VideoSource) -> &'static str {
    match source {
        VideoSource::Test => "a moving picture with a clock, made here",
        VideoSource::File(_) => "a recording, passed through and looped",
        VideoSource::V4l2(_) => "a camera, waited for where it is absent",
        VideoSource::Csi(_) => "a CSI camera, by rpicam-vid",
    }
}

fn choose<T>(flag: Option<T>, file: Option<T>) -> Option<Setting<T>> {
    let set = |origin| move |value| Setting { value, origin };
    flag.map(set(Origin::CommandLine))
        .or_else(|| file.map(set(Origin::File)))
}

fn pick<T>(flag: Option<T>, file: Option<T>, default: T) -> Setting<T> {
    choose(flag, file).unwrap_or(Setting {
        value: default,
        origin: Origin::Default,
    })
}

/// What a board file calls a device.
fn named<T: std::str::FromStr<Err: fmt::Display>>(
    key: &'static str,
    text: &str,
) -> Result<T, ConfigError> {
    text.parse()
        .map_err(|error: T::Err| ConfigError::BoardNames {
            key,
            told: error.to_string(),
        })
}

/// The board's own device where nobody says otherwise.
fn or_board<T>(
    flag: Option<T>,
    file: Option<T>,
    board: Option<Result<T, ConfigError>>,
    default: T,
) -> Result<Setting<T>, ConfigError> {
    match (choose(flag, file), board) {
        (Some(setting), _) => Ok(setting),
        (None, Some(value)) => Ok(Setting {
            value: value?,
            origin: Origin::Board,
        }),
        (None, None) => Ok(pick(None, None, default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn cli(args: &[&str]) -> Cli {
        let args = ["transom-agent"].iter().chain(args);
        Cli::try_parse_from(args).expect("good flags")
    }

    fn file(text: &str) -> File {
        toml::from_str(text).expect("a good file")
    }

    const WHIP: [&str; 2] = ["--whip", "http://127.0.0.1:7080/whip/front"];

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file = file("[video]\nfps = 15\nsize = \"320x240\"\n");
        let flags = cli(&[WHIP[0], WHIP[1], "--fps", "25"]);
        let config = Config::layer(flags, file, None).expect("a configuration");
        assert_eq!(
            (config.fps.value, config.fps.origin),
            (25, Origin::CommandLine)
        );
        assert_eq!(config.size.origin, Origin::File);
        assert_eq!(config.source.origin, Origin::Default);
        assert_eq!(config.feed().size, FrameSize::new(320, 240));
        assert_eq!(config.rate().min_bps, 150_000);
    }

    #[test]
    fn a_boards_own_devices_are_used_where_nobody_says_otherwise() {
        let table = "[control]\nboard = \"raspberry-pi-5\"\n[bell]\nrun = \"/bin/true\"";
        let config = Config::layer(cli(&WHIP), file(table), None).expect("a configuration");
        assert_eq!(config.source.origin, Origin::Board);
        assert_eq!(config.audio.value.to_string(), "alsa:default");
        assert!(config.bell.button.is_some());
        let told = config.explain();
        assert!(
            told.contains("raspberry-pi-5") && told.contains("[board file]"),
            "{told}"
        );
        let flags = cli(&[WHIP[0], WHIP[1], "--source", "test"]);
        let config = Config::layer(flags, file(table), None).expect("a configuration");
        assert_eq!(config.source.origin, Origin::CommandLine);
        let odd = file("[bell]\nrun = \"ring\"");
        let error = Config::layer(cli(&WHIP), odd, None).expect_err("no path");
        assert!(error.to_string().contains("absolute path"), "{error}");
    }

    #[test]
    fn figures_are_off_and_leave_the_machine_only_where_that_is_said() {
        let load = |args: &[&str], text| {
            let args: Vec<_> = WHIP.iter().chain(args).copied().collect();
            Config::layer(cli(&args), file(text), None)
        };
        let off = load(&[], "").expect("a configuration");
        assert!(off.metrics.is_none() && off.explain().contains("no figures"));
        let here = load(&["--metrics", "localhost:9101"], "").expect("a configuration");
        assert!(here.explain().contains("127.0.0.1:9101"));
        let open = "metrics = \"0.0.0.0:9101\"\n";
        assert!(load(&[], open).is_err());
        assert!(load(&[], &format!("{open}metrics_open = true\n")).is_ok());
    }

    #[test]
    fn a_low_bitrate_lowers_the_least() {
        let flags = cli(&[WHIP[0], WHIP[1], "--bitrate", "100k"]);
        let config = Config::layer(flags, File::default(), None).expect("a configuration");
        assert_eq!(config.min_bitrate.value, Bitrate::from_bps(100_000));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_one_line() {
        let refused = |args: &[&str]| {
            let args: Vec<_> = WHIP.iter().chain(args).copied().collect();
            let error = Config::layer(cli(&args), File::default(), None).expect_err("refused");
            let text = error.to_string();
            assert!(!text.contains('\n') && text.contains(": "), "{text}");
            error
        };
        assert!(matches!(refused(&["--fps", "0"]), ConfigError::Fps(0)));
        assert!(matches!(
            refused(&["--bitrate", "1"]),
            ConfigError::Bitrate(_)
        ));
        assert!(matches!(
            refused(&["--bitrate", "100k", "--min-bitrate", "200k"]),
            ConfigError::Bounds { .. }
        ));
        assert!(matches!(
            refused(&["--audio-bitrate", "1M"]),
            ConfigError::AudioBitrate(_)
        ));
        assert!(matches!(refused(&["--log", "loud"]), ConfigError::Log(_)));
        assert!(matches!(
            refused(&["--metrics", "0.0.0.0:9101"]),
            ConfigError::MetricsOpen(_)
        ));
        let none = Config::layer(cli(&[]), File::default(), None);
        assert!(matches!(none, Err(ConfigError::NoWhip)));
    }

    #[test]
    fn a_pairing_link_is_enough_and_what_is_said_otherwise_wins() {
        const FP: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let link = format!("https://192.168.1.5:8443/whip/door#token=linked&fp=sha256:{FP}");
        let config = Config::layer(cli(&["--whip", &link]), File::default(), None);
        let config = config.expect("a configuration");
        let endpoint = config.endpoint();
        assert_eq!(endpoint.url, "https://192.168.1.5:8443/whip/door");
        assert_eq!(endpoint.token.as_deref(), Some("linked"));
        let pinned = Trust::Fingerprint(FP.parse().expect("a fingerprint"));
        assert_eq!(endpoint.trust, pinned);
        let shown = format!("{} {config:?}", config.explain());
        assert!(!shown.contains("linked"), "{shown}");
        assert!(shown.contains(&format!("sha256:{FP}")), "{shown}");

        let flags = cli(&["--whip", &link, "--token", "said"]);
        let config = Config::layer(flags, File::default(), None).expect("a configuration");
        assert_eq!(config.endpoint().token.as_deref(), Some("said"));

        // The link of the command line is newer than the token in the file.
        let kept = file(&format!(
            "token = \"kept\"\nfingerprint = \"{}\"",
            FP.to_uppercase()
        ));
        let config = Config::layer(cli(&["--whip", &link]), kept, None).expect("a configuration");
        assert_eq!(config.endpoint().token.as_deref(), Some("linked"));

        // A fingerprint that was written down is not forgotten for a flag.
        let kept = file(&format!("fingerprint = \"{FP}\""));
        let flags = cli(&["--whip", "https://192.168.1.6:8443/whip/door"]);
        let config = Config::layer(flags, kept.clone(), None).expect("a configuration");
        assert_eq!(config.endpoint().trust, pinned);
        let refused = Config::layer(cli(&WHIP), kept, None).expect_err("http has no certificate");
        assert!(refused.to_string().contains("write https://"), "{refused}");
    }

    #[test]
    fn a_second_stream_goes_to_the_same_server_with_the_same_token() {
        let text = "token = \"hush\"\n[video]\nsource = \"csi\"\n[video.controls]\nvflip = true\n\
                    [video.second]\nstream = \"front-low\"\n";
        let config = Config::layer(cli(&WHIP), file(text), None).expect("a configuration");
        let (endpoint, rate) = config.second().expect("a second stream");
        assert_eq!(endpoint.url, "http://127.0.0.1:7080/whip/front-low");
        assert_eq!(endpoint.token.as_deref(), Some("hush"));
        assert_eq!((rate.min_bps, rate.max_bps), (50_000, 250_000));
        let told = config.explain();
        assert!(told.contains("vflip") && told.contains("front-low") && !told.contains("hush"));
        let elsewhere = text.replace("stream = \"front-low\"", "whip = \"http://b/whip/c\"");
        let config = Config::layer(cli(&WHIP), file(&elsewhere), None).expect("a configuration");
        let (endpoint, _) = config.second().expect("a second stream");
        assert_eq!(
            endpoint.token, None,
            "a token is not shown to another server"
        );
    }

    #[test]
    fn a_token_in_a_file_of_its_own_is_the_last_resort() {
        let path = std::env::temp_dir().join(format!("transom-token-{}", std::process::id()));
        let text = format!("token_file = \"{}\"\n", path.display());
        let load = |args: &[&str], more: &str| {
            let file = file(&format!("{text}{more}"));
            let config = Config::layer(cli(args), file, None)?;
            Ok::<_, ConfigError>(config.endpoint().token)
        };
        let token = |args: &[&str], more| load(args, more).expect("a configuration");
        assert_eq!(token(&WHIP, ""), None, "it is not there yet");
        std::fs::write(&path, "").expect("a file");
        assert_eq!(token(&WHIP, ""), None, "it is empty");
        std::fs::write(&path, "handed-out\n").expect("a file");
        assert_eq!(token(&WHIP, "").as_deref(), Some("handed-out"));
        assert_eq!(
            token(&WHIP, "token = \"written\"").as_deref(),
            Some("written")
        );
        let link = "https://192.168.1.5:8443/whip/door#token=linked";
        assert_eq!(token(&["--whip", link], "").as_deref(), Some("linked"));
        let linked = format!("whip = \"{link}\"\n");
        assert_eq!(token(&[], &linked).as_deref(), Some("linked"));
        std::fs::write(&path, "not a token\n").expect("a file");
        let error = load(&WHIP, "").expect_err("refused").to_string();
        assert!(
            error.contains("token_file") && !error.contains("not a token"),
            "{error}"
        );
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("a folder");
        let error = load(&WHIP, "").expect_err("refused").to_string();
        assert!(error.contains("sudo -u transom-agent"), "{error}");
        std::fs::remove_dir(&path).expect("removed");
    }

    #[test]
    fn the_explanation_hides_the_token_and_names_the_origins() {
        let flags = cli(&[WHIP[0], WHIP[1], "--token", "geheim"]);
        let config = Config::layer(flags, File::default(), None).expect("a configuration");
        let text = config.explain();
        assert!(!text.contains("geheim") && !format!("{config:?}").contains("geheim"));
        assert!(text.contains("set (6 characters)"));
        assert!(text.contains("[default]") && text.contains("[flag or environment]"));
    }
}
