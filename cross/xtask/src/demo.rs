//! `cargo xtask demo`: from a checkout to live video in a browser.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};
use std::{fs, io::IsTerminal};

use crate::args::{self, Args};
use crate::failure::Failure;
use crate::logs::Logs;
use crate::needs::{self, Consent};
use crate::programs::{Program, Said};
use crate::workspace::{self, Profile};
use crate::{foreground, step};

const HELP: &str = "\
cargo xtask demo [--yes] [--source SOURCE] [--lan] [--no-open] [--for SECONDS]

  Builds transom-sfu and transom-agent, starts both on this machine and prints a link
  that shows the agent's live picture and sound in a browser. Ctrl-C ends it.

  --source test        a moving test picture with a clock, and a tone (the default)
  --source auto        this machine's camera and microphone, where there are any
  --source file:PATH   a recording: H.264 without B-frames, in MP4 or Annex-B
  --lan                serve phones on your network too, and show a QR code for them
  --yes                install what building needs without asking
  --no-open            do not open a browser
  --for SECONDS        end by itself after so long
";

/// The word by which `demo` calls itself again, behind the shell that catches Ctrl-C.
pub(crate) const RUN: &str = "demo-run";

const AGENT: &str = "transom-agent";
const HTTP_PORT: u16 = 7080;
const UDP_PORT: u16 = 7082;
/// A first start makes keys and secrets; a loaded Pi takes its time.
const READY_WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn demo(args: Args) -> Result<(), Failure> {
    let Some(options) = Options::parse(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    needs::debian(needs::BUILD, Consent::new(options.yes))?;
    println!("Building transom-sfu and transom-agent (the first time takes some minutes) ...");
    build()?;
    Err(foreground::again(
        options.words().iter().map(String::as_str),
    ))
}

/// The demo itself, once built.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let Some(options) = Options::parse(args)? else {
        return Ok(());
    };
    let stop = foreground::stop_asked();
    let (said, hear) = mpsc::channel();
    stage(&options, Logs::new(hear, &stop), &said)
}

fn stage(options: &Options, mut logs: Logs<'_>, said: &Sender<Said>) -> Result<(), Failure> {
    let mut sfu = Program::start("transom-sfu", sfu_command(options.lan)?, said)?;
    let Some(doors) = doors(&mut logs, &mut sfu)? else {
        return Ok(());
    };
    let mut agent = Program::start(AGENT, agent_command(&options.source, &doors), said)?;
    if !logs.until(READY_WITHIN, &mut [&mut sfu, &mut agent], |said| {
        said.program == AGENT && said.line.contains("connected")
    })? {
        return Ok(());
    }
    tell(&doors.link);
    if options.lan {
        tell_phones();
    }
    if options.open {
        open(&doors.link);
    }
    let ends = options
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let outcome = logs.stream(&mut [&mut sfu, &mut agent], ends);
    println!("\nEnding transom-agent and transom-sfu ...");
    // The agent first: it takes leave of a server that still answers.
    agent.end();
    sfu.end();
    logs.rest();
    println!("Both have ended.");
    outcome
}

struct Options {
    yes: bool,
    open: bool,
    lan: bool,
    source: String,
    seconds: Option<u64>,
}

impl Options {
    /// `None`: only the help was asked for.
    fn parse(mut args: Args) -> Result<Option<Self>, Failure> {
        let mut options = Self {
            yes: false,
            open: true,
            lan: false,
            source: "test".to_owned(),
            seconds: None,
        };
        while let Some(word) = args.word() {
            match word.as_str() {
                "--yes" | "-y" => options.yes = true,
                "--no-open" => options.open = false,
                "--lan" => options.lan = true,
                "--source" => options.source = args.value("--source")?,
                "--for" => options.seconds = Some(args.number("--for")?),
                "--help" | "-h" => return Ok(None),
                other => return Err(args::unknown("demo", other)),
            }
        }
        match options.source.split_once(':') {
            None if matches!(options.source.as_str(), "test" | "auto") => {}
            Some(("file", path)) if Path::new(path).is_file() => {}
            Some(("file", path)) => {
                return Err(Failure::new(format!(
                    "--source file: there is no file {path}"
                )));
            }
            Some(("v4l2", _)) => {}
            _ => {
                return Err(Failure::new(format!(
                    "--source is test, auto, file:PATH or v4l2:/dev/videoN, not `{}`",
                    options.source
                )));
            }
        }
        Ok(Some(options))
    }

