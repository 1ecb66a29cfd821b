//! `cargo xtask bench`: the release build measured against the project's goals.

mod board;
mod browser;
mod churn;
mod figures;
mod floor;
mod idle;
mod instructions;
mod load;
mod server;
mod start;
mod stop;

use std::path::PathBuf;

use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::Consent;
use crate::workspace::Profile;
use crate::{step, workspace};

const HELP: &str = "\
cargo xtask bench WHAT [options]     (bench WHAT --help tells the options)

  latency     glass to glass, time to the first frame, recovery after the server was killed
  footprint   memory and CPU of a server with 20 subscribers and of one agent; binary sizes
  load        what the server takes for what it forwards, beside the floor and other servers
  srtp        nanoseconds to seal and to open a packet, beside webrtc-srtp's
  floor       what the machine takes to seal and send the same packets, without a server
  instructions
              what the server executes for each packet, and where, by callgrind
  start       time from exec to the first HTTP answer; memory then; size of the binary
  idle        wake-ups and memory of subscribers that nothing is sent to
  churn       thousands of joins and leaves: the server's memory as a curve
  board       pictures a second and processor time of capturing and encoding on the virtual board
  stop        everything that goes wrong while a robot moves: how long until it stands
  commands    how old what a robot is driven by is, over a bad network; how long answers take

  Builds for release. latency and footprint measure with Chromium and print what was
  measured beside its goal; --yes installs what they need without asking.
";

pub(crate) fn bench(mut args: Args) -> Result<(), Failure> {
    match args.word().as_deref() {
        Some("load") => load::bench(args),
        Some("floor") => floor::bench(args),
        Some("instructions") => instructions::bench(args),
        Some("start") => start::bench(args),
        Some("idle") => idle::bench(args),
        Some("churn") => churn::bench(args),
        Some("board") => board::bench(args),
        Some("stop") => stop::stop(args),
        Some("commands") => stop::commands(args),
        Some(what @ ("latency" | "footprint")) => in_browser(what, args),
        Some("srtp") => {
            let words = ["bench", "--package", "transom-rtc-srtp", "--bench", "seal"];
            step::run("srtp", workspace::cargo(words))
        }
        None | Some("--help" | "-h" | "help") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(args::unknown("bench", other)),
    }
}

fn in_browser(what: &str, mut args: Args) -> Result<(), Failure> {
    let mut yes = false;
    while let Some(word) = args.word() {
        match word.as_str() {
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(args::unknown("bench", other)),
        }
    }
    browser::bench(what, Consent::new(yes))
}

/// Where the built load generator is.
fn generator() -> PathBuf {
    workspace::bin_dir(Profile::Release).join("transom-load")
}

/// Builds it. Alone: together with a server it would be built with that one's features.
fn generator_built() -> Result<(), Failure> {
    let build = workspace::build_of(&["transom-load"], Profile::Release);
    step::run("build", build)
}

/// Builds our server; where it is then.
fn server_built(profile: Profile) -> Result<PathBuf, Failure> {
    step::run("build", workspace::build_of(&["transom-sfu"], profile))?;
    Ok(workspace::bin_dir(profile).join("transom-sfu"))
}
