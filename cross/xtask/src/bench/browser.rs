//! What is measured with Chromium: latency, and the footprint of both programs.

use std::fs;
use std::process::Command;

use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::step;
use crate::tools::Browser;
use crate::workspace::{self, Profile};

/// Runs the script of `what`: `latency` or `footprint`.
pub(crate) fn bench(what: &str, consent: Consent) -> Result<(), Failure> {
    needs::debian(needs::BUILD, consent)?;
    let browser = Browser::ready(consent)?;
    step::run("build", workspace::build(Profile::Release))?;
    if what == "footprint" {
        sizes()?;
    }
    step::run(what, browser.bench(&format!("bench/{what}.js")))
}

fn sizes() -> Result<(), Failure> {
    for name in ["transom-sfu", "transom-agent"] {
        let bytes = stripped(name, Profile::Release)?;
        println!(
            "{name:<14} {:>6.1} MB (release, stripped)",
            megabytes(bytes)
        );
    }
    Ok(())
}

/// How large a program is without its symbols, bytes.
pub(super) fn stripped(name: &str, profile: Profile) -> Result<u64, Failure> {
    let built = workspace::bin_dir(profile).join(name);
    let stripped = workspace::target().join(format!("{name}.stripped"));
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(&stripped).arg(&built);
    step::run("strip", strip)?;
    let file = fs::metadata(&stripped).map_err(Failure::io(stripped.display()))?;
    Ok(file.len())
}

#[expect(clippy::cast_precision_loss, reason = "a size in MB with one decimal")]
pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