    fn words(&self) -> Vec<String> {
        let mut words = vec![RUN.to_owned(), "--source".to_owned(), self.source.clone()];
        if !self.open {
            words.push("--no-open".to_owned());
        }
        if self.lan {
            words.push("--lan".to_owned());
        }
        if let Some(seconds) = self.seconds {
            words.extend(["--for".to_owned(), seconds.to_string()]);
        }
        words
    }
}

fn build() -> Result<(), Failure> {
    let mut command = workspace::build(Profile::Dev);
    if !std::io::stderr().is_terminal() {
        return step::run("build", command);
    }
    // cargo's own progress bar says more than we could.
    let status = command
        .status()
        .map_err(Failure::io("cannot start cargo"))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new("the build failed; its messages stand above"))
    }
}

fn sfu_command(lan: bool) -> Result<Command, Failure> {
    let state = state_dir();
    fs::create_dir_all(&state).map_err(Failure::io(state.display()))?;
    let http = match TcpListener::bind(("127.0.0.1", HTTP_PORT)) {
        Ok(_) => HTTP_PORT,
        Err(error) => {
            println!("TCP port {HTTP_PORT}: {error}: taking a free one instead.");
            0
        }
    };
    let udp = match UdpSocket::bind(("::", UDP_PORT))
        .or_else(|_| UdpSocket::bind(("0.0.0.0", UDP_PORT)))
    {
        Ok(_) => UDP_PORT,
        Err(error) => {
            println!("UDP port {UDP_PORT}: {error}: taking a free one instead.");
            0
        }
    };
    let mut command = sfu();
    if lan {
        command.arg("--lan");
    }
    command.args([
        "--http",
        &format!("127.0.0.1:{http}"),
        "--udp-port",
        &udp.to_string(),
    ]);
    command.arg("--state-dir").arg(state);
    Ok(command)
}

fn sfu() -> Command {
    Command::new(workspace::bin_dir(Profile::Dev).join("transom-sfu"))
}

fn agent_command(source: &str, doors: &Doors) -> Command {
    let mut command = Command::new(workspace::bin_dir(Profile::Dev).join(AGENT));
    // By environment, so that the process list does not show it.
    command
        .env("TRANSOM_TOKEN", &doors.publish_token)
        .args(["--whip", &doors.whip]);
    if source != "auto" {
        command.args(["--source", source]);
        if source.starts_with("v4l2:") && has_microphone() {
            command.args(["--audio", "alsa:default"]);
        }
        return command;
    }
    match camera() {
        Some(device) => {
            println!("Camera: {}", device.display());
            command
                .arg("--source")
                .arg(format!("v4l2:{}", device.display()));
        }
        None => {
            println!("No camera (/dev/video*) on this machine: the test picture instead.");
            command.args(["--source", "test"]);
        }
    }
    if has_microphone() {
        println!("Microphone: ALSA's default device");
        command.args(["--audio", "alsa:default"]);
    } else {
        println!("No microphone on this machine: the test tone instead.");
        command.args(["--audio", "test"]);
    }
    command
}

fn camera() -> Option<PathBuf> {
    (0..10)
        .map(|n| PathBuf::from(format!("/dev/video{n}")))
        .find(|device| device.exists())
}

