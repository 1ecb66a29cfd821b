//! `cargo xtask bench`: the release build measured against the project's goals.

mod browser;
mod floor;
mod load;

use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::Consent;
use crate::{step, workspace};

const HELP: &str = "\
cargo xtask bench WHAT [options]     (bench WHAT --help tells the options of load and floor)

  latency     glass to glass, time to the first frame, recovery after the server was killed
  footprint   memory and CPU of a server with 20 subscribers and of one agent; binary sizes
  load        what the server takes for what it forwards, beside the floor and other servers
  srtp        nanoseconds to seal and to open a packet, beside webrtc-srtp's
  floor       what the machine takes to seal and send the same packets, without a server

  Builds for release. latency and footprint measure with Chromium and print what was
  measured beside its goal; --yes installs what they need without asking.
";

pub(crate) fn bench(mut args: Args) -> Result<(), Failure> {
    match args.word().as_deref() {
        Some("load") => load::bench(args),
        Some("floor") => floor::bench(args),
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
