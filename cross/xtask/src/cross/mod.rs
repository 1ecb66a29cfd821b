//! `cargo xtask cross`: the programs for boards, without a container.

mod build;
mod demand;
mod elf;
mod target;

use std::path::Path;

use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::Consent;
use crate::workspace::Profile;

pub(crate) use build::{PROGRAMS, TOOLS, build, build_tools, emulator_env, libraries, ready};
pub(crate) use elf::{Program, Version as SymbolVersion};
use target::TARGETS;
pub(crate) use target::{Debian, Libc, Target, named};

const HELP: &str = "\
cargo xtask cross [TARGET]... [--profile PROFILE] [--zig] [--yes]

  Builds transom-sfu and transom-agent for ARM boards and tells of each program how large it is
  and what it needs of the board: glibc no newer than Debian 12's, no library that is not there.

  TARGET               one of those below, or `all` [default: aarch64-gnu]
  --profile PROFILE    dist (small and slow to build), release or dev [default: dist]
  --zig                compile by zig, which takes glibc's symbols of Debian 12 wherever it runs:
                       for hosts newer than that. musl is built by zig always
  --yes                install what is missing without asking (CI=true means the same)

";

pub(crate) fn cross(mut args: Args) -> Result<(), Failure> {
    let mut targets: Vec<&Target> = Vec::new();
    let (mut profile, mut zig, mut yes) = (Profile::Dist, false, false);
    while let Some(word) = args.word() {
        match word.as_str() {
            "--profile" => profile = Profile::named(&args.value("--profile")?)?,
            "--zig" => zig = true,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{HELP}");
                for target in TARGETS {
                    println!("  {:<14} {}", target.name, target.about);
                }
                return Ok(());
            }
            "all" => targets.extend(TARGETS),
            option if option.starts_with('-') => return Err(args::unknown("cross", option)),
            name => targets.push(named(name).ok_or_else(|| {
                Failure::new(format!(
                    "there is no target `{name}`; `cargo xtask cross --help` lists them"
                ))
            })?),
        }
    }
    if targets.is_empty() {
        targets.extend(TARGETS.first());
    }
    let mut complaints = Vec::new();
    for target in targets {
        println!("\n━━ {}: {}", target.name, target.about);
        let folder = build(target, profile, zig, Consent::new(yes))?;
        complaints.extend(report(target, &folder, profile == Profile::Dist)?);
    }
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(complaints.join("\n"))),
    }
}

/// Tells what was built, and returns what is wrong with it; with its size as well, where that counts.
pub(crate) fn report(
    target: &Target,
    folder: &Path,
    judge_size: bool,
) -> Result<Vec<String>, Failure> {
    let mut complaints = Vec::new();
    println!("\n{}", folder.display());
    for name in PROGRAMS {
        let program = Program::read(&folder.join(name))?;
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        let megabytes = program.size as f64 / 1e6;
        println!("  {name:<14} {megabytes:.1} MB");
        println!("  {:<14} {program}", "");
        let versions: Vec<String> = ["GLIBC", "GLIBCXX"]
            .iter()
            .filter_map(|name| Some(format!("{name} {}", program.newest(name)?)))
            .collect();
        if !program.needed.is_empty() {
            println!("  {:<14} needs {}", "", program.needed.join(", "));
            println!("  {:<14} needs symbols up to {}", "", versions.join(", "));
        }
        let too_large = judge_size.then(|| demand::too_large(&program)).flatten();
        complaints.extend(
            demand::complaints(&program, target)
                .into_iter()
                .chain(too_large)
                .map(|complaint| format!("{name} for {}: {complaint}", target.name)),
        );
    }
    Ok(complaints)
}