fn has_microphone() -> bool {
    // A capture device's node is /dev/snd/pcmC<card>D<device>c.
    fs::read_dir("/dev/snd").is_ok_and(|devices| {
        devices.flatten().any(|device| {
            let name = device.file_name();
            let name = name.to_string_lossy();
            name.starts_with("pcmC") && name.ends_with('c')
        })
    })
}

/// Waits for the server's doors; `None` when the user stopped it.
fn doors(logs: &mut Logs<'_>, sfu: &mut Program) -> Result<Option<Doors>, Failure> {
    let mut told = Vec::new();
    let mut listening = false;
    let ready = logs.until(READY_WITHIN, &mut [sfu], |said| {
        listening |= said.line.contains("listening http=");
        if said.stdout {
            told.push(said.line.clone());
        }
        listening && Doors::from_lines(&told).is_some()
    })?;
    Ok(if ready {
        Doors::from_lines(&told)
    } else {
        None
    })
}

/// What the server tells at its start.
struct Doors {
    /// The page, token and all.
    link: String,
    whip: String,
    publish_token: String,
}

impl Doors {
    /// From the server's standard output: the link on one line, the agent's command on another.
    fn from_lines(lines: &[String]) -> Option<Self> {
        let words = || lines.iter().flat_map(|line| line.split_whitespace());
        Some(Self {
            link: words().find(|word| word.contains("/#token="))?.to_owned(),
            publish_token: words()
                .find_map(|word| word.strip_prefix("TRANSOM_TOKEN="))?
                .to_owned(),
            whip: words()
                .skip_while(|word| *word != "--whip")
                .nth(1)?
                .to_owned(),
        })
    }
}

fn tell(link: &str) {
    println!("\n  ─────────────────────────────────────────────────────────────");
    println!("   Live. Open this in a browser on this machine:\n\n     {link}\n");
    println!("   Ctrl-C ends it.");
    println!("  ─────────────────────────────────────────────────────────────\n");
}

/// The links for other machines, in the server's own words.
fn tell_phones() {
    let mut link = sfu();
    link.args(["link", "--qr", "--state-dir"]).arg(state_dir());
    // If it fails, it says why itself.
    let _ = link.status();
    println!("   Your phone's browser warns of the certificate, once.\n");
}

/// A browser, where there is a desktop to open one on.
fn open(link: &str) {
    let desktop = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if desktop && needs::in_path("xdg-open") {
        // If it does not open, the link stands above.
        let _ = Command::new("xdg-open").arg(link).spawn();
    }
}

fn state_dir() -> PathBuf {
    workspace::target().join("demo").join("sfu")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doors_are_found_in_what_the_server_prints() {
        let lines = [
            "Watch:    http://127.0.0.1:7080/#token=w4tch".to_owned(),
            "Publish:  TRANSOM_TOKEN=publ1sh transom-agent --whip http://127.0.0.1:7080/whip/door"
                .to_owned(),
        ];
        let doors = Doors::from_lines(&lines).expect("both lines are there");
        assert_eq!(doors.link, "http://127.0.0.1:7080/#token=w4tch");
        assert_eq!(doors.whip, "http://127.0.0.1:7080/whip/door");
        assert_eq!(doors.publish_token, "publ1sh");
        assert!(Doors::from_lines(&lines[..1]).is_none());
    }

    #[test]
    fn an_unknown_source_is_explained() {
        let args = Args::new(["--source".to_owned(), "tape".to_owned()]);
        let error = Options::parse(args).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("file:PATH") && error.contains("tape")));
    }

    #[test]
    fn the_options_survive_the_call_to_itself() {
        let words = ["--source", "auto", "--no-open", "--lan", "--for", "9"].map(str::to_owned);
        let options = Options::parse(Args::new(words))
            .ok()
            .flatten()
            .expect("all are known");
        let again = Options::parse(Args::new(options.words().into_iter().skip(1)))
            .ok()
            .flatten()
            .expect("again");
        assert_eq!(
            (again.source.as_str(), again.open, again.lan, again.seconds),
            ("auto", false, true, Some(9))
        );
    }
}
