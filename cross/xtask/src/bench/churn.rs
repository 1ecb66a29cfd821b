//! `cargo xtask bench churn`: thousands of joins and leaves, and the server's
//! memory after each twentieth of them.

use super::server::Server;
use super::{generator_built, server_built};
use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::step;
use crate::workspace::Profile;

const HELP: &str = "\
cargo xtask bench churn [--cycles N] [--at-once N] [--workers N] [--dist] [--yes]

  Starts our server with one publisher; subscribers join it (HTTP, ICE, DTLS, first packet) and
  leave, as fast as it takes them. Prints its memory as a curve. Fails where that grew by more than
  10 % and 1 MB from after the first tenth to the end, where a join failed, or where threads or open
  files stayed behind.

  --cycles N    (10000)
  --at-once N   subscribers at a time (20)
  --workers N   media threads of the server (1)
  --dist        the build that packages hold, instead of the release build
";

pub(super) fn bench(mut args: Args) -> Result<(), Failure> {
    let (mut cycles, mut at_once, mut workers, mut yes) = (10_000, 20, 1, false);
    let mut profile = Profile::Release;
    while let Some(word) = args.word() {
        match word.as_str() {
            "--cycles" => cycles = args.number("--cycles")?,
            "--at-once" => at_once = args.number("--at-once")?,
            "--workers" => workers = args.number("--workers")?,
            "--dist" => profile = Profile::Dist,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(args::unknown("bench churn", other)),
        }
    }
    needs::debian(needs::BUILD, Consent::new(yes))?;
    generator_built()?;
    let server = Server::with_workers(server_built(profile)?, workers).start()?;
    let mut churn = server.load("churn");
    churn.args(["--cycles", &cycles.to_string()]);
    churn.args(["--at-once", &at_once.to_string()]);
    step::run("churn", churn)
}
