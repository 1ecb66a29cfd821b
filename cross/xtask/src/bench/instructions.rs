//! `cargo xtask bench instructions`: what the server executes for each packet
//! that it sends, and in which part of it, by callgrind. Unlike times, these
//! figures are the same on a busy machine.

mod profile;

use std::fs;
use std::path::{Path, PathBuf};

use super::figures::Figures;
use super::generator_built;
use super::load::{Case, Choice};
use super::server::{self, Server};
use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::step;
use crate::workspace::{self, Profile};
use profile::{Part, Profiled};

const HELP: &str = "\
cargo xtask bench instructions [--n LIST] [--publisher LIST] [--cipher LIST] [--seconds S] [--yes]

  Runs the server (release build with line numbers) under valgrind's callgrind, loads it, lets
  callgrind count for some seconds, and divides what the media thread executed by the packets that
  the subscribers got meanwhile. Valgrind's processor has AES-NI, but neither VAES nor SHA
  instructions, and is some fifty times slower: the load is small. What the kernel does is not counted.

  --n LIST           subscribers (20)
  --publisher LIST   burst, chromium, paced (all)
  --cipher LIST      gcm, cm, mixed (gcm,cm)
  --seconds S        counted (10)
";

pub(super) fn bench(mut args: Args) -> Result<(), Failure> {
    let mut choice = Choice::of(&[20], &["gcm", "cm"]);
    let (mut seconds, mut yes) = (10, false);
    while let Some(word) = args.word() {
        match word.as_str() {
            "--seconds" => seconds = args.number("--seconds")?,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(());
            }
            other if choice.take(other, &mut args)? => {}
            other => return Err(args::unknown("bench instructions", other)),
        }
    }
    let consent = Consent::new(yes);
    needs::debian(needs::BUILD, consent)?;
    needs::debian(needs::VALGRIND, consent)?;
    generator_built()?;
    let binary = built()?;
    print!("| publisher | cipher | N | in all |");
    Part::ALL
        .iter()
        .for_each(|part| print!(" {} |", part.name()));
    println!(" packets | CPU % under valgrind |");
    println!(
        "| --- | --- | --- | --- |{} --- | --- |",
        " --- |".repeat(Part::ALL.len())
    );
    for case in choice.cases() {
        println!("{}", row(&binary, &case, seconds)?);
    }
    Ok(())
}

/// The release build with line numbers, which change nothing else, in a folder of its own.
fn built() -> Result<PathBuf, Failure> {
    let target = workspace::target().join("instructions");
    let mut build = workspace::build_of(&["transom-sfu"], Profile::Release);
    build
        .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")
        .env("CARGO_TARGET_DIR", &target);
    step::run("build", build)?;
    Ok(target.join("release").join("transom-sfu"))
}

fn row(binary: &Path, case: &Case, seconds: u64) -> Result<String, Failure> {
    let folder = server::folder()?.join("callgrind");
    // It may not be there.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    let out = folder.join("out");
    let words = [
        "valgrind",
        "--quiet",
        "--tool=callgrind",
        "--instr-atstart=no",
        "--separate-threads=yes",
    ];
    let mut under: Vec<String> = words.map(str::to_owned).to_vec();
    under.push(format!("--callgrind-out-file={}", out.display()));
    let running = Server::under(binary.to_owned(), under).start()?;
    let pid = running.pid();
    let mut run = running.load("run");
    run.args(case.words());
    run.args(["--warmup", "3", "--seconds", &seconds.to_string()]);
    run.args(["--at-start", &format!("callgrind_control -i on {pid}")]);
    run.args(["--at-end", &format!("callgrind_control -i off {pid}")]);
    let figures = Figures::of(run)?;
    running.end()?;
    let profiled = busiest(&folder)?;
    let packets = figures.number("datagrams").unwrap_or(0.0).max(1.0);
    let Case {
        publisher,
        cipher,
        n,
    } = case;
    let mut row = format!(
        "| {publisher} | {cipher} | {n} | {:.0} |",
        profiled.total() / packets
    );
    for part in Part::ALL {
        row.push_str(&format!(" {:.0} |", profiled.of(part) / packets));
    }
    let share = 100.0 * figures.number("cpu_share").unwrap_or(0.0);
    row.push_str(&format!(" {packets:.0} | {share:.0} |"));
    Ok(row)
}

/// What the thread executed that executed most, which is the media thread.
fn busiest(folder: &Path) -> Result<Profiled, Failure> {
    let entries = fs::read_dir(folder).map_err(Failure::io(folder.display()))?;
    let mut most = Profiled::default();
    for entry in entries.flatten() {
        let path = entry.path();
        let text = fs::read(&path).map_err(Failure::io(path.display()))?;
        let profiled = Profiled::parse(&String::from_utf8_lossy(&text));
        if profiled.total() > most.total() {
            most = profiled;
        }
    }
    if most.total() > 0.0 {
        return Ok(most);
    }
    Err(Failure::new(format!(
        "callgrind counted nothing; its files are in {}",
        folder.display()
    )))
}
