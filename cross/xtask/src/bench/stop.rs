//! `cargo xtask bench stop` and `bench commands`: what a robot does when things go wrong, and how old what it
//! is driven by is.

use std::process::Command;

use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::step;
use crate::tools::Browser;
use crate::workspace::{self, Profile};

const STOP: &str = "\
cargo xtask bench stop [--fault NAME,...] [--runs N] [--at-once N] [--dev] [--yes]

  Starts server, agent with a simulated robot, and operator as real processes, drives, lets something go
  wrong, and reads off the robot's trace how long it moved on, and whether it moved again. Fails unless
  every run stands within the limit of 300 ms and 20 ms more. What cannot be tried on a machine (some of
  it takes root) is told, and is no failure.

  page-closed, browser-killed     Chromium's page is closed; all of Chromium is killed
  operator-leaves, -killed        an operator without a browser says goodbye; is killed
  sfu-killed                      the server is killed
  network-cut                     the agent's network interface is switched off (in a namespace)
  runtime-blocked                 every thread of the agent's async runtime is held up
  main-killed, -aborted, -out-of-memory, -stopped
                                  the agent's main process gets SIGKILL, SIGABRT, the kernel's OOM
                                  killer, SIGSTOP
  loss-30                         30 % of datagrams lost at each hop, and the operator is killed
  stall-burst                     nothing comes through for 2 s, then all at once
  replayed-packets, -commands     all datagrams come again 0.1 and 3 s later; an operator sends all
                                  that it ever said again
  lease-taken                     another operator overrides the lease, and arms; the first one drives on
  clock-wrong                     the operator's clock is an hour ahead (libfaketime), and it is killed
  blind-page                      the operator's picture stands still, and its commands go on

  --fault NAME,...  these only
  --runs N          of each (20)
  --at-once N       side by side, but for Chromium's (4)
  --dev             the build that the tests use, instead of the release build
";

const COMMANDS: &str = "\
cargo xtask bench commands [--seconds S] [--dev] [--yes]

  Operator to agent through the server with 20 ms round trip in all, 2.5 % loss a hop, 50 commands a
  second: how old the newest setpoint is that the robot obeys. And over loopback, from a command to its
  answer. Fails where the age's median is not below 30 ms or its 99th percentile not below 80 ms.

  --seconds S   driven (60)
  --dev         the build that the tests use, instead of the release build
";

pub(super) fn stop(mut args: Args) -> Result<(), Failure> {
    let (mut faults, mut runs, mut at_once) = (None, 20, 4);
    let (mut profile, mut yes) = (Profile::Release, false);
    while let Some(word) = args.word() {
        match word.as_str() {
            "--fault" => faults = Some(args.value("--fault")?),
            "--runs" => runs = args.number("--runs")?,
            "--at-once" => at_once = args.number("--at-once")?,
            "--dev" => profile = Profile::Dev,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{STOP}");
                return Ok(());
            }
            other => return Err(args::unknown("bench stop", other)),
        }
    }
    let consent = Consent::new(yes);
    needs::debian(needs::FAKETIME, consent)?;
    // Whoever asks for none of Chromium's need not have it.
    let browser = match &faults {
        Some(names) if !names.contains("page-") && !names.contains("browser-") => None,
        _ => Some(Browser::ready(consent)?),
    };
    let mut bench = built(profile, consent)?;
    bench.args(faults);
    bench.args(["--runs", &runs.to_string()]);
    bench.args(["--at-once", &at_once.to_string()]);
    if let Some(browser) = browser {
        browser.lend(&mut bench);
    }
    step::run("stop", bench)
}

pub(super) fn commands(mut args: Args) -> Result<(), Failure> {
    let (mut seconds, mut profile, mut yes) = (60, Profile::Release, false);
    while let Some(word) = args.word() {
        match word.as_str() {
            "--seconds" => seconds = args.number("--seconds")?,
            "--dev" => profile = Profile::Dev,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{COMMANDS}");
                return Ok(());
            }
            other => return Err(args::unknown("bench commands", other)),
        }
    }
    let mut bench = built(profile, Consent::new(yes))?;
    bench.args(["latency", "--seconds", &seconds.to_string()]);
    step::run("commands", bench)
}

/// Builds both programs, and then the bench by itself: its features are not theirs.
fn built(profile: Profile, consent: Consent) -> Result<Command, Failure> {
    needs::debian(needs::BUILD, consent)?;
    step::run("build", workspace::build(profile))?;
    let ours = workspace::build_of(&["transom-tests-stop"], profile);
    step::run("build", ours)?;
    let folder = workspace::bin_dir(profile);
    let mut bench = Command::new(folder.join("transom-stop"));
    bench.env("TRANSOM_BIN_DIR", folder);
    bench.env("RUST_BACKTRACE", "0");
    Ok(bench)
}
