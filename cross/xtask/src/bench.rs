//! `cargo xtask bench`: the release build measured against the project's goals.

use std::fs;
use std::process::Command;

use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::step;
use crate::tools::Browser;
use crate::workspace::{self, Profile};

const HELP: &str = "\
cargo xtask bench WHAT [--yes]

  latency     glass to glass, time to the first frame, recovery after the server was killed
  footprint   memory and CPU of a server with 20 subscribers and of one agent; binary sizes
  srtp        nanoseconds to seal and to open a packet, beside webrtc-srtp's

  Builds for release, measures with Chromium, prints what was measured beside its goal.
";

pub(crate) fn bench(mut args: Args) -> Result<(), Failure> {
    let mut what = None;
    let mut yes = false;
    while let Some(word) = args.word() {
        match word.as_str() {
            "latency" | "footprint" | "srtp" => what = Some(word),
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => what = None,
            other => return Err(args::unknown("bench", other)),
        }
    }
    let Some(what) = what else {
        print!("{HELP}");
        return Ok(());
    };
    let consent = Consent::new(yes);
    needs::debian(needs::BUILD, consent)?;
    if what == "srtp" {
        let words = ["bench", "--package", "transom-rtc-srtp", "--bench", "seal"];
        return step::run(&what, workspace::cargo(words));
    }
    let browser = Browser::ready(consent)?;
    step::run("build", workspace::build(Profile::Release))?;
    if what == "footprint" {
        sizes()?;
    }
    step::run(&what, browser.bench(&format!("bench/{what}.js")))
}

fn sizes() -> Result<(), Failure> {
    for name in ["transom-sfu", "transom-agent"] {
        let built = workspace::bin_dir(Profile::Release).join(name);
        let stripped = workspace::target().join(format!("{name}.stripped"));
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(&stripped).arg(&built);
        step::run("strip", strip)?;
        let bytes = fs::metadata(&stripped)
            .map_err(Failure::io(stripped.display()))?
            .len();
        println!(
            "{name:<14} {:>6.1} MB (release, stripped)",
            megabytes(bytes)
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a size in MB with one decimal")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
