//! `cargo xtask bench idle`: what subscribers cost that nothing is sent to.

use super::figures::{Figures, by_thread};
use super::server::Server;
use super::{generator_built, server_built};
use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::workspace::Profile;

const HELP: &str = "\
cargo xtask bench idle [--seconds S] [--workers N] [--dist] [--yes]

  Connects 0, 100 and 300 subscribers to a stream whose publisher sends for a while, falls silent and
  stays connected. Counts how often the server's media threads then wake (voluntary context switches,
  from /proc) and the datagrams that reach them: checks of consent, and reports. A thread may wake
  once for each datagram and once a second for its figures; what is beyond that is a defect.
  From the memory at 100 and at 300 follows what each further subscriber takes.

  --seconds S   measured (10)
  --workers N   media threads of the server (1)
  --dist        the build that packages hold, instead of the release build
";

/// Memory of a further subscriber, kilobytes.
const GOAL: f64 = 60.0;

pub(super) fn bench(mut args: Args) -> Result<(), Failure> {
    let (mut seconds, mut workers, mut yes) = (10, 1, false);
    let mut profile = Profile::Release;
    while let Some(word) = args.word() {
        match word.as_str() {
            "--seconds" => seconds = args.number("--seconds")?,
            "--workers" => workers = args.number("--workers")?,
            "--dist" => profile = Profile::Dist,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(args::unknown("bench idle", other)),
        }
    }
    needs::debian(needs::BUILD, Consent::new(yes))?;
    generator_built()?;
    let server = Server::with_workers(server_built(profile)?, workers);
    println!(
        "| N | datagrams to the server, a second | wake-ups of the media threads | allowed | beyond | of the other threads | CPU % | RSS MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut resident = Vec::new();
    for n in [0, 100, 300] {
        let running = server.start()?;
        let mut run = running.load("run");
        run.args(["--plain", "--idle", "--n", &n.to_string()]);
        run.args(["--warmup", "3", "--seconds", &seconds.to_string()]);
        let idle = Idle::of(&Figures::of(run)?);
        println!(
            "| {n} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} |",
            idle.datagrams,
            idle.media,
            idle.allowed(),
            (idle.media - idle.allowed()).max(0.0),
            idle.others,
            100.0 * idle.cpu,
            idle.resident / 1e6
        );
        resident.push(idle.resident);
    }
    if let [_, few, many] = resident[..] {
        println!(
            "each further subscriber: {:.1} KB (goal: < {GOAL} KB)",
            (many - few) / 200.0 / 1e3
        );
    }
    Ok(())
}

/// Of one run, a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Idle {
    datagrams: f64,
    media: f64,
    media_threads: f64,
    others: f64,
    cpu: f64,
    resident: f64,
}

impl Idle {
    fn of(figures: &Figures) -> Self {
        let seconds = figures.number("seconds").unwrap_or(1.0);
        let number = |key| figures.number(key).unwrap_or(0.0);
        let mut idle = Self {
            datagrams: number("sent_to_server") / seconds,
            cpu: number("cpu_share"),
            resident: number("rss"),
            ..Self::default()
        };
        for (name, sleeps) in by_thread(figures.text("sleeps_by_thread")) {
            if name.starts_with("media") {
                idle.media += sleeps / seconds;
                idle.media_threads += 1.0;
            } else {
                idle.others += sleeps / seconds;
            }
        }
        idle
    }

    /// One a datagram, which may be passed on to another thread, and one a second of each thread.
    fn allowed(&self) -> f64 {
        let hops = if self.media_threads > 1.0 { 2.0 } else { 1.0 };
        self.datagrams * hops + self.media_threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wake_ups_of_media_threads_are_counted_apart() {
        let figures = Figures::parse(
            "seconds=10\nsent_to_server=200\nsleeps_by_thread=control:40,media:230,transom-sfu:10\n",
        );
        let idle = Idle::of(&figures);
        assert_eq!((idle.media, idle.others), (23.0, 5.0));
        assert_eq!(idle.allowed(), 21.0);
    }
}
