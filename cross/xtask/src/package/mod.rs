//! `cargo xtask package`: Debian packages of both programs.

mod architecture;
mod deb;
mod depends;
mod product;
mod root;
mod version;

use std::fs;
use std::path::{Path, PathBuf};

use crate::args::{self, Args};
use crate::failure::Failure;
use crate::needs::{self, Consent};
use crate::workspace::{self, Profile};

use architecture::{ARCHITECTURES, named};
pub(crate) use architecture::{Architecture, BOARDS, HOST};
use product::PRODUCTS;
pub(crate) use root::{base_root, is_root};
pub(crate) use version::Version;

const HELP: &str = "\
cargo xtask package [ARCHITECTURE]... [--profile PROFILE] [--yes]

  Makes Debian packages of transom-sfu and transom-agent, below target/package: systemd units that
  are hardened, configuration with comments, manual pages. The same sources make the same bytes, if
  SOURCE_DATE_EPOCH is the same (without it, the time of the latest commit).

  ARCHITECTURE         one of those below, or `all` [default: arm64]
  --profile PROFILE    dist (small and slow to build), release or dev [default: dist]
  --yes                install what is missing without asking (CI=true means the same)

";

pub(crate) fn package(mut args: Args) -> Result<(), Failure> {
    let mut wanted: Vec<&Architecture> = Vec::new();
    let (mut profile, mut yes) = (Profile::Dist, false);
    while let Some(word) = args.word() {
        match word.as_str() {
            "--profile" => profile = Profile::named(&args.value("--profile")?)?,
            "--yes" | "-y" => yes = true,
            "--help" | "-h" => {
                print!("{HELP}");
                for architecture in ARCHITECTURES {
                    println!("  {:<8} {}", architecture.name, architecture.about);
                }
                return Ok(());
            }
            "all" => wanted.extend(ARCHITECTURES),
            option if option.starts_with('-') => return Err(args::unknown("package", option)),
            name => wanted.push(named(name).ok_or_else(|| {
                Failure::new(format!(
                    "there is no architecture `{name}`; `cargo xtask package --help` lists them"
                ))
            })?),
        }
    }
    if wanted.is_empty() {
        wanted.extend(named("arm64"));
    }
    let consent = Consent::new(yes);
    needs::debian(needs::PACKAGES, consent)?;
    let folder = workspace::target().join("package");
    for architecture in wanted {
        println!("\n━━ {}: {}", architecture.name, architecture.about);
        let programs = architecture.build(profile, consent)?;
        for deb in make(architecture, &programs, &Version::ours(), &folder)? {
            tell(&deb)?;
        }
    }
    Ok(())
}

/// Makes both packages of programs that were built, and returns where they are.
pub(crate) fn make(
    architecture: &Architecture,
    programs: &Path,
    version: &Version,
    folder: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    fs::create_dir_all(folder).map_err(Failure::io(folder.display()))?;
    PRODUCTS
        .iter()
        .map(|product| {
            let files = product.files(architecture, programs, version)?;
            let name = format!("{}_{version}_{}.deb", product.name, architecture.name);
            let deb = folder.join(name);
            files.pack(&deb)?;
            Ok(deb)
        })
        .collect()
}

/// An empty folder for the packages of a test.
pub(crate) fn test_folder(name: &str) -> Result<PathBuf, Failure> {
    let folder = workspace::target().join("package").join("test").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    }
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    // For who works in another folder.
    std::path::absolute(&folder).map_err(Failure::io(folder.display()))
}

/// Whether the files are equal, one by one.
pub(crate) fn same(some: &[PathBuf], others: &[PathBuf]) -> Result<bool, Failure> {
    let read = |path: &PathBuf| fs::read(path).map_err(Failure::io(path.display()));
    for (one, other) in some.iter().zip(others) {
        if read(one)? != read(other)? {
            return Ok(false);
        }
    }
    Ok(some.len() == others.len())
}

fn tell(deb: &Path) -> Result<(), Failure> {
    let size = fs::metadata(deb).map_err(Failure::io(deb.display()))?.len();
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let megabytes = size as f64 / 1e6;
    println!("  {megabytes:.1} MB  {}", deb.display());
    Ok(())
}
