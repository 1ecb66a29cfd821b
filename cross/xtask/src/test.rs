//! `cargo xtask test`: runs the parts, each alone or all, and sums them up.

use std::time::Instant;

use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::Consent;
use crate::parts::{PARTS, Part};
use crate::step::minutes;
use crate::summary::{Count, Summary};

const HELP: &str = "\
cargo xtask test [--only PART]... [--list] [--full] [--yes]

  Runs the parts below in this order, installs what they need, and prints the minutes of each.

  --only PART   this part only; may be repeated
  --list        list the parts
  --full        the parts marked `full` as well
  --yes         install what is missing without asking (CI=true means the same)

";

pub(crate) fn test(mut args: Args) -> Result<(), Failure> {
    let mut only: Vec<&Part> = Vec::new();
    let (mut full, mut yes) = (false, false);
    while let Some(word) = args.word() {
        match word.as_str() {
            "--only" => only.push(part(&args.value("--only")?)?),
            "--full" => full = true,
            "--yes" | "-y" => yes = true,
            "--list" => {
                list();
                return Ok(());
            }
            "--help" | "-h" => {
                print!("{HELP}");
                list();
                return Ok(());
            }
            other => return Err(args::unknown("test", other)),
        }
    }
    if only.is_empty() {
        only = PARTS.iter().filter(|part| full || !part.full).collect();
    }
    run(&only, Consent::new(yes))
}

/// One part alone.
pub(crate) fn run_part(name: &str, consent: Consent) -> Result<(), Failure> {
    run(&[part(name)?], consent)
}

fn run(parts: &[&Part], consent: Consent) -> Result<(), Failure> {
    let mut summary = Summary::default();
    for (n, part) in parts.iter().enumerate() {
        println!(
            "\n━━ {} ({} of {}): {}",
            part.name,
            n + 1,
            parts.len(),
            part.about
        );
        let begun = Instant::now();
        let count =
            (part.run)(consent).unwrap_or_else(|failure| Count::failure(failure.to_string()));
        println!("── {}: {count}, {}", part.name, minutes(begun.elapsed()));
        summary.add(part.name, count, begun.elapsed());
    }
    println!("\n{summary}");
    if summary.failed() == 0 {
        Ok(())
    } else {
        Err(Failure::new("not everything passed; the table tells what"))
    }
}

fn part(name: &str) -> Result<&'static Part, Failure> {
    PARTS.iter().find(|part| part.name == name).ok_or_else(|| {
        Failure::new(format!(
            "there is no part `{name}`; `cargo xtask test --list` lists them"
        ))
    })
}

fn list() {
    for part in PARTS {
        println!(
            "  {:<12} {}{}",
            part.name,
            part.about,
            if part.full { " (full)" } else { "" }
        );
    }
}
